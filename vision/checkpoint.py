"""What a run keeps to go on from and to predict with, and the way back from its folder."""

import os
import pickle
from pathlib import Path

import mxnet as mx
import numpy as np
from mxnet import gluon

from data.config import read_config
from data.errors import UserError
from data.files import read_arrays, read_text, replaced_on_success, write_arrays, write_text
from data.records import ImageDataset
from data.runs import RunFolder
from vision.config import Config
from vision.detector import Detector

TRAIN_AGAIN = "remove the run folder and train again"

# What MXNet raises for files that are damaged or of another network.
UNUSABLE = (AssertionError, AttributeError, EOFError, KeyError, ValueError, mx.MXNetError, pickle.UnpicklingError)


def keep_inputs(run: RunFolder, dataset: ImageDataset) -> None:
    """Keeps with the run the names of its classes, and which images it is trained on."""
    write_text(run.path / "classes.txt", "\n".join(dataset.classes))
    write_arrays(run.path / "train_images.npz", **_inputs(dataset))


def require_same_inputs(run: RunFolder, dataset: ImageDataset) -> None:
    """Raises a `UserError` where an interrupted run was begun on other images than those at hand."""
    inputs = _inputs(dataset)
    kept = read_arrays(run.path / "train_images.npz", list(inputs), "list of training images", TRAIN_AGAIN)
    same_images = all(map(np.array_equal, kept.values(), inputs.values()))
    if read_classes(run) != dataset.classes or not same_images:
        raise UserError(f"{run.path}: was begun on other images; give their --data, or another --runs folder")


def read_classes(run: RunFolder) -> tuple[str, ...]:
    """The classes of a run, in the order of the labels."""
    return tuple(read_text(run.path / "classes.txt", "list of classes", TRAIN_AGAIN).split("\n"))


def save(run: RunFolder, epoch: int, detector: Detector, trainer: gluon.Trainer) -> None:
    """Writes the checkpoint of an epoch, then removes the one before it.

    The weights come last: a checkpoint is there when they are.
    """
    with replaced_on_success(_states(run, epoch)) as temporary:
        trainer.save_states(str(temporary))
    with replaced_on_success(_weights(run, epoch)) as temporary:
        detector.save_parameters(str(temporary))
    for path in run.checkpoints.glob("epoch-*"):
        if path not in (_states(run, epoch), _weights(run, epoch)):
            path.unlink()


def newest_epoch(run: RunFolder) -> int:
    """The epoch of the newest checkpoint; 0 where there is none yet.

    Raises:
        UserError: there was one and it is gone.
    """
    epochs = [int(path.stem.removeprefix("epoch-")) for path in run.checkpoints.glob("epoch-*.params")]
    if not epochs and len(run.epochs()) > 1:
        raise UserError(f"{run.checkpoints}: the checkpoint of its last epoch is missing; {TRAIN_AGAIN}")
    return max(epochs, default=0)


def restore(run: RunFolder, detector: Detector, trainer: gluon.Trainer, devices: list[mx.Context]) -> None:
    """Reads the newest checkpoint of a run.

    Raises:
        UserError: it is damaged, or of another network.
    """
    epoch = newest_epoch(run)
    _load_weights(detector, _weights(run, epoch), devices)
    path = _states(run, epoch)
    try:
        trainer.load_states(str(path))
    except (OSError, *UNUSABLE) as error:
        raise _unusable(path, error) from None


class TrainedRun:
    """A finished run's config, classes and network.

    Raises:
        UserError: the run is not finished, or its files are missing, damaged or of another network.
    """

    def __init__(self, folder: Path, device: mx.Context):
        self.run = RunFolder(folder)
        self.run.require_finished()
        self.config = read_config(Config, self.run.config_path)
        self.classes = read_classes(self.run)
        self.detector = Detector(self.config.model, len(self.classes))
        epoch = newest_epoch(self.run)
        if not epoch:
            raise UserError(f"{self.run.checkpoints}: holds no checkpoint; {TRAIN_AGAIN}")
        _load_weights(self.detector, _weights(self.run, epoch), [device])
        self.detector.hybridize()


def _inputs(dataset: ImageDataset) -> dict[str, np.ndarray]:
    records = dataset.records
    return {
        "ids": np.array([record.id for record in records]),
        "objects": np.array([len(record.labels) for record in records]),
    }


def _weights(run: RunFolder, epoch: int) -> Path:
    return run.checkpoints / f"epoch-{epoch}.params"


def _states(run: RunFolder, epoch: int) -> Path:
    return run.checkpoints / f"epoch-{epoch}.states"


def _load_weights(detector: Detector, path: Path, devices: list[mx.Context]) -> None:
    try:
        detector.load_parameters(os.fspath(path), ctx=devices)
    except UNUSABLE as error:
        raise _unusable(path, error) from None


def _unusable(path: Path, error: Exception) -> UserError:
    reason = str(error).strip().partition("\n")[0]
    return UserError(f"{path}: not a whole checkpoint of this run's config ({reason}); {TRAIN_AGAIN}")
