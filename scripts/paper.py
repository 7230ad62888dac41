"""The paper's tables as `paper.yaml` gives them; its head says what the keys mean."""

from dataclasses import dataclass, replace
from pathlib import Path

from data.files import read_yaml

PAPER_FILE = Path(__file__).parent / "paper.yaml"
PRESETS = ("paper", "mini")  # of a table


@dataclass(frozen=True)
class Number:
    """A number as the paper prints it; `std` is None where it prints none."""

    mean: float
    std: float | None


@dataclass(frozen=True)
class Metric:
    """How a value of `metrics.json` is printed: `value * times`, with `decimals` digits after the point."""

    name: str
    label: str
    times: float
    decimals: int


@dataclass(frozen=True)
class Row:
    """One data set and one metric; `cells` are by variant, None where the paper prints no number.

    `presets` are those that it has a number at.
    """

    label: str
    dataset: str
    metric: Metric
    trials: int
    cells: dict[str, Number | None]
    presets: tuple[str, ...] = PRESETS


@dataclass(frozen=True)
class Table:
    """One table of the paper, or a study in its form; `columns` are labels by variant.

    `curve` is a metric over K, where one is drawn: it stands for all metrics that are named like it, with K behind.
    """

    name: str
    title: str
    note: str
    columns: dict[str, str]
    rows: list[Row]
    presets: tuple[str, ...] = PRESETS
    curve: Metric | None = None

    def at(self, preset: str) -> "Table":
        """The table with the rows that it has at a preset."""
        return replace(self, rows=[row for row in self.rows if preset in row.presets])

    def metrics_of_runs(self) -> dict[tuple[str, str], set[str]]:
        """What the table is made from: (data set, variant) → names of the metrics its runs must hold."""
        needed: dict[tuple[str, str], set[str]] = {}
        for row in self.rows:
            for variant in row.cells:
                needed.setdefault((row.dataset, variant), set()).add(row.metric.name)
        return needed


def read_tables(path: Path = PAPER_FILE) -> dict[str, Table]:
    """Reads `paper.yaml`: tables by name, in the order of the file."""
    paper = read_yaml(path, "file of the paper's numbers", "it belongs to the repository; restore it with git")
    metrics = {name: Metric(name, **printed) for name, printed in paper["metrics"].items()}
    return {name: _table(name, values, metrics) for name, values in paper["tables"].items()}


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
        curve=metrics[values["curve"]] if "curve" in values else None,
    )


def _number(printed: str | float | None) -> Number | None:
    """`64.0 ± 0.3`, a mean alone, or null."""
    if printed is None:
        return None
    mean, _, std = str(printed).partition("±")
    return Number(float(mean), float(std) if std else None)
