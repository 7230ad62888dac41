"""Imports checkpoints of Relation Networks' code, and exports ours in their format."""

import dataclasses
import hashlib
from pathlib import Path

import mxnet as mx
import numpy as np

from data.common.errors import UserError
from data.common.files import read_json, write_json
from data.common.runs import RunFolder
from data.images.datasets import read_images
from vision.checkpoint import TrainedRun, keep_classes, weights_of
from vision.config import Config, ModelConfig
from vision.parameters import read_parameters, write_parameters
from vision.relation_networks.layout import Parameter, layout
from vision.targets import BOX_STDS
from vision.weights.report import Row, shown, summary, table

Arrays = dict[str, np.ndarray]

# Layers with a second copy in checkpoints, used at test time: multiplied by the standard deviations of boxes.
WITH_TEST_COPY = ("arg:bbox_pred_weight", "arg:bbox_pred_bias")
TEST_COPIES = tuple(f"{name}_test" for name in WITH_TEST_COPY)

TRAINED_BY_THEIR_CODE = ("base", "rn")  # variants
SOURCE = "imported.json"  # in the run folder: the file that the run was made from


def import_checkpoint(path: Path, out: Path, model: ModelConfig, classes: int, allow_missing: bool) -> None:
    """Writes the parameters of a network from their checkpoint `path` to `out`, and prints how each was used.

    Args:
        model, classes: the network, as for `layout`.
        allow_missing: whether parameters of the network may be missing from the checkpoint. They are then also missing
            from `out`, and a network that loads it keeps their initial values.

    Raises:
        UserError: the file is missing, damaged or not a checkpoint of their code; it is incomplete; or `out` is the
            checkpoint itself.
    """
    found = read_checkpoint(path)
    if out.exists() and out.samefile(path):
        raise UserError(f"{out}: is the checkpoint itself; give another --out")
    arrays, _ = _as_ours(path, found, layout(model, classes), allow_missing)
    write_parameters(out, arrays)
    print(f"{out}: {len(arrays)} parameters; to train from them: --set model.pretrained={out} --set model.pool1=caffe")


def import_run(path: Path, runs: Path, config: Config, data: Path) -> None:
    """Makes a finished run below `runs`, with seed 0, from the whole detector in their checkpoint `path`.

    Nothing is trained: the run is for prediction and evaluation. The class names are those of the config's data set.

    Args:
        data: folder of the data sets.

    Raises:
        UserError: as for `import_checkpoint`; or the checkpoint is of another network, their code does not train the
            config's variant, the data set cannot be read, or there is another run in the folder.
    """
    if config.variant not in TRAINED_BY_THEIR_CODE:
        raise UserError(
            f"{path}: cannot be a run of variant {config.variant}, which their code does not train; give a --config "
            f"of {' or '.join(TRAINED_BY_THEIR_CODE)}, or use --out and train from the result"
        )
    found = read_checkpoint(path)
    model = dataclasses.replace(config.model, pretrained=str(path), pool1="caffe")
    images = config.images
    dataset = read_images(config.dataset, data, images.test_split, images.test_images, subset=images.subset)
    arrays, rows = _as_ours(path, found, layout(model, len(dataset.classes)), allow_missing=False)
    if others := [row.there for row in rows if row.fate == "not used" and row.there not in TEST_COPIES]:
        raise UserError(
            f"{path}: contains {others[0]}, which the network of this --config does not have; give the config that it "
            "was trained with, or use --out and train from the result"
        )
    run = RunFolder.claim(runs, dataclasses.replace(config, model=model), seed=0)
    source = {"checkpoint": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    if not run.finished:
        keep_classes(run, dataset.classes)
        write_parameters(weights_of(run, config.training.epochs), arrays)
        write_json(run.path / SOURCE, source)
        run.finish("none (imported)")
    elif read_json(run.path / SOURCE, "record of an import", "give another --runs folder") != source:
        raise UserError(
            f"{run.path}: was made from an older version of {path}; give another --runs folder, or remove this one"
        )
    print(f"{run.path}: a finished run with {len(arrays)} parameters; next: python -m vision.predict {run.path}")


def _as_ours(path: Path, found: Arrays, parameters: list[Parameter], allow_missing: bool) -> tuple[Arrays, list[Row]]:
    """The arrays of the network from those found in `path`, and how each was used, which is also printed."""
    arrays, rows = to_ours(found, parameters)
    print(table(rows))
    print(f"{path}: {summary(rows)}")
    missing = [row for row in rows if row.fate in ("left at its initial value", "wrong shape")]
    if missing and not allow_missing:
        first = missing[0]
        raise UserError(
            f"{path}: {len(missing)} of the network's {len(parameters)} parameters are missing or have the wrong "
            f"shape, the first is {first.there} ({first.remark}); give a complete checkpoint of this network "
            "(--config, --classes), or --out with --allow-missing"
        )
    if diverged := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise UserError(f"{path}: {diverged[0]} contains numbers that are not finite; give another epoch's checkpoint")
    return arrays, rows


def export_run(folder: Path, out: Path) -> None:
    """Writes the network of a finished run to `out` in their format.

    Raises:
        UserError: the run is not finished or damaged, its network has parts that their code does not have, or `out`
            is in the run's folder of checkpoints.
    """
    trained = TrainedRun(folder, mx.cpu())
    if out.resolve().parent == trained.run.checkpoints.resolve():
        raise UserError(f"{out}: is in the run's folder of checkpoints; give another --out")
    arrays = {
        name: parameter.data().asnumpy() for name, parameter in trained.detector._collect_params_with_prefix().items()
    }
    model = trained.config.model
    parameters = layout(model, len(trained.classes))
    if others := sorted(arrays.keys() - {each.here for each in parameters}):
        raise UserError(
            f"{folder}: {others[0]} has no counterpart in Relation Networks' code; give a run of base or rn"
        )
    exported = to_theirs(arrays, parameters)
    write_parameters(out, exported)
    print(f"{out}: {len(exported)} parameters")
    biases = [each.here for each in parameters if each.is_bias and arrays[each.here].any()]
    if biases:
        print(f"{len(biases)} biases, which their backbone does not have, were subtracted from the running means")
    if model.pool1 == "padded":
        print("pool1 is padded in this run but not in their code, which shifts features by two pixels")


def read_checkpoint(path: Path) -> Arrays:
    """Reads the arrays of a file of MXNet's Module API, named `arg:…` and `aux:…`, in float32.

    Raises:
        UserError: the file is missing, damaged or of another kind.
    """
    found = read_parameters(path)
    if others := [name for name in found if not name.startswith(("arg:", "aux:"))]:
        raise UserError(
            f"{path}: contains {others[0]!r}, which does not begin with arg: or aux:; give a checkpoint of Relation "
            "Networks' code"
        )
    return {name: array.asnumpy().astype(np.float32, copy=False) for name, array in found.items()}


def to_ours(found: Arrays, parameters: list[Parameter]) -> tuple[Arrays, list[Row]]:
    """Renames their arrays to our names. Also returns how each was used, first in the order of `parameters`."""
    arrays, rows, used = {}, [], set()
    for parameter in parameters:
        here, there, shape, shape_there, is_bias = parameter
        if is_bias:
            arrays[here] = np.zeros(shape, np.float32)
            rows.append(Row("", here, shape, "set to 0", "their backbone has no bias here"))
            continue
        source, array, remark = _find(found, there)
        if array is None:
            rows.append(Row(there, here, shape_there, "left at its initial value", "not in the file"))
        elif array.shape != shape_there:
            rows.append(Row(source, here, array.shape, "wrong shape", f"must be {shown(shape_there)}"))
        else:
            arrays[here] = array.reshape(shape)
            rows.append(Row(source, here, array.shape, "loaded", remark))
        used.add(source)
    rows += [Row(name, "", found[name].shape, "not used", _why_not(name)) for name in found if name not in used]
    return arrays, rows


def _find(found: Arrays, there: str) -> tuple[str, np.ndarray | None, str]:
    """Name and array of a parameter, and how it was changed. Falls back to the copy for test time."""
    copy = f"{there}_test"
    if there in found or there not in WITH_TEST_COPY or copy not in found:
        return there, found.get(there), ""
    array = found[copy]
    stds = _stds_of(array)
    return copy, array if stds is None else array / stds, "divided by the standard deviations of boxes"


def _why_not(name: str) -> str:
    is_copy = name in TEST_COPIES
    return "copy, multiplied by the standard deviations of boxes" if is_copy else "the network has no such parameter"


def to_theirs(arrays: Arrays, parameters: list[Parameter]) -> Arrays:
    """Renames our arrays to their names, folds biases into BatchNorm's mean, and adds the copies for test time."""
    theirs = {each.there: arrays[each.here].reshape(each.shape_there) for each in parameters if not each.is_bias}
    for each in parameters:
        if each.is_bias:
            theirs[each.there] = theirs[each.there] - arrays[each.here]
    for name in WITH_TEST_COPY:
        theirs[f"{name}_test"] = theirs[name] * _stds_of(theirs[name])
    return theirs


def _stds_of(array: np.ndarray) -> np.ndarray | None:
    """Float32 standard deviations of the eight outputs of `bbox_pred`; None if the array does not have eight."""
    if array.shape[:1] != (2 * len(BOX_STDS),):
        return None
    return np.tile(np.array(BOX_STDS, np.float32), 2).reshape(-1, *[1] * (array.ndim - 1))
