"""Checkpoints of the authors' code of Relation Networks, to and from the names here."""

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
from vision.devices import reason
from vision.parameters import write_parameters
from vision.relation_networks.layout import Parameter, layout
from vision.targets import BOX_STDS
from vision.weights.report import Row, shown, summary, table

Arrays = dict[str, np.ndarray]

FETCH_AGAIN = "fetch or copy it again"

# Layers of which checkpoints hold a second copy for tests: times the standard deviations, plus the means, which are 0.
WITH_TEST_COPY = ("arg:bbox_pred_weight", "arg:bbox_pred_bias")
TEST_COPIES = tuple(f"{name}_test" for name in WITH_TEST_COPY)

IMPORTED = ("base", "rn")  # the variants that their code trains
SOURCE = "imported.json"  # of which file a run was made


def import_checkpoint(path: Path, out: Path, model: ModelConfig, classes: int, allow_missing: bool) -> None:
    """Writes what the network needs of their checkpoint `path` to `out`, and prints what became of every parameter.

    Args:
        model, classes: the network, as for `layout`.
        allow_missing: whether the network may need more than there is. `out` lacks that; a network that loads it keeps
            its initial values there.

    Raises:
        UserError: the file is absent, damaged or no checkpoint of theirs; or lacks what the network needs; or `out`
            would replace it.
    """
    found = read_checkpoint(path)
    if out.exists() and out.samefile(path):
        raise UserError(f"{out}: would replace the checkpoint itself; give another --out")
    arrays, _ = _as_ours(path, found, layout(model, classes), allow_missing)
    write_parameters(out, arrays)
    print(f"{out}: {len(arrays)} parameters; to train from them: --set model.pretrained={out} --set model.pool1=caffe")


def import_run(path: Path, runs: Path, config: Config, data: Path) -> None:
    """Makes a finished run below `runs`, seed 0, of the whole detector in their checkpoint `path`, and prints as above.

    Nothing is trained: it is there to predict and evaluate with. The names of the classes are those of the config's
    data set.

    Args:
        data: folder of the data sets.

    Raises:
        UserError: as above; or it is a checkpoint of another network, their code trains none like the config's, the
            data set cannot be read, or there is another run.
    """
    if config.variant not in IMPORTED:
        raise UserError(
            f"{path}: holds no network of variant {config.variant}, which their code does not train; give a --config "
            f"of {' or '.join(IMPORTED)}, or --out and train from that"
        )
    found = read_checkpoint(path)
    model = dataclasses.replace(config.model, pretrained=str(path), pool1="caffe")
    images = config.images
    dataset = read_images(config.dataset, data, images.test_split, images.test_images, subset=images.subset)
    arrays, rows = _as_ours(path, found, layout(model, len(dataset.classes)), allow_missing=False)
    if others := [row.there for row in rows if row.fate == "not used" and row.there not in TEST_COPIES]:
        raise UserError(
            f"{path}: holds {others[0]}, which the network of this --config has not, so it would compute something "
            "else; give the one that it was trained as, or --out and train from that"
        )
    run = RunFolder.claim(runs, dataclasses.replace(config, model=model), seed=0)
    source = {"checkpoint": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    if not run.finished:
        keep_classes(run, dataset.classes)
        write_parameters(weights_of(run, config.training.epochs), arrays)
        write_json(run.path / SOURCE, source)
        run.finish("none, for it was imported")
    elif read_json(run.path / SOURCE, "record of an import", "give another --runs folder") != source:
        raise UserError(f"{run.path}: holds what {path} was before; give another --runs folder, or remove this one")
    print(f"{run.path}: a finished run of {len(arrays)} parameters; now python -m vision.predict {run.path}")


def _as_ours(path: Path, found: Arrays, parameters: list[Parameter], allow_missing: bool) -> tuple[Arrays, list[Row]]:
    """What the network needs of the arrays found in `path`, and what became of each, which is printed, too."""
    arrays, rows = to_ours(found, parameters)
    print(table(rows))
    print(f"{path}: {summary(rows)}")
    lacking = [row for row in rows if row.fate in ("left at its initial value", "wrong shape")]
    if lacking and not allow_missing:
        first = lacking[0]
        raise UserError(
            f"{path}: of the {len(parameters)} parameters of the network {len(lacking)} are missing or of wrong shape, "
            f"first {first.there} ({first.remark}); give a whole one of this network (--config, --classes), or --out "
            "with --allow-missing"
        )
    if strange := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise UserError(
            f"{path}: not all numbers of {strange[0]} are finite, so its training failed; give another epoch's"
        )
    return arrays, rows


def export_run(folder: Path, out: Path) -> None:
    """Writes the network of a finished run to `out`, as a checkpoint of theirs.

    Raises:
        UserError: the run is not finished or damaged, its network has parts that their code has not, or `out` would
            stand among the run's weights.
    """
    trained = TrainedRun(folder, mx.cpu())
    if out.resolve().parent == trained.run.checkpoints.resolve():
        raise UserError(f"{out}: is where the run keeps its own weights; give another --out")
    arrays = {
        name: parameter.data().asnumpy() for name, parameter in trained.detector._collect_params_with_prefix().items()
    }
    model = trained.config.model
    parameters = layout(model, len(trained.classes))
    if others := sorted(arrays.keys() - {each.here for each in parameters}):
        raise UserError(
            f"{folder}: Relation Networks' code has nothing like {others[0]}; give a run of a network without FAN"
        )
    exported = to_theirs(arrays, parameters)
    write_parameters(out, exported)
    print(f"{out}: {len(exported)} parameters")
    biases = [each.here for each in parameters if each.is_bias and arrays[each.here].any()]
    if biases:
        print(f"{len(biases)} biases, which their backbone has not, were taken off the running means behind them")
    if model.pool1 == "padded":
        print("pool1 pads its input here and not there: their code will see features two pixels from where they were")


def read_checkpoint(path: Path) -> Arrays:
    """The arrays of a file of MXNet's Module API, named `arg:…` and `aux:…`, in float32. Nothing is unpickled.

    Raises:
        UserError: it is absent, damaged or something else.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint; give the .params file of a network or of its ImageNet backbone")
    try:
        found = mx.nd.load(str(path))
    except (mx.MXNetError, ValueError) as error:
        raise UserError(f"{path}: damaged, or no checkpoint of MXNet ({reason(error)}); {FETCH_AGAIN}") from None
    names = list(found) if isinstance(found, dict) else []
    strange = [name for name in names if not name.startswith(("arg:", "aux:"))]
    if strange or not names:
        what = f"calls a parameter {strange[0]}" if strange else "holds no named parameters"
        raise UserError(f"{path}: {what}, where Relation Networks' are arg:… and aux:…; give a checkpoint of its code")
    return {name: array.asnumpy().astype(np.float32, copy=False) for name, array in found.items()}


def to_ours(found: Arrays, parameters: list[Parameter]) -> tuple[Arrays, list[Row]]:
    """Their arrays with our names, and what became of each parameter, first in the order of `parameters`."""
    arrays, rows, used = {}, [], set()
    for parameter in parameters:
        here, there, shape, shape_there, is_bias = parameter
        if is_bias:
            arrays[here] = np.zeros(shape, np.float32)
            rows.append(Row("", here, shape, "set to 0", "their backbone has no such bias"))
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
    """Name and array of a parameter, and what was done to it; its copy for tests where that alone is left."""
    copy = f"{there}_test"
    if there in found or there not in WITH_TEST_COPY or copy not in found:
        return there, found.get(there), ""
    array = found[copy]
    stds = _stds_of(array)
    return copy, array if stds is None else array / stds, "divided by the standard deviations of boxes"


def _why_not(name: str) -> str:
    same = name in TEST_COPIES
    return "the same times the standard deviations of boxes" if same else "the network has no such parameter"


def to_theirs(arrays: Arrays, parameters: list[Parameter]) -> Arrays:
    """Our arrays with their names, biases before BatchNorm folded into its mean, and the copies for tests."""
    theirs = {each.there: arrays[each.here].reshape(each.shape_there) for each in parameters if not each.is_bias}
    for each in parameters:
        if each.is_bias:
            theirs[each.there] = theirs[each.there] - arrays[each.here]
    for name in WITH_TEST_COPY:
        theirs[f"{name}_test"] = theirs[name] * _stds_of(theirs[name])
    return theirs


def _stds_of(array: np.ndarray) -> np.ndarray | None:
    """Standard deviations of the eight outputs of `bbox_pred`, float32 as there; None for an array of others."""
    if array.shape[:1] != (2 * len(BOX_STDS),):
        return None
    return np.tile(np.array(BOX_STDS, np.float32), 2).reshape(-1, *[1] * (array.ndim - 1))
