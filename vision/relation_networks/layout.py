"""The name of each parameter of the detector in our files and in checkpoints of Relation Networks' code."""

from collections.abc import Iterator
from typing import NamedTuple

from data.common.errors import UserError
from vision.config import HEADS, ModelConfig
from vision.models.anchors import PER_CELL
from vision.models.backbone import CHANNELS
from vision.models.detector import POOLED
from vision.models.relation_module import POSITION
from vision.weights.layout import Convolution, convolutions, empty_backbone
from vision.weights.params import relation_networks_names

# The stages whose blocks are a, b1, b2, … instead of a, b, c, … in Caffe's networks. Relation Networks' code only
# builds ResNet-101; ResNet-50 follows the same naming rule and is supported for small experiments.
NUMBERED = {"resnet50": (), "resnet101": (3, 4)}


class Parameter(NamedTuple):
    """One parameter of the detector.

    Args:
        here: name in files of `save_parameters`.
        there: name in their files, with `arg:` or `aux:`.
        shape: our shape.
        shape_there: their shape. The numbers are the same, in the same order.
        is_bias: it has no counterpart. The Caffe network has no biases before BatchNorm, where a bias is equivalent to
            a change of the running mean: `there` names the running mean that the bias is subtracted from.
    """

    here: str
    there: str
    shape: tuple[int, ...]
    shape_there: tuple[int, ...]
    is_bias: bool = False


def layout(model: ModelConfig, classes: int) -> list[Parameter]:
    """All parameters of a detector.

    Nothing needs to be permuted: in both projects the RPN's channels are ordered by anchor, by ratio and from small to
    large, with the scores of background before those of objects, and pooled ROIs are flattened channel by channel.

    Args:
        model: config of the network.
        classes: number of categories, without background.

    Raises:
        UserError: their code has no such backbone.

    Example:
        >>> from pathlib import Path
        >>> from data.common.config import read_config
        >>> from vision.config import Config
        >>> config = read_config(Config, Path("vision/configs/paper/minicoco/rn.yaml"))
        >>> parameters = {each.here: each for each in layout(config.model, 80)}
        >>> parameters["relation_1.linear_out.weight"][1:4]
        ('arg:linear_out_1_weight', (1024, 1024), (1024, 1024, 1, 1))
        >>> parameters["backbone.features.6.22.body.6.weight"].there
        'arg:res4b22_branch2c_weight'
    """
    if model.backbone not in NUMBERED:
        raise UserError(
            f"model.backbone {model.backbone}: not in Relation Networks' code; give a config or run with resnet101"
        )
    if model.stride_in != "1x1":
        raise UserError(
            f"model.stride_in {model.stride_in}: Relation Networks' code has the stride in the 1x1; set it to 1x1"
        )
    return [
        *_backbone(model.backbone),
        *_head(model, classes),
        *(each for k in model.modules for each in _relation_module(k, model)),
    ]


def _backbone(name: str) -> Iterator[Parameter]:
    for convolution in sorted(convolutions(empty_backbone(name)), key=_shortcut_last):
        there = relation_networks_names(convolution.place, convolution.stage in NUMBERED[name])
        for role, (here, shape) in convolution.parameters.items():
            is_bias = role == "bias"
            yield Parameter(here, there["running_mean" if is_bias else role], shape, shape, is_bias)


def _shortcut_last(convolution: Convolution) -> tuple[int, int, bool]:
    return convolution.stage, convolution.block, convolution.branch == "1"


def _head(model: ModelConfig, classes: int) -> Iterator[Parameter]:
    conv4, conv5 = CHANNELS[model.backbone]
    units, channels = model.fc_units, model.roi_channels
    yield from _layer("rpn.conv_3x3", "rpn_conv_3x3", (model.rpn_channels, conv4, 3, 3))
    yield from _layer("rpn.cls_score", "rpn_cls_score", (2 * PER_CELL, model.rpn_channels, 1, 1))
    yield from _layer("rpn.bbox_pred", "rpn_bbox_pred", (4 * PER_CELL, model.rpn_channels, 1, 1))
    yield from _layer("conv_new_1", "conv_new_1", (channels, conv5, 1, 1))
    yield from _layer("fc_new_1", "fc_new_1", (units, channels * POOLED**2))
    yield from _layer("fc_new_2", "fc_new_2", (units, units))
    yield from _layer("cls_score", "cls_score", (1 + classes, units))
    yield from _layer("bbox_pred", "bbox_pred", (8, units))


def _relation_module(index: int, model: ModelConfig) -> Iterator[Parameter]:
    units, here = model.fc_units, f"relation_{index}"
    yield from _layer(f"{here}.pair_pos_fc1", f"pair_pos_fc1_{index}", (HEADS, POSITION))
    for name in ("query", "key"):
        yield from _layer(f"{here}.{name}", f"{name}_{index}", (model.d_k, units))
    yield from _layer(f"{here}.linear_out", f"linear_out_{index}", (units, units), (units, units, 1, 1))


def _layer(
    here: str, there: str, shape: tuple[int, ...], shape_there: tuple[int, ...] | None = None
) -> Iterator[Parameter]:
    yield Parameter(f"{here}.weight", f"arg:{there}_weight", shape, shape_there or shape)
    yield Parameter(f"{here}.bias", f"arg:{there}_bias", shape[:1], shape[:1])
