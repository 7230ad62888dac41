"""Run folders: `runs/<preset>/<data set>/<variant>/seed<k>/`, what one training leaves behind.

config.yaml     the complete config; another config is refused
log.jsonl       one line an epoch
tensorboard/    the same numbers for TensorBoard
checkpoints/    what an interrupted run goes on from, and what predictions are made with
run.json        command, commit, versions, device, machine, seconds of training; written when training has ended
detector.yaml   of scenes: which detector they stand on
imported.json   of what `vision.relation_networks import` made: the checkpoint, and its SHA-256
predictions.npz, center_mass.npz    written by `predict`, the first for documents and scenes
detections.json, relations.npz      written by `predict` for images: COCO's results format, and ranked pairs of ROIs
detections.hard_nms.json            the same with hard NMS in place of soft-NMS, where it was asked for
training_center_mass.npz            written by `predict --training-images`
metrics.json    written by `scripts.evaluate`
output.log      what a run said that had no terminal of its own, written by `scripts.tables.jobs`
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

BEGIN_ANEW = "remove the run folder to begin anew"

PACKAGES = ("numpy", "pillow", "mxnet", "gluoncv", "tensorflow", "tensorflow-cpu", "keras", "nltk", "gensim")


class RunFolder:
    """One run's folder.

    Args:
        path: an existing run folder. A training makes its own with `RunFolder.claim`.
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
        """Makes or reopens the folder of `config` and `seed` and locks it until this process ends.

        Args:
            config: dataclass with the fields `preset`, `dataset` and `variant`.

        Raises:
            UserError: the folder holds a run of another config, or another process is writing to it.
        """
        run = cls(runs / config.preset / config.dataset / config.variant / f"seed{seed}")
        run.path.mkdir(parents=True, exist_ok=True)
        run._lock_until_exit()
        text = write_config(config)
        if not run.config_path.exists():
            write_text(run.config_path, text)
        elif (kept := read_text(run.config_path, "config", BEGIN_ANEW)) != text:
            changed = _first_difference(kept, text)
            raise UserError(
                f"{run.path}: holds a run of another config ({changed}); give another --runs folder, or remove this one"
            )
        return run

    @property
    def runs(self) -> Path:
        """The folder of all runs, the `--runs` this one was made with."""
        return self.path.resolve().parents[3]

    @property
    def finished(self) -> bool:
        """Whether training has ended."""
        return self._record.exists()

    def require_finished(self) -> None:
        """Raises a `UserError` where training has not ended."""
        if not self.config_path.exists():
            raise UserError(
                f"{self.path}: not a run folder (no config.yaml); give runs/<preset>/<data set>/<variant>/seed<k>"
            )
        if not self.finished:
            raise UserError(
                f"{self.path}: its training has not ended; run the train command again, it goes on where it stopped"
            )

    def epochs(self, first: int | None = None) -> list[dict[str, Any]]:
        """The lines of `log.jsonl`, or its `first` ones: a dictionary an epoch."""
        if not self._log.exists():
            return []
        # What stands behind the last line end is a line that a crash cut short.
        lines = read_text(self._log, "log", BEGIN_ANEW).split("\n")[:-1][:first]
        return [self._parsed(number, line) for number, line in enumerate(lines, start=1)]

    def keep_epochs(self, count: int) -> None:
        """Drops the lines after the first `count`: epochs that no checkpoint holds are trained again."""
        kept = self.epochs(count)
        if len(kept) < count:
            raise UserError(
                f"{self._log}: holds {len(kept)} of the {count} epochs that the checkpoint has; {BEGIN_ANEW}"
            )
        write_text(self._log, "".join(json.dumps(line) + "\n" for line in kept))

    def log_epoch(self, line: dict[str, Any]) -> None:
        """Appends one epoch's numbers to the log, to TensorBoard (by `line["epoch"]`) and to the screen."""
        with self._log.open("a") as log:
            log.write(json.dumps(line) + "\n")
        self._write_tensorboard(line)
        print("  ".join(f"{key} {_short(value)}" for key, value in line.items()), flush=True)

    def finish(self, device: str) -> None:
        """Writes `run.json`: from here on the run is never trained again."""
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
        """Whether `center_mass.npz` is there, with the values of equal weights, which older versions did not write."""
        remedy = "remove it and run the predict command again"
        return self.center_mass.exists() and "uniform" in array_names(self.center_mass, "center-mass file", remedy)

    def record(self) -> dict[str, Any]:
        """The contents of `run.json`."""
        return read_json(self._record, "run record", "remove it if it is there and run the train command again")

    def _parsed(self, number: int, line: str) -> dict[str, Any]:
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{self._log}: line {number} is not JSON ({error}); {BEGIN_ANEW}") from None
        if not isinstance(values, dict) or "seconds" not in values:
            raise UserError(f"{self._log}: line {number} does not hold an epoch's numbers; {BEGIN_ANEW}")
        return values

    def _lock_until_exit(self) -> None:
        # The descriptor is kept open on purpose: the lock lives as long as the process, however that ends.
        self._lock = (self.path / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{self.path}: another process is writing to this run; wait for it or end it") from None

    def _write_tensorboard(self, line: dict[str, Any]) -> None:
        # Imported here: the writer loads TensorFlow where that is installed, which `scripts` must not wait for.
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
    """The commit this code stands at, with `-dirty` where files have been changed since; `unknown` outside git."""
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
    """Processor model and core count, as a reader of a timing needs them."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return f"{os.cpu_count()} cores of {model}"
