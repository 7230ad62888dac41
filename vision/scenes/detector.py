"""The detection run that provides the weights of a run on scenes: finding it, checking it and recording it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import mxnet as mx

from data.common.config import read_config, write_config
from data.common.errors import UserError
from data.common.files import read_yaml, write_text
from data.common.runs import RunFolder
from vision.checkpoint import TRAIN_AGAIN, TrainedRun, trained_weights
from vision.config import ModelConfig
from vision.scenes.config import SceneConfig


@dataclass(frozen=True)
class DetectorRecord:
    """The record of the detector in the folder of a run on scenes, `detector.yaml`.

    Args:
        run: `<preset>/<data set>/<variant>/seed<k>`.
        weights: SHA-256 of its weights.
        classes: number of categories that it detects.
        model: config of its network.
    """

    run: str
    weights: str
    classes: int
    model: ModelConfig


def detector_folder(config: SceneConfig, given: Path | None, runs: Path, seed: int) -> Path | None:
    """The folder of the detection run: `given`, or by default the one of the same seed in `runs`; None for cnn.

    Raises:
        UserError: there is no such run, it is not the one that the config names, or it is not finished; or a detector
            is given for cnn.
    """
    if not config.detector:
        if given:
            raise UserError(f"--detector {given}: {config.variant} does not use a detector; remove the option")
        return None
    folder = given or runs / config.preset / config.detector / f"seed{seed}"
    run = RunFolder(folder)
    if not run.config_path.exists():
        raise UserError(
            f"{folder}: no such run of {config.detector}, which {config.variant} needs; train it with: python -m "
            f"vision.train vision/configs/{config.preset}/{config.detector}.yaml --seed {seed}, or give --detector"
        )
    found, needed = _identity(run), f"{config.preset}/{config.detector}"
    if found != needed:
        raise UserError(f"{folder}: is a run of {found}, but {config.variant} needs {needed}; give a run of {needed}")
    run.require_finished()
    return folder


def read_detector(config: SceneConfig, folder: Path) -> tuple[TrainedRun, DetectorRecord]:
    """Loads the detector of a run folder to the CPU, and returns it with its record.

    Raises:
        UserError: its network does not fit the config, or its files are damaged.
    """
    trained = TrainedRun(folder, mx.cpu())
    model = trained.config.model
    if model.backbone != config.model.backbone:
        raise UserError(
            f"{folder}: its backbone is {model.backbone}, but model.backbone is {config.model.backbone}; give a "
            "detector with the same backbone"
        )
    if config.model.roi_features == "context" and not model.focused_attention:
        raise UserError(
            f"{folder}: has no focused attention, which {config.variant} needs; give a run of a fan variant"
        )
    if model.modules:
        raise UserError(f"{folder}: has relation modules, which scenes do not support; give a run of base or fan")
    weights = hashlib.sha256(trained_weights(trained.run).read_bytes()).hexdigest()
    name = f"{_identity(trained.run)}/{folder.resolve().name}"
    return trained, DetectorRecord(name, weights, len(trained.classes), model)


def write_detector_record(run: RunFolder, record: DetectorRecord) -> None:
    """Writes the record of the detector into the run folder."""
    write_text(_path(run), write_config(record))


def read_detector_record(run: RunFolder) -> DetectorRecord:
    """Reads the record of the detector from the run folder."""
    if not _path(run).exists():
        raise UserError(f"{_path(run)}: no such file; {TRAIN_AGAIN}")
    return read_config(DetectorRecord, _path(run))


def require_same_detector(run: RunFolder, record: DetectorRecord) -> None:
    """Raises a `UserError` if an interrupted run was started with another detector."""
    kept = read_detector_record(run)
    if kept != record:
        raise UserError(
            f"{run.path}: was started with detector {kept.run} (weights {kept.weights[:8]}), not {record.run} "
            f"({record.weights[:8]}); give the same detector, or another --runs folder"
        )


def _path(run: RunFolder) -> Path:
    return run.path / "detector.yaml"


def _identity(run: RunFolder) -> str:
    config = read_yaml(run.config_path, "config of a run", TRAIN_AGAIN)
    keys = ("preset", "dataset", "variant")
    if not isinstance(config, dict) or not all(key in config for key in keys):
        raise UserError(f"{run.config_path}: not the config of a run; {TRAIN_AGAIN}")
    return "/".join(str(config[key]) for key in keys)
