"""The `metrics.json` of a run folder: names and numbers, written by `scripts.evaluate`, read by `scripts.report`."""

from pathlib import Path
from typing import Any

from data.common.errors import UserError
from data.common.files import read_json, write_json

EVALUATE_AGAIN = "delete it and evaluate again"


def metrics_path(folder: Path) -> Path:
    """The file in a run folder."""
    return folder / "metrics.json"


def read_metrics(folder: Path) -> dict[str, Any]:
    """The metrics of a run; empty if there are none yet."""
    path = metrics_path(folder)
    metrics = read_json(path, "metrics file", EVALUATE_AGAIN) if path.exists() else {}
    if not isinstance(metrics, dict):
        raise UserError(f"{path}: must contain a JSON object of names and numbers; {EVALUATE_AGAIN}")
    return metrics


def merge_metrics(folder: Path, metrics: dict[str, float | int]) -> None:
    """Adds metrics to those of a run."""
    write_json(metrics_path(folder), read_metrics(folder) | metrics)
