"""The ImageNet backbone of Relation Networks' code, `resnet_v1_101-0000.params`: MSRA's network for RGB images.

Names are the Caffe converter's with `arg:` and `aux:`; blocks are a, b, c, … or, in long stages, a, b1, b2, …
`python -m vision.relation_networks import` takes whole detectors.
"""

from vision.models.backbone import PIXEL_MEANS
from vision.weights.layout import Convolution, Place, Role
from vision.weights.source import Arrays, Preprocessing, Source

NORM = {
    "gamma": "arg:{}_gamma",
    "beta": "arg:{}_beta",
    "running_mean": "aux:{}_moving_mean",
    "running_var": "aux:{}_moving_var",
}
OF_THE_BACKBONE = ("arg:res", "arg:conv1", "arg:bn", "aux:")


def of_arrays(arrays: Arrays, layout: list[Convolution]) -> Source:
    """What the arrays of a file are."""
    return Source(
        format="Relation Networks' ResNet",
        arrays=arrays,
        names={each.place: _names(each.place, arrays) for each in layout},
        unused=lambda name: "" if name.startswith(OF_THE_BACKBONE) else "not of the backbone",
        preprocessing=Preprocessing("RGB", PIXEL_MEANS),
        pool1="caffe",
        stride_in="1x1",
        licence="MIT, He et al.",
        trained_on="ImageNet",
    )


def _names(place: Place, arrays: Arrays) -> dict[Role, str]:
    stage, block, branch = place
    if branch == "conv1":
        weight, norm = "conv1", "bn_conv1"
    else:
        numbered = f"arg:res{stage}b1_branch2a_weight" in arrays
        letter = f"b{block}" if numbered and block else "abcdef"[block : block + 1] or str(block)
        weight, norm = (f"{kind}{stage}{letter}_branch{branch}" for kind in ("res", "bn"))
    return {"weight": f"arg:{weight}_weight"} | {role: pattern.format(norm) for role, pattern in NORM.items()}
