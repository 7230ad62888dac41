"""What a reader of a file format returns, and what all readers share."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from data.common.errors import UserError
from vision.weights.layout import Place, Role

Arrays = dict[str, np.ndarray]


class Preprocessing(NamedTuple):
    """The images that a network was trained on: (image − means) / stds.

    Args:
        channels: order of the input channels.
        means, stds: of pixel values from 0 to 255, in that order.
    """

    channels: Literal["RGB", "BGR"]
    means: tuple[float, float, float]
    stds: tuple[float, float, float] = (1.0, 1.0, 1.0)


class Source(NamedTuple):
    """A file of weights.

    Args:
        format: what kind of file it is.
        arrays: all arrays in it.
        names: the name in `arrays` of each parameter of each convolution. A convolution may lack any but the weight:
            BatchNorm is the identity where it has no parameters.
        unused: why a network up to conv5 does not need the array of this name; empty where it should.
        preprocessing: of its images.
        pool1, stride_in: as in `vision.models.backbone.Backbone`.
        licence, trained_on: what its publisher says.
    """

    format: str
    arrays: Arrays
    names: dict[Place, dict[Role, str]]
    unused: Callable[[str], str]
    preprocessing: Preprocessing
    pool1: Literal["padded", "caffe"]
    stride_in: Literal["1x1", "3x3"]
    licence: str
    trained_on: str


def refuse(path: Path, problem: str, remedy: str = "download or copy it again") -> UserError:
    """The error of a file that cannot be converted."""
    return UserError(f"{path}: {problem}; {remedy}")


def provenance_path(out: Path) -> Path:
    """The JSON next to a converted file."""
    return out.with_suffix(".json")
