"""The detection run that a run on scenes stands on: found, checked, and kept in mind by the checksum of its weights."""

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
    """What a run on scenes keeps of its detector, as `detector.yaml`.

    Args:
        run: `<preset>/<data set>/<variant>/seed<k>`.
        weights: SHA-256 of the file of its weights.
        classes: categories that it detects.
        model: its network.
    """

    run: str
    weights: str
    classes: int
    model: ModelConfig


def detector_folder(config: SceneConfig, given: Path | None, runs: Path, seed: int) -> Path | None:
    """The detection run to take: the one `given`, else that of the same seed among the `runs`; None for cnn.

    Raises:
        UserError: it is absent, is none or another than the config names, or has not ended; or cnn is given one.
    """
    if not config.detector:
        if given:
            raise UserError(f"--detector {given}: {config.variant} takes no detector; leave it out")
        return None
    folder = given or runs / config.preset / config.detector / f"seed{seed}"
    run = RunFolder(folder)
    if not run.config_path.exists():
        raise UserError(
            f"{folder}: no such run of {config.detector}, whose weights {config.variant} takes; train it with: "
            f"python -m vision.train vision/configs/{config.preset}/{config.detector}.yaml --seed {seed}, or name its "
            "folder with --detector"
        )
    found, needed = _identity(run), f"{config.preset}/{config.detector}"
    if found != needed:
        raise UserError(f"{folder}: is a run of {found}, where {config.variant} takes one of {needed}; give that one")
    run.require_finished()
    return folder


def read_detector(config: SceneConfig, folder: Path) -> tuple[TrainedRun, DetectorRecord]:
    """The trained detector of a folder, on the CPU, and what is kept of it.

    Raises:
        UserError: its network is not what the config stands on, or its files are damaged.
    """
    trained = TrainedRun(folder, mx.cpu())
    model = trained.config.model
    if model.backbone != config.model.backbone:
        raise UserError(
            f"{folder}: its backbone is {model.backbone} and model.backbone {config.model.backbone}; give a detector "
            "with the same"
        )
    if config.model.roi_features == "context" and not model.focused_attention:
        raise UserError(
            f"{folder}: has no focused attention, whose context {config.variant} takes; give a run of a variant with it"
        )
    if model.modules:
        raise UserError(f"{folder}: has relation modules, which scenes do not take; give a run of base or with FAN")
    weights = hashlib.sha256(trained_weights(trained.run).read_bytes()).hexdigest()
    name = f"{_identity(trained.run)}/{folder.resolve().name}"
    return trained, DetectorRecord(name, weights, len(trained.classes), model)


def keep_detector(run: RunFolder, record: DetectorRecord) -> None:
    """Keeps with a run on scenes which detector it stands on."""
    write_text(_path(run), write_config(record))


def kept_detector(run: RunFolder) -> DetectorRecord:
    """The detector that a run on scenes stands on."""
    if not _path(run).exists():
        raise UserError(f"{_path(run)}: no such record of its detector; {TRAIN_AGAIN}")
    return read_config(DetectorRecord, _path(run))


def require_same_detector(run: RunFolder, record: DetectorRecord) -> None:
    """Raises a `UserError` where an interrupted run was begun on another detector than that at hand."""
    kept = kept_detector(run)
    if kept != record:
        raise UserError(
            f"{run.path}: was begun on the detector {kept.run} (weights {kept.weights[:8]}), this is {record.run} "
            f"({record.weights[:8]}); give that one, or another --runs folder"
        )


def _path(run: RunFolder) -> Path:
    return run.path / "detector.yaml"


def _identity(run: RunFolder) -> str:
    config = read_yaml(run.config_path, "config of a run", TRAIN_AGAIN)
    keys = ("preset", "dataset", "variant")
    if not isinstance(config, dict) or not all(key in config for key in keys):
        raise UserError(f"{run.config_path}: not the config of a run; {TRAIN_AGAIN}")
    return "/".join(str(config[key]) for key in keys)
