"""Held-out accuracy and center-mass over epochs: `python -m scripts.tables.learning_curves SETTING…`.

Writes <out>/<preset>/learning_curves.md and .png, and .runs.jsonl with one line per run.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.common.errors import UserError, run_command
from data.common.files import read_yaml, write_text
from data.common.runs import RunFolder
from scripts.evaluation.metrics.trials import summarize
from scripts.tables.charts import Line, Panel, draw_panels
from scripts.tables.markdown import markdown_table
from scripts.tables.paper import PRESETS

STUDY = "train it with scripts/study_documents.sh"
PANELS = {"held_out_accuracy": "held-out accuracy", "accuracy": "training accuracy", "center_mass": "center-mass"}


@dataclass(frozen=True)
class Setting:
    """The runs of one setting, one per seed, with the same number of epochs.

    Args:
        name: name of its folder in the folder of runs.
        runs: seed, config, record and log of each run.
    """

    name: str
    runs: list[dict[str, Any]]

    def curves(self, metric: str) -> np.ndarray:
        """[seeds, epochs] a metric of the log; [seeds, 0] if it is not logged, such as center-mass without FAN."""
        return np.array([[line[metric] for line in run["epochs"] if metric in line] for run in self.runs])


def read_setting(name: str, runs: Path, preset: str) -> Setting:
    """Reads the finished runs of a setting.

    Raises:
        UserError: there is no run, or the runs have no hold-out or different configs.
    """
    folder = runs / name / preset
    finished = [run for run in map(RunFolder, sorted(folder.glob("*/*/seed*"))) if run.finished]
    found = [read_run(run) for run in finished]
    if not found:
        raise UserError(f"{folder}: contains no finished run; {STUDY}")
    if any(run["config"] != found[0]["config"] for run in found):
        raise UserError(f"{folder}: the runs have different configs; use a separate --runs folder for each study")
    return Setting(name, found)


def read_run(run: RunFolder) -> dict[str, Any]:
    """Seed, config, record and log of a finished run."""
    config = read_yaml(run.config_path, "config of a run", STUDY)
    epochs = run.epochs()
    if not epochs or "held_out_accuracy" not in epochs[-1]:
        raise UserError(f"{run.path}: trained without a hold-out; {STUDY}")
    return {"seed": int(run.path.name.removeprefix("seed")), "config": config, **run.record(), "epochs": epochs}


def curves_table(settings: list[Setting]) -> str:
    """A Markdown table: held-out accuracy after a third and two thirds of the shortest schedule, last and best."""
    epochs = min(setting.curves("held_out_accuracy").shape[1] for setting in settings)
    shown = sorted({max(1, round(epochs * part / 3)) for part in (1, 2)})
    header = ["", "seeds", *(f"epoch {epoch}" for epoch in shown), "last (epoch)", "best (epoch)"]
    header += ["training", "center-mass"]
    lines = []
    for setting in settings:
        held_out, center_mass = 100 * setting.curves("held_out_accuracy"), setting.curves("center_mass")
        lines.append(
            [
                setting.name,
                f"{len(setting.runs)}",
                *(_mean_and_std(held_out[:, epoch - 1], 1) for epoch in shown),
                *(f"{_mean_and_std(held_out[:, i], 1)} ({i + 1})" for i in (held_out.shape[1] - 1, _best(held_out))),
                _mean_and_std(100 * setting.curves("accuracy")[:, -1], 1),
                _mean_and_std(center_mass[:, -1], 3) if center_mass.size else "–",
            ]
        )
    about = "Accuracy (%) on the held-out posts; training and center-mass: of the last epoch."
    return f"{about}\n\n{markdown_table(header, lines)}"


def _best(curves: np.ndarray) -> int:
    """Index of the epoch at which the mean of curves [seeds, epochs] is largest."""
    return int(curves.mean(axis=0).argmax())


def _mean_and_std(values: np.ndarray, digits: int) -> str:
    mean, std, _ = summarize(values.tolist())
    return f"{mean:.{digits}f}" if std is None else f"{mean:.{digits}f} ± {std:.{digits}f}"


def draw_curves(path: Path, settings: list[Setting]) -> None:
    """Writes a PNG with one panel per metric: the mean over seeds, and a band from the lowest to the highest."""
    panels = []
    for metric, label in PANELS.items():
        curves = {setting.name: setting.curves(metric) for setting in settings}
        panels.append(Panel(label, "epoch", [_line(name, values) for name, values in curves.items() if values.size]))
    draw_panels(path, panels)


def _line(label: str, curves: np.ndarray) -> Line:
    """The line of [seeds, epochs] values."""
    epochs = np.arange(1, curves.shape[1] + 1)
    return Line(label, epochs, curves.mean(axis=0), curves.min(axis=0), curves.max(axis=0))


def main() -> None:
    """Command line of `python -m scripts.tables.learning_curves`."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.tables.learning_curves",
        description="Draws and tabulates the learning curves of the runs of scripts/study_documents.sh.",
        epilog="example: python -m scripts.tables.learning_curves hatt fan-unsup fan-sup --runs runs/study",
    )
    parser.add_argument(
        "settings", nargs="+", metavar="SETTING", help="folder in --runs; settings are shown in this order"
    )
    parser.add_argument("--preset", choices=PRESETS, default="paper", help="preset of the runs (default: %(default)s)")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/study"), help="folder of the runs (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("results"), help="folder of the results (default: %(default)s)"
    )
    options = parser.parse_args()
    settings = [read_setting(name, options.runs, options.preset) for name in options.settings]
    table = curves_table(settings)
    stem = options.out / options.preset / "learning_curves"
    write_text(stem.with_suffix(".md"), table + "\n")
    lines = [
        {"setting": setting.name, **{key: value for key, value in run.items() if key != "command"}}
        for setting in settings
        for run in setting.runs
    ]
    write_text(stem.with_suffix(".runs.jsonl"), "".join(json.dumps(line) + "\n" for line in lines))
    draw_curves(stem.with_suffix(".png"), settings)
    print(table)


if __name__ == "__main__":
    run_command(main)
