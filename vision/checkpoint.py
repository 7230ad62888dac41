"""Checkpoints of runs: what training resumes from and predictions are made with."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import mxnet as mx
import numpy as np
from mxnet import gluon

from data.common.config import read_config
from data.common.errors import UserError
from data.common.files import read_arrays, read_text, replaced_on_success, write_arrays, write_text
from data.common.runs import RunFolder
from data.records import ImageDataset, ImageRecord, SceneDataset, SceneRecord
from vision.config import Config
from vision.devices import reason
from vision.models.detector import Detector
from vision.parameters import verified_on_success

TRAIN_AGAIN = "remove the run folder and train again"

# Raised by MXNet for weights that are damaged or of another network.
UNUSABLE = (AssertionError, AttributeError, KeyError, ValueError, mx.MXNetError)


def keep_inputs(run: RunFolder, dataset: ImageDataset | SceneDataset) -> None:
    """Stores the class names of a run and the identity of its training images."""
    keep_classes(run, dataset.classes)
    write_arrays(run.path / "train_images.npz", **_inputs(dataset))


def keep_classes(run: RunFolder, classes: Sequence[str]) -> None:
    """Stores the class names of a run, in the order of the labels."""
    write_text(run.path / "classes.txt", "\n".join(classes))


def require_same_inputs(run: RunFolder, dataset: ImageDataset | SceneDataset) -> None:
    """Raises a `UserError` if an interrupted run was started on other images."""
    inputs = _inputs(dataset)
    kept = read_arrays(run.path / "train_images.npz", list(inputs), "list of training images", TRAIN_AGAIN)
    same_images = all(map(np.array_equal, kept.values(), inputs.values()))
    if read_classes(run) != dataset.classes or not same_images:
        raise UserError(
            f"{run.path}: started on other images or annotations; use their --data, or another --runs folder"
        )


def read_classes(run: RunFolder) -> tuple[str, ...]:
    """The class names of a run, in the order of the labels."""
    path = run.path / "classes.txt"
    classes = tuple(read_text(path, "list of classes", TRAIN_AGAIN).split("\n"))
    if not all(classes):
        raise UserError(f"{path}: damaged, one of the class names is empty; {TRAIN_AGAIN}")
    return classes


def save(run: RunFolder, epoch: int, network: gluon.Block, trainer: gluon.Trainer) -> None:
    """Writes the checkpoint of an epoch, then removes the previous one and the partial files of killed processes.

    The weights are written last: a checkpoint exists if its weights do.

    Raises:
        OSError, UserError: the disk is full.
    """
    with replaced_on_success(_states(run, epoch)) as temporary:
        trainer.save_states(str(temporary))
    with verified_on_success(weights_of(run, epoch)) as temporary:
        network.save_parameters(str(temporary))
    for path in run.checkpoints.glob("*epoch-*"):
        if path not in (_states(run, epoch), weights_of(run, epoch)):
            path.unlink()


def newest_epoch(run: RunFolder) -> int:
    """The epoch of the newest checkpoint; 0 for a new run.

    Raises:
        UserError: the checkpoint of a started run is missing.
    """
    numbers = (path.stem.removeprefix("epoch-") for path in run.checkpoints.glob("epoch-*.params"))
    epochs = [int(number) for number in numbers if number.isdecimal()]
    if not epochs and len(run.epochs()) > 1:
        raise UserError(f"{run.checkpoints}: the checkpoint of its last epoch is missing; {TRAIN_AGAIN}")
    return max(epochs, default=0)


def restore(run: RunFolder, network: gluon.Block, trainer: gluon.Trainer, devices: list[mx.Context]) -> None:
    """Reads the newest checkpoint of a run.

    Raises:
        UserError: the checkpoint is damaged, or of another network.
    """
    epoch = newest_epoch(run)
    load_weights(network, weights_of(run, epoch), devices)
    path = _states(run, epoch)
    try:
        trainer.load_states(str(path))
    except Exception as error:  # a damaged pickle may raise anything
        raise _unusable(path, error) from None


def resume(run: RunFolder, network: gluon.Block, trainer: gluon.Trainer, devices: list[mx.Context]) -> int:
    """Restores the newest checkpoint of a run, if there is one, and returns its epoch; 0 for a new run.

    Raises:
        UserError: the checkpoint is damaged, or of another network.
    """
    epoch = newest_epoch(run)
    if epoch:
        restore(run, network, trainer, devices)
        print(f"{run.path}: resuming after epoch {epoch}")
    run.keep_epochs(epoch)
    return epoch


def weights_of(run: RunFolder, epoch: int) -> Path:
    """The file of the weights after an epoch."""
    return run.checkpoints / f"epoch-{epoch}.params"


def trained_weights(run: RunFolder) -> Path:
    """The file of a finished run's weights.

    Raises:
        UserError: it is missing.
    """
    epoch = newest_epoch(run)
    if not epoch:
        raise UserError(f"{run.checkpoints}: contains no checkpoint; {TRAIN_AGAIN}")
    return weights_of(run, epoch)


def load_weights(network: gluon.Block, path: Path, devices: list[mx.Context]) -> None:
    """Reads a network's weights.

    Raises:
        UserError: the file is damaged, or of another network.
    """
    try:
        network.load_parameters(str(path), ctx=devices)
    except UNUSABLE as error:
        raise _unusable(path, error) from None


class TrainedRun:
    """A finished detection run: config, classes and network.

    Raises:
        UserError: the run is not finished, or its files are missing, damaged or of another network.
    """

    def __init__(self, folder: Path, device: mx.Context):
        self.run = RunFolder(folder)
        self.run.require_finished()
        self.config = read_config(Config, self.run.config_path)
        self.classes = read_classes(self.run)
        self.detector = Detector(self.config.model, len(self.classes))
        load_weights(self.detector, trained_weights(self.run), [device])
        self.detector.hybridize()


def _inputs(dataset: ImageDataset | SceneDataset) -> dict[str, np.ndarray]:
    """Ids [I] of the images, and [I] checksums of their annotations or labels of their scenes."""
    records = dataset.records
    return {
        "ids": np.array([record.id for record in records]),
        "objects": np.array([_annotated(record) for record in records]),
    }


def _annotated(record: ImageRecord | SceneRecord) -> int:
    if isinstance(record, SceneRecord):
        return record.label
    relations = b"" if record.relations is None else record.relations.tobytes()
    return zlib.crc32(record.boxes.tobytes() + record.labels.tobytes() + relations)


def _states(run: RunFolder, epoch: int) -> Path:
    return run.checkpoints / f"epoch-{epoch}.states"


def _unusable(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: damaged, or not a checkpoint of this run's config ({reason(error)}); {TRAIN_AGAIN}")
