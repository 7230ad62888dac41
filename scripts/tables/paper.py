"""The paper's tables as `paper.yaml` gives them; its head says what the keys mean."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from data.common.files import read_yaml

PAPER_FILE = Path(__file__).parent / "paper.yaml"
PRESETS = ("paper", "mini")  # of a table
REFERENCES_ALONE = "references"  # stands in a cell of which only the reference values are shown
MEASURE = re.compile(r"(row_)?((?:pooled_|distinct_)?recall@|center_mass)")  # the end of a metric's name, but for K


@dataclass(frozen=True)
class Number:
    """A number as the paper prints it; `std` is None where it prints none."""

    mean: float
    std: float | None


@dataclass(frozen=True)
class Metric:
    """How a value of `metrics.json` is printed: `value * times`, with `decimals` digits after the point.

    Args:
        references: what the value must be read against: labels by what their names have before the measure, such as
            `random_` in `random_recall@100`.
    """

    name: str
    label: str
    times: float
    decimals: int
    references: dict[str, str] = field(default_factory=dict)

    def reference_names(self) -> dict[str, str]:
        """Labels of the reference values by their names in `metrics.json`.

        Both rankings of a network, by W̃ and by W_agg, have the same references.
        """
        return {MEASURE.sub(rf"{order}\2", self.name, count=1): label for order, label in self.references.items()}


@dataclass(frozen=True)
class Row:
    """One data set and one metric; `cells` are by variant, None where the paper prints no number.

    `presets` are those that it has a number at. Of the variants in `references_alone`, which have no pair weights, only
    the reference values are shown.
    """

    label: str
    dataset: str
    metric: Metric
    trials: int
    cells: dict[str, Number | None]
    presets: tuple[str, ...] = PRESETS
    references_alone: frozenset[str] = frozenset()

    def metrics_of(self, variant: str) -> set[str]:
        """The names in `metrics.json` that the cell of a variant is made from."""
        own = set() if variant in self.references_alone else {self.metric.name}
        return own | self.metric.reference_names().keys()


@dataclass(frozen=True)
class Table:
    """One table of the paper, or a study in its form; `columns` are labels by variant.

    `curves` are metrics over K that are drawn: each stands for all metrics that are named like it, with K behind.
    """

    name: str
    title: str
    note: str
    columns: dict[str, str]
    rows: list[Row]
    presets: tuple[str, ...] = PRESETS
    curves: tuple[Metric, ...] = ()

    def at(self, preset: str) -> "Table":
        """The table with the rows that it has at a preset."""
        return replace(self, rows=[row for row in self.rows if preset in row.presets])

    def metrics_of_runs(self) -> dict[tuple[str, str], set[str]]:
        """What the table is made from: (data set, variant) → names of the metrics its runs must hold."""
        needed: dict[tuple[str, str], set[str]] = {}
        for row in self.rows:
            for variant in row.cells:
                needed.setdefault((row.dataset, variant), set()).update(row.metrics_of(variant))
        return needed


def read_tables(path: Path = PAPER_FILE) -> dict[str, Table]:
    """Reads `paper.yaml`: tables by name, in the order of the file."""
    paper = read_yaml(path, "file of the paper's numbers", "it belongs to the repository; restore it with git")
    metrics = {name: _metric(name, printed, paper["references"]) for name, printed in paper["metrics"].items()}
    return {name: _table(name, values, metrics) for name, values in paper["tables"].items()}


def _metric(name: str, printed: dict, references: dict[str, dict[str, str]]) -> Metric:
    of_metric = references[printed["references"]] if "references" in printed else {}
    return Metric(name, **(printed | {"references": of_metric}))


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
    return Table(
        name,
        values["title"],
        values["note"],
        values["columns"],
        rows,
        presets=presets,
        curves=tuple(metrics[curve] for curve in values.get("curves", [])),
    )


def _number(printed: str | float | None) -> Number | None:
    """`64.0 ± 0.3`, a mean alone, or null; `references` where a cell has reference values alone."""
    if printed in (None, REFERENCES_ALONE):
        return None
    mean, _, std = str(printed).partition("±")
    return Number(float(mean), float(std) if std else None)
