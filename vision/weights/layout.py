"""The convolutions of a backbone in order of computation, and the names of their parameters in our files."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import mxnet as mx
from mxnet import gluon

from vision.models.backbone import FIRST_STAGE, LAST_STAGE, Backbone

Role = Literal["weight", "bias", "gamma", "beta", "running_mean", "running_var"]
Branch = Literal["conv1", "1", "2a", "2b", "2c"]

Place = tuple[int, int, Branch]  # stage, block and branch of a convolution

PREFIX = "backbone."  # of the backbone's parameters in a detector


class Parameter(NamedTuple):
    """Name, as written by `Detector.save_parameters`, and shape."""

    name: str
    shape: tuple[int, ...]


class Convolution(NamedTuple):
    """A convolution and the BatchNorm after it.

    Args:
        stage: 1 for conv1, 2 to 5 for res2 to res5.
        block: index in the stage, from 0.
        branch: "conv1", or its name in the blocks of He et al.'s Caffe networks: "1" is the shortcut, "2a" to "2c" are
            the other convolutions.
        parameters: weight, bias if there is one, and the four parameters of BatchNorm.
    """

    stage: int
    block: int
    branch: Branch
    parameters: dict[Role, Parameter]

    @property
    def place(self) -> Place:
        """Stage, block and branch."""
        return self[:3]


def empty_backbone(name: str, pool1: str = "padded", stride_in: str = "1x1") -> Backbone:
    """A backbone for pretrained weights, with known shapes and uninitialized parameters."""
    backbone = Backbone(name, frozen_norm=True, pool1=pool1, stride_in=stride_in)
    backbone.infer_shape(mx.nd.zeros((1, 3, 32, 32)))
    return backbone


def convolutions(backbone: Backbone) -> list[Convolution]:
    """All convolutions of a backbone with known shapes. Within a block, the shortcut comes first.

    Example:
        >>> conv1, shortcut, *others = convolutions(empty_backbone("resnet50"))
        >>> shortcut.place, others[0].place
        ((2, 0, '1'), (2, 0, '2a'))
        >>> conv1.parameters["weight"]
        Parameter(name='backbone.features.0.weight', shape=(64, 3, 7, 7))
        >>> list(others[0].parameters)
        ['weight', 'bias', 'gamma', 'beta', 'running_mean', 'running_var']
    """
    names = {id(each): PREFIX + name for name, each in backbone._collect_params_with_prefix().items()}
    conv1, norm1, *_ = backbone.layers
    found = [Convolution(1, 0, "conv1", _parameters(conv1, norm1, names))]
    for stage, layer in enumerate(backbone.layers[FIRST_STAGE : LAST_STAGE + 1], start=2):
        for number, block in enumerate(layer):
            for branch, convolution, norm in _branches(block):
                found.append(Convolution(stage, number, branch, _parameters(convolution, norm, names)))
    return found


def _branches(block: gluon.Block) -> Iterator[tuple[Branch, gluon.Block, gluon.Block]]:
    """Each convolution of a block, and the BatchNorm after it."""
    if block.downsample is not None:
        yield "1", *block.downsample
    layers = [layer for layer in block.body if not isinstance(layer, gluon.nn.Activation)]
    yield from zip(("2a", "2b", "2c"), layers[::2], layers[1::2], strict=False)


def _parameters(convolution: gluon.nn.Conv2D, norm: gluon.nn.BatchNorm, names: dict[int, str]) -> dict[Role, Parameter]:
    roles = {"weight": convolution.weight, "bias": convolution.bias}
    roles |= {role: getattr(norm, role) for role in ("gamma", "beta", "running_mean", "running_var")}
    return {role: Parameter(names[id(each)], each.shape) for role, each in roles.items() if each is not None}
