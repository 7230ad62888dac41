"""A table as bars: ours beside the paper's."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from data.common.files import replaced_on_success
from scripts.evaluation.metrics.trials import Summary, summarize
from scripts.tables.collect import Cell
from scripts.tables.paper import Number, Table

OURS, PAPER = "#1f5fa8", "#c4c4c4"
WIDTH = 0.4  # of a bar, where neighbouring variants are 1 apart
STYLES = (":", "--", "-")  # of the lines of references, in their order


def draw_bars(path: Path, table: Table, rows: list[list[Cell]], remark: str) -> None:
    """Writes a PNG with a panel a row: the rows of a data set from top to bottom, data sets from left to right.

    Every axis begins at zero, so that a bar's length is its value; neighbouring panels share their scale. What a value
    must be read against is drawn as lines across its bar.

    Args:
        path: the file.
        table: gives the title and the order of the variants.
        rows: the cells of each row to draw; at least one row.
        remark: printed below the title, may be empty.
    """
    of_datasets: dict[str, list[list[Cell]]] = {}
    for row in rows:
        of_datasets.setdefault(row[0].row.dataset, []).append(row)
    height, width = max(map(len, of_datasets.values())), len(of_datasets)
    size = 1.0 + 1.3 * max(4, len(table.columns) * width), 1.1 + 2.9 * height
    figure = Figure(figsize=size, layout="constrained")  # without pyplot: no screen, no global state
    grid = figure.subplots(height, width, sharey="row", squeeze=False)
    for axes in grid.flat:
        axes.set_visible(False)
    for column, of_dataset in zip(grid.T, of_datasets.values(), strict=True):
        for axes, row in zip(column, of_dataset, strict=False):
            _draw_row(axes, list(table.columns), row)
    for axes in grid.flat:  # Not before all is drawn: from here on no bar makes an axis longer.
        axes.set_ylim(bottom=0)
    figure.suptitle(f"{table.title}\n{remark}".rstrip(), fontsize=10)
    has_paper = any(cell.paper for row in rows for cell in row)
    handles = [Patch(color=PAPER, label="paper")] if has_paper else []
    styles = {label: style for row in rows for label, style in zip(row[0].references, STYLES, strict=False)}
    lines = [Line2D([], [], color="black", linestyle=style, label=label) for label, style in styles.items()]
    figure.legend(
        handles=[*handles, Patch(color=OURS, label="ours"), *lines],
        title="error bars: one standard deviation over trials",
        loc="outside lower center",
        ncols=6,
        frameon=False,
        fontsize=9,
        title_fontsize=8,
    )
    with replaced_on_success(path) as temporary:
        figure.savefig(temporary, dpi=150)


def _draw_row(axes: Axes, variants: list[str], row: list[Cell]) -> None:
    metric = row[0].row.metric
    axes.set_visible(True)
    axes.set_title(f"{row[0].row.label}: {metric.label}", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, labelleft=True)
    positions = [variants.index(cell.variant) for cell in row]
    axes.set_xticks(positions, [f"{cell.label}\n{_trials(cell)}" for cell in row])
    for position, cell in zip(positions, row, strict=True):
        shift = WIDTH / 2 if cell.paper else 0  # side by side where there are two
        if cell.paper:
            _draw_bar(axes, position - shift, cell.paper, PAPER, metric.decimals)
        if cell.ours:
            _draw_bar(axes, position + shift, cell.ours, OURS, metric.decimals)
        for by_seed, style in zip(cell.references.values(), STYLES, strict=False):
            if by_seed:
                mean = summarize(list(by_seed.values())).mean
                axes.hlines(mean, position - 0.45, position + 0.45, color="black", linestyle=style, linewidth=1)
    axes.set_xlim(-0.6, len(variants) - 0.4)
    axes.margins(y=0.12)


def _draw_bar(axes: Axes, position: float, number: Number | Summary, color: str, decimals: int) -> None:
    axes.bar(position, number.mean, WIDTH, color=color)
    if number.std is not None:
        axes.errorbar(position, number.mean, number.std, color="black", capsize=2.5, linewidth=1)
    top = position, number.mean + (number.std or 0)
    text = f"{number.mean:.{decimals}f}"
    axes.annotate(text, top, xytext=(0, 3), textcoords="offset points", ha="center", fontsize=8)


def _trials(cell: Cell) -> str:
    return {0: "not run", 1: "one trial"}.get(cell.trials, f"{cell.trials} trials")
