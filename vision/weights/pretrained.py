"""What a network starts from: the weights that `model.pretrained` names."""

import dataclasses
from pathlib import Path
from typing import TypeVar

import mxnet as mx
import numpy as np
from mxnet import gluon
from mxnet.ndarray import NDArray

from data.common.errors import UserError
from data.common.files import read_json
from vision.config import ModelConfig
from vision.models.backbone import FEATURES, Backbone
from vision.parameters import read_parameters
from vision.scenes.config import SceneModelConfig
from vision.weights import gluoncv
from vision.weights.convert import convert
from vision.weights.layout import PREFIX, convolutions
from vision.weights.report import shown
from vision.weights.source import provenance_path

Model = TypeVar("Model", ModelConfig, SceneModelConfig)

FOLDER = "imagenet"  # in the data folder


def find_weights(model: Model, data: Path) -> Model:
    """The same config of a network with the path of its file in place of "imagenet".

    Raises:
        UserError: the data folder `data` has no such file.
    """
    if model.pretrained != "imagenet":
        return model
    path = data / FOLDER / f"{model.backbone}.params"
    if not path.is_file():
        name = f"imagenet-{model.backbone.replace('_', '-')}"
        raise UserError(
            f"{path}: no ImageNet weights of {model.backbone}; run scripts/get_data.sh {name} --data {data}"
        )
    return dataclasses.replace(model, pretrained=str(path))


def load_pretrained(network: gluon.Block, path: Path) -> None:
    """Gives an initialised network the weights of a file.

    Args:
        network: a `Detector`, or a `Backbone` alone. A detector also takes what the file has of the layers after the
            backbone, and keeps its initial values elsewhere.
        path: a file of `python -m vision.weights` or `python -m vision.relation_networks import`, the checkpoint of a
            run, or a `.params` file of GluonCV's network of the same name.

    Raises:
        UserError: the file is missing, damaged, or of another network.
    """
    alone = isinstance(network, Backbone)
    backbone = network if alone else network.backbone
    parameters = network._collect_params_with_prefix(PREFIX.rstrip(".") if alone else "")
    arrays = _read(path, backbone)
    _require_fit(path, arrays, {name: parameter.shape for name, parameter in parameters.items()}, backbone)
    for name, parameter in parameters.items():
        if name in arrays:
            parameter.set_data(arrays[name].astype(parameter.dtype))


def _read(path: Path, backbone: Backbone) -> dict[str, NDArray]:
    """The arrays of a file, with the names of a detector's parameters."""
    found = read_parameters(path)
    if any(name.startswith(PREFIX) for name in found):
        _require_same_kind(path, found, backbone)
        return found
    if any(name.startswith(("arg:", "aux:")) for name in found):
        raise UserError(
            f"{path}: has the names of Relation Networks' code; give what python -m vision.relation_networks import "
            "makes of it"
        )
    source = gluoncv.of_arrays({name: array.asnumpy() for name, array in found.items()}, convolutions(backbone))
    for setting in ("pool1", "stride_in"):
        _require_same(path, setting, getattr(source, setting), backbone)
    arrays, _ = convert(path, source, convolutions(backbone))
    return {name: mx.nd.array(array) for name, array in arrays.items()}


def _require_same_kind(path: Path, found: dict[str, NDArray], backbone: Backbone) -> None:
    """Raises unless the weights were trained with the stride and pool1 that the network has.

    The names say where the stride was. The JSON next to the file says what pool1 was; without one, nobody knows.
    """
    for stride_in, layers in FEATURES.items():
        if any(name.startswith(f"{PREFIX}{layers}.") for name in found):
            _require_same(path, "stride_in", stride_in, backbone)
    provenance = provenance_path(path)
    if provenance.is_file():
        noted = read_json(provenance, "record of where weights came from", "convert the weights again")
        if not isinstance(noted, dict) or "pool1" not in noted:
            raise UserError(f"{provenance}: does not say which pool1 the weights need; convert them again")
        _require_same(path, "pool1", noted["pool1"], backbone)
    elif backbone.pool1 == "padded":
        print(f"{path}: if it was imported, its pool1 is caffe, and here model.pool1 is padded")


def _require_same(path: Path, setting: str, value: str, backbone: Backbone) -> None:
    wanted = getattr(backbone, setting)
    if value != wanted:
        raise UserError(
            f"{path}: was trained with {setting} {value}, and model.{setting} is {wanted}; "
            f"set model.{setting}={value}, or give other weights"
        )


def _require_fit(
    path: Path, arrays: dict[str, NDArray], shapes: dict[str, tuple[int, ...]], backbone: Backbone
) -> None:
    """Raises unless all of the backbone is there, and what is there has the shapes of the network and is finite."""
    for name, shape in shapes.items():
        if name in arrays and arrays[name].shape != shape:
            problem = f"{name} is {shown(arrays[name].shape)} and must be {shown(shape)}"
        elif name in arrays and not np.isfinite(arrays[name].asnumpy()).all():
            problem = f"not all numbers of {name} are finite"
        elif name not in arrays and name.startswith(PREFIX):
            problem = f"{name} is missing"
        else:
            continue
        raise UserError(
            f"{path}: not of this config's network with {backbone.network} ({problem}); give weights of it, or convert "
            "or import them again for this config"
        )
