"""MSRA's ResNet-50 and -101 as pickles of Detectron and Detectron2 (`R-50.pkl`, `R-101.pkl`).

These are converted copies of He et al.'s Caffe networks, which Relation Networks also start from: BGR images that are
not divided, the stride of a stage in its first 1 × 1 convolution, pool1 without padding. The pickles, most of them
written by Python 2, contain a dictionary of arrays, under "blobs" or at the top level, with Caffe2's names: `conv1_w`,
`res_conv1_bn_s`, `res2_0_branch2a_w`.

Detectron folds the statistics of BatchNorm into a scale `_bn_s` and a shift `_bn_b` (its tools/pickle_caffe_blobs.py).
Detectron2 keeps them as `_bn_gamma`, `_bn_beta`, `_bn_running_mean` and `_bn_running_var` (its MODEL_ZOO.md). Some
convolutions also have a bias, `_b`.
"""

import io
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from vision.weights.layout import Convolution, Place, Role
from vision.weights.source import Arrays, Preprocessing, Source, refuse
from vision.weights.unpickle import Admitted, Unpickler

MSRA_IMAGES = Preprocessing("BGR", (102.9801, 115.9465, 122.7717))
FOLDED = {"gamma": "_bn_s", "beta": "_bn_b"}
KEPT = {role: f"_bn_{role}" for role in ("gamma", "beta", "running_mean", "running_var")}
CLASSIFIER = ("fc1000_", "pred_")
REMEDY = "give the R-50.pkl or R-101.pkl of Detectron"


class _Dtype:
    """Stand-in for `numpy.dtype`: a number type in either byte order."""

    def __init__(self, code: str, *_: Any):
        if not re.fullmatch(r"[fiub][1248]", code):
            raise ValueError(f"an array of type {code}")
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple) -> None:
        self.order = {"<": "<", ">": ">", "|": "="}[state[1]]

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.order + self.code)


class _Array:
    """Stand-in for `numpy.ndarray`, and for the function that makes an empty one before its state is set."""

    array: np.ndarray | None = None

    def __init__(self, *_: Any):
        pass

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, content = state
        content = content.encode("latin-1") if isinstance(content, str) else content
        self.array = np.frombuffer(content, dtype.dtype).reshape(shape, order="F" if is_fortran else "C")


def _encode(text: str, _: str) -> bytes:
    """Stand-in for `codecs.encode`, with which Python 3 writes bytes to pickles of protocol 2."""
    return text.encode("latin-1")


ADMITTED: Admitted = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): OrderedDict,
}


def read(path: Path, layout: list[Convolution]) -> Source:
    """Reads the file.

    Raises:
        UserError: the file is damaged, contains anything other than arrays, or names anything not admitted.
    """
    arrays = _arrays(path)
    return Source(
        format="Detectron's ResNet of MSRA",
        arrays=arrays,
        names={each.place: _names(each.place, arrays) for each in layout},
        unused=_unused,
        preprocessing=MSRA_IMAGES,
        pool1="caffe",
        stride_in="1x1",
        licence="MIT, He et al.; the conversion CC BY-SA 3.0, Facebook",
    )


def _arrays(path: Path) -> Arrays:
    found = Unpickler(path, io.BytesIO(path.read_bytes()), ADMITTED).load()
    blobs = found.get("blobs", found) if isinstance(found, dict) else None
    if not isinstance(blobs, dict) or not blobs:
        raise refuse(path, "is not a dictionary of arrays", REMEDY)
    for name, value in blobs.items():
        if not isinstance(name, str) or not isinstance(value, _Array) or value.array is None:
            raise refuse(path, f"{name!s:.40} is not an array", REMEDY)
    return {name: value.array for name, value in blobs.items()}


def _names(place: Place, arrays: Arrays) -> dict[Role, str]:
    stage, block, branch = place
    weight = "conv1" if branch == "conv1" else f"res{stage}_{block}_branch{branch}"
    norm = "res_conv1" if branch == "conv1" else weight
    names = {"weight": f"{weight}_w"}
    if f"{weight}_b" in arrays:
        names["bias"] = f"{weight}_b"
    suffixes = KEPT if f"{norm}{KEPT['gamma']}" in arrays else FOLDED
    return names | {role: norm + suffix for role, suffix in suffixes.items()}


def _unused(name: str) -> str:
    if name.endswith("_momentum"):
        return "momentum"
    return "classifier" if name.startswith(CLASSIFIER) else ""
