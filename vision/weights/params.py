"""`.params` files of MXNet: GluonCV's ResNets v1, and the ImageNet backbone of Relation Networks' code.

The second, `resnet_v1_101-0000.params`, is MSRA's network for RGB images. Its names are the Caffe converter's, prefixed
with `arg:` or `aux:`. `python -m vision.relation_networks import` takes whole detectors.
"""

from pathlib import Path

from vision.models.backbone import PIXEL_MEANS
from vision.parameters import read_parameters
from vision.weights.layout import PREFIX, Convolution, Place, Role
from vision.weights.source import Arrays, Preprocessing, Source, refuse

# Images of torchvision's and GluonCV's networks.
SCALED_RGB = Preprocessing("RGB", (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255))

NORM = {
    "gamma": "arg:{}_gamma",
    "beta": "arg:{}_beta",
    "running_mean": "aux:{}_moving_mean",
    "running_var": "aux:{}_moving_var",
}
OF_THE_BACKBONE = ("arg:res", "arg:conv1", "arg:bn", "aux:")


def read(path: Path, layout: list[Convolution]) -> Source:
    """Reads the file.

    Raises:
        UserError: the file is damaged, or already converted.
    """
    arrays = {name: array.asnumpy() for name, array in read_parameters(path).items()}
    if any(name.startswith(PREFIX) for name in arrays):
        raise refuse(path, "is already converted", "set model.pretrained to it")
    if any(name.startswith(("arg:", "aux:")) for name in arrays):
        return _of_relation_networks(arrays, layout)
    return of_gluoncv(arrays, layout)


def of_gluoncv(arrays: Arrays, layout: list[Convolution]) -> Source:
    """Arrays written by GluonCV's `save_parameters`. The backbone has its layers; only the prefix of names differs."""
    return Source(
        format="GluonCV's ResNet v1",
        arrays=arrays,
        names={
            each.place: {role: parameter.name.removeprefix(PREFIX) for role, parameter in each.parameters.items()}
            for each in layout
        },
        unused=lambda name: "classifier" if name.startswith("output.") else "",
        preprocessing=SCALED_RGB,
        pool1="padded",
        stride_in="1x1",
        licence="Apache-2.0, GluonCV",
    )


def _of_relation_networks(arrays: Arrays, layout: list[Convolution]) -> Source:
    def names(place: Place) -> dict[Role, str]:
        numbered = f"arg:res{place[0]}b1_branch2a_weight" in arrays
        return relation_networks_names(place, numbered)

    return Source(
        format="Relation Networks' ResNet",
        arrays=arrays,
        names={each.place: names(each.place) for each in layout},
        unused=lambda name: "" if name.startswith(OF_THE_BACKBONE) else "not of the backbone",
        preprocessing=Preprocessing("RGB", PIXEL_MEANS),
        pool1="caffe",
        stride_in="1x1",
        licence="MIT, He et al.",
    )


def relation_networks_names(place: Place, numbered: bool) -> dict[Role, str]:
    """Names of a convolution's weight and BatchNorm in files of Relation Networks' code.

    Args:
        place: stage, block and branch.
        numbered: whether the blocks of the stage are a, b1, b2, … (long stages) instead of a, b, c, …

    Example:
        >>> relation_networks_names((4, 22, "2b"), numbered=True)["running_var"]
        'aux:bn4b22_branch2b_moving_var'
    """
    stage, block, branch = place
    if branch == "conv1":
        weight, norm = "conv1", "bn_conv1"
    else:
        letter = f"b{block}" if numbered and block else "abcdef"[block : block + 1] or str(block)
        weight, norm = (f"{kind}{stage}{letter}_branch{branch}" for kind in ("res", "bn"))
    return {"weight": f"arg:{weight}_weight"} | {role: pattern.format(norm) for role, pattern in NORM.items()}
