"""torchvision's ResNets, as `.pth` of PyTorch or as safetensors with the same names (timm's copies, `….tv_in1k`).

RGB / 255, less a mean, divided by a standard deviation; pool1 padded; the stride of a stage in the 3 × 3 convolution of
its first bottleneck. Their names are also those of open-mmlab's copies of MSRA's networks, which look the same and are
not: BGR, not divided, stride in the first 1 × 1. Those are told apart by the beginning of the SHA-256 that their
publisher puts into their names.
"""

import hashlib
from pathlib import Path

from vision.weights.detectron import MSRA_IMAGES
from vision.weights.gluoncv import SCALED_RGB
from vision.weights.layout import Convolution, Place, Role
from vision.weights.source import Arrays, Source

# resnet50_caffe-788b5fa3.pth, resnet101_caffe-3ad79236.pth, resnet50_msra-5891d200.pth, resnet101_msra-6cc46731.pth
MSRA_COPIES = ("788b5fa3", "3ad79236", "5891d200", "6cc46731")
NUMBERS = {"2a": 1, "2b": 2, "2c": 3}
NORM = {"gamma": "weight", "beta": "bias", "running_mean": "running_mean", "running_var": "running_var"}


def of_arrays(path: Path, arrays: Arrays, layout: list[Convolution]) -> Source:
    """What the arrays of the file `path` are."""
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
        trained_on="ImageNet",
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
