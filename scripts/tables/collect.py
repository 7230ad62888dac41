"""Collects the numbers of a table from its run folders, and lists the runs that are missing."""

import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from data.common.errors import UserError
from data.common.files import read_text, read_yaml
from data.common.runs import RunFolder
from scripts.evaluation.metrics.trials import Difference, Summary, paired_difference, summarize
from scripts.evaluation.metrics_file import EVALUATE_AGAIN, metrics_path, read_metrics
from scripts.tables.paper import Metric, Number, Row, Table

IDENTITY = ("preset", "dataset", "variant", "seed")
RECORD = {"commit": str, "versions": dict, "device": str, "machine": str, "seconds": (int, float), "finished": str}
TRAIN_AGAIN = "delete the run folder and train again"


@dataclass(frozen=True)
class Run:
    """A finished and evaluated run: its identity, `config.yaml`, `metrics.json` and `run.json`."""

    preset: str
    dataset: str
    variant: str
    seed: int
    config: dict[str, Any]
    metrics: dict[str, float]
    record: dict[str, Any]


class Gap(NamedTuple):
    """A run that the table needs but cannot use yet, and why."""

    dataset: str
    variant: str
    seed: int
    reason: str


@dataclass(frozen=True)
class Cell:
    """One variant in one row: the paper's number and ours by seed, in the unit of the paper.

    Args:
        references: values to compare ours with, by label and seed.
        against_first: ours minus the first variant of the row, over their common seeds.
        best_reference: the reference with the highest mean, of this variant or of one without pair weights.
        against_best: ours minus the best reference.
    """

    row: Row
    variant: str
    label: str
    paper: Number | None
    values: dict[int, float]
    references: dict[str, dict[int, float]]
    against_first: Difference | None = None
    best_reference: str | None = None
    against_best: Difference | None = None

    @property
    def ours(self) -> Summary | None:
        """Mean over our trials; None without a trial."""
        return summarize(list(self.values.values())) if self.values else None

    @property
    def trials(self) -> int:
        """Number of trials; for a variant without pair weights, the number of reference values."""
        return max([len(self.values), *map(len, self.references.values())])

    @property
    def difference(self) -> float | None:
        """Our mean minus the paper's; None if one is missing."""
        return self.ours.mean - self.paper.mean if self.ours and self.paper else None


@dataclass(frozen=True)
class Curve:
    """A metric over K on the dataset with label `dataset`: the row at `top_k[i]` is `rows[i]`."""

    dataset: str
    metric: Metric
    top_k: list[int]
    rows: list[list[Cell]]


def collect_runs(table: Table, preset: str, runs: Path, published: Path | None = None) -> tuple[list[Run], list[Gap]]:
    """Reads the runs of all datasets, variants and seeds of a table.

    Args:
        table: the table to fill.
        preset: at `mini`, seed 0 completes a row; at other presets a row needs all its trials.
        runs: the folder that contains `<preset>/<dataset>/<variant>/seed<k>`.
        published: a folder of `.runs.jsonl` files, used for runs without a usable folder.

    Returns:
        The usable runs, and the runs that are needed or started but not usable.

    Raises:
        UserError: a file of a run is damaged, or runs of one variant have different configs.
    """
    found, gaps = [], []
    lines = _published_runs(published) if published else {}
    for (dataset, variant), metrics in table.metrics_of_runs().items():
        folder = runs / preset / dataset / variant
        elsewhere = {seed: run for (*names, seed), run in lines.items() if names == [preset, dataset, variant]}
        needed = range(trials_needed(table, preset, dataset))
        trials = []
        for seed in sorted(_seeds_in(folder) | set(needed) | elsewhere.keys()):
            run = RunFolder(folder / f"seed{seed}")
            if not (reason := _unusable(run, metrics)):
                trials.append(_read_run(run, preset, dataset, variant, seed, metrics))
            elif seed in elsewhere and metrics <= elsewhere[seed].metrics.keys():
                trials.append(elsewhere[seed])
            else:
                gaps.append(Gap(dataset, variant, seed, reason))
        _require_one_config(folder, trials)
        found += trials
    return found, gaps


def trials_needed(table: Table, preset: str, dataset: str) -> int:
    """Number of seeds that complete the rows of a dataset."""
    return 1 if preset == "mini" else max(row.trials for row in table.rows if row.dataset == dataset)


def fill_cells(table: Table, runs: list[Run]) -> list[list[Cell]]:
    """The cells of each row, in the order of the columns."""
    return [_fill_row(table, row, runs) for row in table.rows]


def fill_curves(table: Table, runs: list[Run]) -> list[Curve]:
    """The curves of the table on each dataset that has runs, with the variants of its rows."""
    curves = []
    for metric in table.curves:
        rows = {row.dataset: row for row in table.rows if row.metric.name.startswith(metric.name)}
        curves += [_fill_curve(table, metric, row, runs) for row in rows.values()]
    return [curve for curve in curves if curve.top_k]


def is_reference(cell: Cell) -> bool:
    """Whether a cell only has references."""
    return cell.variant in cell.row.references_alone


def reference_columns(curve: Curve) -> dict[str, list[dict[int, float]]]:
    """The references of the curve's variants without pair weights: label → values by seed at each K."""
    return {
        f"{label} of {cell.label}": [row[place].references[label] for row in curve.rows]
        for place, cell in enumerate(curve.rows[0])
        if is_reference(cell)
        for label, by_seed in cell.references.items()
        if by_seed
    }


def _fill_row(table: Table, row: Row, runs: list[Run]) -> list[Cell]:
    values: dict[str, dict[int, float]] = {variant: {} for variant in row.cells}
    labels = row.metric.reference_names()
    references = {variant: {label: {} for label in labels.values()} for variant in row.cells}
    for run in runs:
        if run.dataset != row.dataset or run.variant not in values:
            continue
        if run.variant not in row.references_alone:
            values[run.variant][run.seed] = run.metrics[row.metric.name] * row.metric.times
        for name, label in labels.items():
            references[run.variant][label][run.seed] = run.metrics[name] * row.metric.times
    first = next(variant for variant in row.cells if variant not in row.references_alone)
    base_references = {
        f"{label} of {table.columns[variant]}": by_seed
        for variant in row.cells
        if variant in row.references_alone
        for label, by_seed in references[variant].items()
    }
    cells = []
    for variant, paper in row.cells.items():
        best = _best({**references[variant], **base_references}) if values[variant] else None
        cells.append(
            Cell(
                row=row,
                variant=variant,
                label=table.columns[variant],
                paper=paper,
                values=values[variant],
                references=references[variant],
                against_first=None if variant == first else paired_difference(values[variant], values[first]),
                best_reference=best and best[0],
                against_best=best and paired_difference(values[variant], best[1]),
            )
        )
    return cells


def _best(references: dict[str, dict[int, float]]) -> tuple[str, dict[int, float]] | None:
    """Label and values of the reference with the highest mean, or None."""
    measured = {label: by_seed for label, by_seed in references.items() if by_seed}
    if not measured:
        return None
    return max(measured.items(), key=lambda item: summarize(list(item[1].values())).mean)


def _fill_curve(table: Table, metric: Metric, row: Row, runs: list[Run]) -> Curve:
    """The cells at every K at which all runs were evaluated, in rows like the given row of the table."""
    weighing = [
        run.metrics.keys()
        for run in runs
        if run.dataset == row.dataset and run.variant in row.cells and run.variant not in row.references_alone
    ]
    common = set.intersection(*map(set, weighing)) if weighing else set()
    top_k = sorted(int(name.removeprefix(metric.name)) for name in common if name.startswith(metric.name))
    at_k = [replace(metric, name=f"{metric.name}{k}") for k in top_k]
    rows = [replace(row, metric=one, cells=dict.fromkeys(row.cells)) for one in at_k]
    return Curve(row.label, metric, top_k, fill_cells(replace(table, rows=rows), runs))


def _published_runs(folder: Path) -> dict[tuple[str, str, str, int], Run]:
    """The runs in the `.runs.jsonl` files of a folder, by preset, dataset, variant and seed."""
    remedy = "restore it, or omit --published"
    found = {}
    for path in sorted(folder.glob("*.runs.jsonl")):
        for line in read_text(path, "list of runs", remedy).splitlines():
            try:
                values = json.loads(line)
                if "epochs" in values:  # learning_curves and text_recipe: not runs of a table
                    continue
                record = {name: values[name] for name in RECORD if name != "finished"} | {"finished": values["date"]}
                run = Run(*(values[name] for name in IDENTITY), values["config"], values["metrics"], record)
            except (KeyError, TypeError, json.JSONDecodeError) as error:
                raise UserError(f"{path}: {line[:60]!r} is not a run ({error}); {remedy}") from None
            found[run.preset, run.dataset, run.variant, run.seed] = run
    if not found:
        raise UserError(f"--published {folder}: contains no .runs.jsonl; give a folder of published results")
    return found


def _seeds_in(folder: Path) -> set[int]:
    names = [re.fullmatch(r"seed(\d+)", path.name) for path in folder.glob("seed*")]
    return {int(name[1]) for name in names if name}


def _unusable(run: RunFolder, metrics: set[str]) -> str | None:
    """Why a run cannot be used, or None."""
    if not run.config_path.exists():
        return "not begun"
    if not run.finished:
        return "training has not ended"
    if metrics - read_metrics(run.path).keys():
        return "not evaluated"
    return None


def _read_run(run: RunFolder, preset: str, dataset: str, variant: str, seed: int, needed: set[str]) -> Run:
    metrics, record = read_metrics(run.path), run.record()
    for name in sorted(needed):
        if type(metrics[name]) not in (int, float) or not math.isfinite(metrics[name]):
            raise UserError(
                f"{metrics_path(run.path)}: {name} must be a finite number, not {metrics[name]!r}; {EVALUATE_AGAIN}"
            )
    for key, kind in RECORD.items():
        if not isinstance(record, dict) or not isinstance(record.get(key), kind):
            raise UserError(
                f"{run.path}/run.json: {key} is missing or damaged; delete the file and run the train command again"
            )
    config = read_yaml(run.config_path, "config of a run", TRAIN_AGAIN)
    identity = {"preset": preset, "dataset": dataset, "variant": variant}
    if not isinstance(config, dict) or not identity.items() <= config.items():
        raise UserError(f"{run.config_path}: not a config of {preset}/{dataset}/{variant}; {TRAIN_AGAIN}")
    return Run(preset, dataset, variant, seed, config, metrics, record)


def _require_one_config(folder: Path, runs: list[Run]) -> None:
    """Raises a `UserError` unless the runs, trials of one experiment, have the same config."""
    for run in runs[1:]:
        if run.config != runs[0].config:
            raise UserError(
                f"{folder}: seed{runs[0].seed} and seed{run.seed} have different config.yaml files, so they are not "
                "trials of the same experiment; move one of them to another runs folder"
            )
