"""`Source`, which the reader of each file format returns."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from data.common.errors import UserError
from vision.weights.layout import Place, Role

Arrays = dict[str, np.ndarray]


class Preprocessing(NamedTuple):
    """How the images that a network was trained on were normalized: (image − means) / stds.

    Args:
        channels: order of the input channels.
        means, stds: one per channel in that order, for pixel values from 0 to 255.
    """

    channels: Literal["RGB", "BGR"]
    means: tuple[float, float, float]
    stds: tuple[float, float, float] = (1.0, 1.0, 1.0)


class Source(NamedTuple):
    """A file of weights.

    Args:
        format: kind of file.
        arrays: all arrays in the file.
        names: for each convolution, the name in `arrays` of each of its parameters. Only the weight is required;
            missing parameters of BatchNorm get values that make it the identity.
        unused: takes the name of an array and returns why a network up to conv5 does not need it, or "" if it does.
        preprocessing: of the training images.
        pool1, stride_in: as in `vision.models.backbone.Backbone`.
        licence, trained_on: as stated by the publisher.
    """

    format: str
    arrays: Arrays
    names: dict[Place, dict[Role, str]]
    unused: Callable[[str], str]
    preprocessing: Preprocessing
    pool1: Literal["padded", "caffe"]
    stride_in: Literal["1x1", "3x3"]
    licence: str
    trained_on: str = "ImageNet"


def refuse(path: Path, problem: str, remedy: str = "download or copy it again") -> UserError:
    """The error for a file that cannot be converted."""
    return UserError(f"{path}: {problem}; {remedy}")


def provenance_path(out: Path) -> Path:
    """The JSON file next to a converted file."""
    return out.with_suffix(".json")
