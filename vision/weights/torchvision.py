"""torchvision's ResNets, as PyTorch's `.pth` (`pth.py`) or as safetensors with the same names (timm's `….tv_in1k`).

Images are RGB / 255 minus a mean, divided by a standard deviation. pool1 is padded. The stride of a stage is in the
3 × 3 convolution of its first bottleneck.

open-mmlab's copies of MSRA's networks have the same names but other conventions: BGR, no division, stride in the first
1 × 1 convolution. They are recognized by their SHA-256, whose first digits the publisher puts into the file name.
"""

import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load

from vision.weights.detectron import MSRA_IMAGES
from vision.weights.layout import Convolution, Place, Role
from vision.weights.params import SCALED_RGB
from vision.weights.source import Arrays, Source, refuse

# resnet50_caffe-788b5fa3.pth, resnet101_caffe-3ad79236.pth, resnet50_msra-5891d200.pth, resnet101_msra-6cc46731.pth
MSRA_COPIES = ("788b5fa3", "3ad79236", "5891d200", "6cc46731")
NUMBERS = {"2a": 1, "2b": 2, "2c": 3}
NORM = {"gamma": "weight", "beta": "bias", "running_mean": "running_mean", "running_var": "running_var"}


def read_safetensors(path: Path, layout: list[Convolution]) -> Source:
    """Reads a safetensors file. The package checks that the ranges of all arrays are in the file and do not overlap.

    Raises:
        UserError: the file is damaged.
    """
    try:
        arrays = load(path.read_bytes())
    except (SafetensorError, KeyError, ValueError) as error:  # KeyError: a type that NumPy does not have.
        raise refuse(path, f"is damaged, or not a safetensors file ({error})") from None
    return of_arrays(path, arrays, layout)


def of_arrays(path: Path, arrays: Arrays, layout: list[Convolution]) -> Source:
    """The source with these arrays, read from the file `path`."""
    has_bottlenecks = any(each.branch == "2c" for each in layout)
    is_copy = hashlib.sha256(path.read_bytes()).hexdigest().startswith(MSRA_COPIES)
    return Source(
        format="open-mmlab's copy of MSRA's ResNet" if is_copy else "torchvision's ResNet",
        arrays=arrays,
        names={each.place: _names(each.place) for each in layout},
        unused=_unused,
        preprocessing=MSRA_IMAGES if is_copy else SCALED_RGB,
        pool1="caffe" if is_copy else "padded",
        stride_in="3x3" if has_bottlenecks and not is_copy else "1x1",
        licence="MIT, He et al." if is_copy else "BSD-3-Clause, PyTorch",
    )


def _names(place: Place) -> dict[Role, str]:
    stage, block, branch = place
    if branch == "conv1":
        convolution, norm = "conv1", "bn1"
    elif branch == "1":
        convolution, norm = (f"layer{stage - 1}.{block}.downsample.{index}" for index in (0, 1))
    else:
        convolution, norm = (f"layer{stage - 1}.{block}.{kind}{NUMBERS[branch]}" for kind in ("conv", "bn"))
    return {"weight": f"{convolution}.weight"} | {role: f"{norm}.{name}" for role, name in NORM.items()}


def _unused(name: str) -> str:
    if name.endswith(".num_batches_tracked"):
        return "counter of batches"
    return "classifier" if name.startswith("fc.") else ""
