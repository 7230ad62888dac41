"""What each parameter of the detector is called here, and in checkpoints of the authors' code of Relation Networks."""

from collections.abc import Iterator
from typing import NamedTuple

from data.common.errors import UserError
from vision.config import HEADS, ModelConfig
from vision.models.anchors import PER_CELL
from vision.models.detector import POOLED
from vision.models.relation_module import POSITION

# Their code builds ResNet-101 alone; ResNet-50 would be named by the same rule, and is, for small experiments.
# Blocks of res2 to res5, and the stages whose blocks are a, b1, b2, … instead of a, b, c, … (Caffe's networks).
BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
NUMBERED = {"resnet50": (), "resnet101": (3, 4)}
WIDTHS = (64, 128, 256, 512)
EXPANSION = 4  # from the width of a block to its outputs

STATISTICS = {"gamma": "arg:{}_gamma", "beta": "arg:{}_beta"}
STATISTICS |= {"running_mean": "aux:{}_moving_mean", "running_var": "aux:{}_moving_var"}


class Parameter(NamedTuple):
    """One parameter of the detector.

    Args:
        here: its name in files of `save_parameters`.
        there: its name in theirs, with `arg:` or `aux:`.
        shape: here.
        shape_there: there; the same numbers in the same order.
        is_bias: it has no counterpart. The Caffe network has no biases before BatchNorm, where they do nothing that
            the mean cannot: `there` is the running mean that the bias is taken off.
    """

    here: str
    there: str
    shape: tuple[int, ...]
    shape_there: tuple[int, ...]
    is_bias: bool = False


def layout(model: ModelConfig, classes: int) -> list[Parameter]:
    """All parameters of a detector.

    Nothing is permuted between here and there: the RPN's channels are anchor by anchor, ratio by ratio and from small
    to large, scores of background before those of objects; pooled ROIs are flattened channel by channel.

    Args:
        model: its config.
        classes: categories, without background.

    Raises:
        UserError: their code has no such backbone.
    """
    if model.backbone not in BLOCKS:
        raise UserError(
            f"model.backbone {model.backbone}: Relation Networks' code has no such network; "
            "give a config or run with resnet101"
        )
    if model.stride_in != "1x1":
        raise UserError(
            f"model.stride_in {model.stride_in}: Relation Networks' code has the stride in 1x1; set it to that"
        )
    return [
        *_backbone(model.backbone),
        *_head(model, classes),
        *(each for k in model.modules for each in _relations(k, model)),
    ]


def _backbone(name: str) -> Iterator[Parameter]:
    yield _same("backbone.features.0.weight", "arg:conv1_weight", (64, 3, 7, 7))
    yield from _norm("backbone.features.1", "bn_conv1", 64)
    inputs = 64
    for stage, (blocks, width) in enumerate(zip(BLOCKS[name], WIDTHS, strict=True), start=2):
        outputs = EXPANSION * width
        for block in range(blocks):
            here = f"backbone.features.{stage + 2}.{block}"
            branch = f"{stage}{_letter(block, stage in NUMBERED[name])}_branch"
            yield from _convolution(f"{here}.body.0", f"{here}.body.1", f"{branch}2a", (width, inputs, 1, 1), True)
            yield from _convolution(f"{here}.body.3", f"{here}.body.4", f"{branch}2b", (width, width, 3, 3), False)
            yield from _convolution(f"{here}.body.6", f"{here}.body.7", f"{branch}2c", (outputs, width, 1, 1), True)
            if block == 0:
                shortcut = f"{here}.downsample"
                yield from _convolution(f"{shortcut}.0", f"{shortcut}.1", f"{branch}1", (outputs, inputs, 1, 1), False)
            inputs = outputs


def _letter(block: int, numbered: bool) -> str:
    return f"b{block}" if numbered and block else "abcdef"[block]


def _convolution(here: str, norm: str, branch: str, shape: tuple[int, ...], has_bias: bool) -> Iterator[Parameter]:
    """A convolution and the BatchNorm behind it."""
    yield _same(f"{here}.weight", f"arg:res{branch}_weight", shape)
    if has_bias:
        yield Parameter(f"{here}.bias", f"aux:bn{branch}_moving_mean", shape[:1], shape[:1], is_bias=True)
    yield from _norm(norm, f"bn{branch}", shape[0])


def _norm(here: str, there: str, channels: int) -> Iterator[Parameter]:
    for name, pattern in STATISTICS.items():
        yield _same(f"{here}.{name}", pattern.format(there), (channels,))


def _head(model: ModelConfig, classes: int) -> Iterator[Parameter]:
    conv4, conv5 = (EXPANSION * width for width in WIDTHS[2:])
    units, channels = model.fc_units, model.roi_channels
    yield from _layer("rpn.conv_3x3", "rpn_conv_3x3", (model.rpn_channels, conv4, 3, 3))
    yield from _layer("rpn.cls_score", "rpn_cls_score", (2 * PER_CELL, model.rpn_channels, 1, 1))
    yield from _layer("rpn.bbox_pred", "rpn_bbox_pred", (4 * PER_CELL, model.rpn_channels, 1, 1))
    yield from _layer("conv_new_1", "conv_new_1", (channels, conv5, 1, 1))
    yield from _layer("fc_new_1", "fc_new_1", (units, channels * POOLED**2))
    yield from _layer("fc_new_2", "fc_new_2", (units, units))
    yield from _layer("cls_score", "cls_score", (1 + classes, units))
    yield from _layer("bbox_pred", "bbox_pred", (8, units))


def _relations(index: int, model: ModelConfig) -> Iterator[Parameter]:
    units, here = model.fc_units, f"relation_{index}"
    yield from _layer(f"{here}.pair_pos_fc1", f"pair_pos_fc1_{index}", (HEADS, POSITION))
    for name in ("query", "key"):
        yield from _layer(f"{here}.{name}", f"{name}_{index}", (model.d_k, units))
    yield from _layer(f"{here}.linear_out", f"linear_out_{index}", (units, units), (units, units, 1, 1))


def _layer(
    here: str, there: str, shape: tuple[int, ...], shape_there: tuple[int, ...] | None = None
) -> Iterator[Parameter]:
    yield Parameter(f"{here}.weight", f"arg:{there}_weight", shape, shape_there or shape)
    yield _same(f"{here}.bias", f"arg:{there}_bias", shape[:1])


def _same(here: str, there: str, shape: tuple[int, ...]) -> Parameter:
    return Parameter(here, there, shape, shape)
