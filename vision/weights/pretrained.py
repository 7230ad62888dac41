"""Loads the weights that `model.pretrained` names."""

import dataclasses
from pathlib import Path
from typing import TypeVar

import mxnet as mx
import numpy as np
from mxnet import gluon
from mxnet.ndarray import NDArray

from data.common.errors import UserError
from data.common.files import read_json
from vision.models.backbone import FEATURES, Backbone
from vision.parameters import read_parameters
from vision.weights.convert import convert
from vision.weights.layout import PREFIX, convolutions
from vision.weights.params import of_gluoncv
from vision.weights.report import shown
from vision.weights.source import provenance_path

FOLDER = "imagenet"  # in the data folder

Model = TypeVar("Model")  # `vision.config.ModelConfig` or `vision.scenes.config.SceneModelConfig`


def find_weights(model: Model, data: Path) -> Model:
    """Returns the config of a network with "imagenet" replaced by the path of the file.

    Raises:
        UserError: the data folder `data` does not contain the file.
    """
    if model.pretrained != "imagenet":
        return model
    path = data / FOLDER / f"{model.backbone}.params"
    if not path.is_file():
        name = f"imagenet-{model.backbone.replace('_', '-')}"
        raise UserError(
            f"{path}: no ImageNet weights for {model.backbone}; run scripts/get_data.sh {name} --data {data}"
        )
    return dataclasses.replace(model, pretrained=str(path))


def load_pretrained(network: gluon.Block, path: Path) -> None:
    """Loads the weights of a file into an initialized network.

    Args:
        network: a `Detector`, or only a `Backbone`. A detector also takes the weights of later layers if the file has
            them, and keeps its initial values otherwise.
        path: a file written by `python -m vision.weights` or `python -m vision.relation_networks import`, the
            checkpoint of a run, or GluonCV's `.params` file for the same backbone.

    Raises:
        UserError: the file is missing, damaged, or of another network.
    """
    is_backbone = isinstance(network, Backbone)
    backbone = network if is_backbone else network.backbone
    parameters = network._collect_params_with_prefix(PREFIX.rstrip(".") if is_backbone else "")
    arrays = _read(path, backbone)
    _require_fit(path, arrays, {name: parameter.shape for name, parameter in parameters.items()}, backbone)
    for name, parameter in parameters.items():
        if name in arrays:
            parameter.set_data(arrays[name].astype(parameter.dtype))


def _read(path: Path, backbone: Backbone) -> dict[str, NDArray]:
    """The arrays of a file, named like a detector's parameters."""
    found = read_parameters(path)
    if any(name.startswith(PREFIX) for name in found):
        _require_same_kind(path, found, backbone)
        return found
    if any(name.startswith(("arg:", "aux:")) for name in found):
        raise UserError(
            f"{path}: is a checkpoint of Relation Networks' code; convert it with "
            "python -m vision.relation_networks import"
        )
    source = of_gluoncv({name: array.asnumpy() for name, array in found.items()}, convolutions(backbone))
    for setting in ("pool1", "stride_in"):
        _require_same(path, setting, getattr(source, setting), backbone)
    arrays, _ = convert(path, source, convolutions(backbone))
    return {name: mx.nd.array(array) for name, array in arrays.items()}


def _require_same_kind(path: Path, found: dict[str, NDArray], backbone: Backbone) -> None:
    """Raises unless the weights were trained with the network's `stride_in` and `pool1`.

    The names of the arrays tell `stride_in`; the JSON file next to the weights tells `pool1`. Without it, `pool1` is
    unknown.
    """
    for stride_in, layers in FEATURES.items():
        if any(name.startswith(f"{PREFIX}{layers}.") for name in found):
            _require_same(path, "stride_in", stride_in, backbone)
    provenance = provenance_path(path)
    if provenance.is_file():
        record = read_json(provenance, "record of where weights came from", "convert the weights again")
        if not isinstance(record, dict) or "pool1" not in record:
            raise UserError(f"{provenance}: does not say which pool1 the weights need; convert them again")
        _require_same(path, "pool1", record["pool1"], backbone)
    elif backbone.pool1 == "padded":
        print(f"{path}: loaded with model.pool1=padded; weights imported from Relation Networks' code need caffe")


def _require_same(path: Path, setting: str, value: str, backbone: Backbone) -> None:
    wanted = getattr(backbone, setting)
    if value != wanted:
        raise UserError(
            f"{path}: was trained with {setting} {value}, but model.{setting} is {wanted}; "
            f"set model.{setting}={value}, or give other weights"
        )


def _require_fit(
    path: Path, arrays: dict[str, NDArray], shapes: dict[str, tuple[int, ...]], backbone: Backbone
) -> None:
    """Raises unless the file has the whole backbone, and all its arrays have the network's shapes and are finite."""
    for name, shape in shapes.items():
        if name in arrays and arrays[name].shape != shape:
            problem = f"{name} is {shown(arrays[name].shape)} and must be {shown(shape)}"
        elif name in arrays and not np.isfinite(arrays[name].asnumpy()).all():
            problem = f"{name} contains numbers that are not finite"
        elif name not in arrays and name.startswith(PREFIX):
            problem = f"{name} is missing"
        else:
            continue
        raise UserError(
            f"{path}: does not fit this config's network with {backbone.network} ({problem}); give matching weights, "
            "or convert or import them again for this config"
        )
