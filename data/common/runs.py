"""Run folders `runs/<preset>/<data set>/<variant>/seed<k>/`: the files of one training run.

config.yaml                 the complete config; the folder accepts no other
log.jsonl                   one line per epoch
tensorboard/                the same numbers for TensorBoard
checkpoints/                to resume training, and to predict
run.json                    command, commit, versions, device, machine, seconds of training; written at the end
detector.yaml               scenes: the detector that they are based on
imported.json               runs made by `vision.relation_networks import`: the checkpoint and its SHA-256
predictions.npz             documents and scenes: written by `predict`
center_mass.npz             written by `predict`
detections.json             images: written by `predict`, in COCO's results format
detections.hard_nms.json    the same with hard NMS instead of soft-NMS, on request
relations.npz               images: ranked pairs of ROIs, written by `predict`
training_center_mass.npz    written by `predict --training-images`
metrics.json                written by `scripts.evaluate`
output.log                  output of a run started by `scripts.tables.jobs`
"""

import fcntl
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from data.common.config import write_config
from data.common.errors import UserError
from data.common.files import array_names, read_json, read_text, write_json, write_text

START_OVER = "remove the run folder to start over"

PACKAGES = ("numpy", "pillow", "mxnet", "gluoncv", "tensorflow", "tensorflow-cpu", "keras", "nltk", "gensim")


class RunFolder:
    """The folder of one run.

    Args:
        path: an existing run folder. Training creates one with `RunFolder.claim`.
    """

    def __init__(self, path: Path):
        self.path = path
        self.config_path = path / "config.yaml"
        self.checkpoints = path / "checkpoints"
        self.predictions = path / "predictions.npz"
        self.detections = path / "detections.json"
        self.relations = path / "relations.npz"
        self.hard_detections = path / "detections.hard_nms.json"
        self.center_mass = path / "center_mass.npz"
        self.training_center_mass = path / "training_center_mass.npz"
        self._log = path / "log.jsonl"
        self._record = path / "run.json"

    @classmethod
    def claim(cls, runs: Path, config: Any, seed: int) -> "RunFolder":
        """Creates or reopens the folder of a config and seed, and locks it until this process ends.

        Args:
            runs: the folder of all runs.
            config: dataclass with the fields `preset`, `dataset` and `variant`.
            seed: number of the run.

        Raises:
            UserError: the folder has a run of another config, or another process uses it.
        """
        run = cls(runs / config.preset / config.dataset / config.variant / f"seed{seed}")
        run.path.mkdir(parents=True, exist_ok=True)
        run._lock_until_exit()
        text = write_config(config)
        if not run.config_path.exists():
            write_text(run.config_path, text)
        elif (kept := read_text(run.config_path, "config", START_OVER)) != text:
            changed = _first_difference(kept, text)
            raise UserError(
                f"{run.path}: has a run of another config ({changed}); use another --runs folder, or remove this one"
            )
        return run

    @property
    def runs(self) -> Path:
        """The folder of all runs: the `--runs` of this one."""
        return self.path.resolve().parents[3]

    @property
    def finished(self) -> bool:
        """Whether training has ended."""
        return self._record.exists()

    def require_finished(self) -> None:
        """Raises a `UserError` if training has not ended."""
        if not self.config_path.exists():
            raise UserError(
                f"{self.path}: not a run folder (no config.yaml); use runs/<preset>/<data set>/<variant>/seed<k>"
            )
        if not self.finished:
            raise UserError(f"{self.path}: its training has not ended; rerun the train command to resume it")

    def epochs(self, first: int | None = None) -> list[dict[str, Any]]:
        """The lines of `log.jsonl`, one dictionary per epoch: all, or the `first` ones."""
        if not self._log.exists():
            return []
        # The text after the last line end is a line that a crash cut off.
        lines = read_text(self._log, "log", START_OVER).split("\n")[:-1][:first]
        return [self._parsed(number, line) for number, line in enumerate(lines, start=1)]

    def keep_epochs(self, count: int) -> None:
        """Drops the lines after the first `count`: epochs that no checkpoint includes are trained again."""
        kept = self.epochs(count)
        if len(kept) < count:
            raise UserError(f"{self._log}: has {len(kept)} of the {count} epochs of the checkpoint; {START_OVER}")
        write_text(self._log, "".join(json.dumps(line) + "\n" for line in kept))

    def log_epoch(self, line: dict[str, Any]) -> None:
        """Adds the numbers of an epoch to the log and to TensorBoard, at step `line["epoch"]`, and prints them."""
        with self._log.open("a") as log:
            log.write(json.dumps(line) + "\n")
        self._write_tensorboard(line)
        print("  ".join(f"{key} {_short(value)}" for key, value in line.items()), flush=True)

    def finish(self, device: str) -> None:
        """Writes `run.json`, which marks the run as finished: it is not trained again."""
        write_json(
            self._record,
            {
                "command": shlex.join(["python", *sys.orig_argv[1:]]),
                "commit": _commit(),
                "versions": _versions(),
                "device": device,
                "machine": machine(),
                "seconds": round(sum(line["seconds"] for line in self.epochs()), 1),
                "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            },
        )

    def has_center_mass(self) -> bool:
        """Whether `center_mass.npz` exists and has the values for equal weights, which older versions did not write."""
        remedy = "remove it and rerun the predict command"
        return self.center_mass.exists() and "uniform" in array_names(self.center_mass, "center-mass file", remedy)

    def record(self) -> dict[str, Any]:
        """The contents of `run.json`."""
        return read_json(self._record, "run record", "remove it if it exists and rerun the train command")

    def _parsed(self, number: int, line: str) -> dict[str, Any]:
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{self._log}: line {number} is not JSON ({error}); {START_OVER}") from None
        if not isinstance(values, dict) or "seconds" not in values:
            raise UserError(f"{self._log}: line {number} is not the numbers of an epoch; {START_OVER}")
        return values

    def _lock_until_exit(self) -> None:
        # The file stays open on purpose: the system releases the lock however the process ends.
        self._lock = (self.path / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{self.path}: another process uses this run; wait for it, or stop it") from None

    def _write_tensorboard(self, line: dict[str, Any]) -> None:
        # Imported here because the writer loads TensorFlow, if installed, and would delay the start of `scripts`.
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in line.items() if tag != "epoch"]
        writer = EventFileWriter(str(self.path / "tensorboard"))
        writer.add_event(Event(step=line["epoch"], wall_time=time.time(), summary=Summary(value=values)))
        writer.close()


def _first_difference(kept: str, text: str) -> str:
    for old, new in zip(kept.splitlines(), text.splitlines(), strict=False):
        if old != new:
            return f"there: {old.strip()}, here: {new.strip()}"
    return "it has other keys"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _commit() -> str:
    """The commit of this code, with `-dirty` if files have changed since; `unknown` outside git."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=40", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """Number of cores and processor model, for readers of timings."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return f"{os.cpu_count()} cores of {model}"
