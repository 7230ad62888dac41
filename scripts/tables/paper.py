"""The tables of the paper, read from `paper.yaml`, whose header explains the keys."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from data.common.files import read_yaml

PAPER_FILE = Path(__file__).parent / "paper.yaml"
PRESETS = ("paper", "mini")  # of a table of the paper
REFERENCES_ALONE = "references"  # value of a cell that only shows the references
MEASURE = re.compile(r"(row_)?((?:pooled_|distinct_)?recall@|center_mass)")  # end of a metric's name, without K


@dataclass(frozen=True)
class Number:
    """A number printed in the paper; `std` is None where it prints none."""

    mean: float
    std: float | None


@dataclass(frozen=True)
class Metric:
    """How a value of `metrics.json` is printed: `value * times`, with `decimals` digits after the decimal point.

    Args:
        references: values to compare with, as prefix → label. The prefix goes before the measure: `random_` in
            `random_recall@100`.
    """

    name: str
    label: str
    times: float
    decimals: int
    references: dict[str, str] = field(default_factory=dict)

    def reference_names(self) -> dict[str, str]:
        """Labels of the references by their names in `metrics.json`. Rankings by W̃ and by W_agg share them."""
        return {MEASURE.sub(rf"{order}\2", self.name, count=1): label for order, label in self.references.items()}


@dataclass(frozen=True)
class Row:
    """One metric on one dataset.

    Args:
        cells: the paper's number of each variant, None where it prints none.
        presets: presets that have this row.
        references_alone: variants without pair weights, of which only the references are shown.
    """

    label: str
    dataset: str
    metric: Metric
    trials: int
    cells: dict[str, Number | None]
    presets: tuple[str, ...] = PRESETS
    references_alone: frozenset[str] = frozenset()

    def metrics_of(self, variant: str) -> set[str]:
        """Names in `metrics.json` that the cell of a variant needs."""
        own = set() if variant in self.references_alone else {self.metric.name}
        return own | self.metric.reference_names().keys()


@dataclass(frozen=True)
class Table:
    """A table of the paper, or a study in the same form.

    Args:
        columns: label of each variant.
        curves: metrics drawn over K. Each stands for all metrics whose name is its name followed by K.
    """

    name: str
    title: str
    note: str
    columns: dict[str, str]
    rows: list[Row]
    presets: tuple[str, ...] = PRESETS
    curves: tuple[Metric, ...] = ()

    def at(self, preset: str) -> "Table":
        """The table with the rows of a preset."""
        return replace(self, rows=[row for row in self.rows if preset in row.presets])

    def metrics_of_runs(self) -> dict[tuple[str, str], set[str]]:
        """Names of the metrics that the runs of each (dataset, variant) must have."""
        needed: dict[tuple[str, str], set[str]] = {}
        for row in self.rows:
            for variant in row.cells:
                needed.setdefault((row.dataset, variant), set()).update(row.metrics_of(variant))
        return needed


def read_tables(path: Path = PAPER_FILE) -> dict[str, Table]:
    """Reads `paper.yaml`: tables by name, in the order of the file."""
    paper = read_yaml(path, "file of the paper's numbers", "restore it with git")
    metrics = {name: _metric(name, printed, paper["references"]) for name, printed in paper["metrics"].items()}
    return {name: _table(name, values, metrics) for name, values in paper["tables"].items()}


def _metric(name: str, printed: dict, references: dict[str, dict[str, str]]) -> Metric:
    group = references[printed["references"]] if "references" in printed else {}
    return Metric(name, **(printed | {"references": group}))


def _table(name: str, values: dict, metrics: dict[str, Metric]) -> Table:
    presets = tuple(values.get("presets", PRESETS))
    rows = [
        Row(
            label=row["label"],
            dataset=row["dataset"],
            metric=metrics[row["metric"]],
            trials=row["trials"],
            cells={variant: _number(row["cells"][variant]) for variant in values["columns"] if variant in row["cells"]},
            presets=tuple(row.get("presets", presets)),
            references_alone=frozenset(name for name, value in row["cells"].items() if value == REFERENCES_ALONE),
        )
        for row in values["rows"]
    ]
    curves = tuple(metrics[curve] for curve in values.get("curves", []))
    return Table(name, values["title"], values["note"], values["columns"], rows, presets, curves)


def _number(printed: str | float | None) -> Number | None:
    """A number from `64.0 ± 0.3` or a mean alone; None from null or `references`."""
    if printed in (None, REFERENCES_ALONE):
        return None
    mean, _, std = str(printed).partition("±")
    return Number(float(mean), float(std) if std else None)
