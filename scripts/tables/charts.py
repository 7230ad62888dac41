"""Charts of a table: bars next to the paper's, and curves over K with bands."""

import csv
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from data.common.errors import UserError
from data.common.files import read_text, replaced_on_success
from scripts.evaluation.metrics.trials import Summary, summarize
from scripts.tables.collect import Cell, Curve, reference_columns
from scripts.tables.paper import Number, Table

OURS, PAPER = "#1f5fa8", "#c4c4c4"
BAR_WIDTH = 0.4  # where neighbouring variants are 1 apart
REFERENCE_STYLES = (":", "--", "-")  # line style of each reference in a bar chart

PANEL_WIDTH, PANEL_HEIGHT = 5, 4  # inches
LEAST_WIDTH = 6.5  # inches, so that the title fits
REFERENCE_GRAYS = ("#b0b0b0", "#808080", "#303030")  # colors of references in a curve
OVERLAY_STYLE = {"linestyle": "-.", "marker": "o", "markersize": 3}
POINTS = ["label", "k", "recall"]
POINTS_FORMAT = f"the first line must be {','.join(POINTS)}, followed by one point per line, with recall in percent"
NO_STYLE: Mapping[str, Any] = MappingProxyType({})


class Line(NamedTuple):
    """A line through [P] points, with a band from `low` to `high` and Matplotlib's `style`."""

    label: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    style: Mapping[str, Any] = NO_STYLE


class Panel(NamedTuple):
    """Lines on the same axes. With `ticks`, the x axis is logarithmic and has only these ticks."""

    title: str
    x_label: str
    lines: list[Line]
    ticks: tuple[int, ...] = ()


# --- bars -----------------------------------------------------------------------------------------------------------


def draw_bars(path: Path, table: Table, rows: list[list[Cell]], remark: str) -> None:
    """Writes a PNG with one panel per row of the table: rows of a dataset from top to bottom, datasets side by side.

    Every axis starts at zero, and neighbouring panels share their scale. References are lines across the bars.

    Args:
        path: the file.
        table: gives the title and the order of the variants.
        rows: cells of the rows to draw; at least one row.
        remark: printed below the title; may be empty.
    """
    by_dataset: dict[str, list[list[Cell]]] = {}
    for row in rows:
        by_dataset.setdefault(row[0].row.dataset, []).append(row)
    height, width = max(map(len, by_dataset.values())), len(by_dataset)
    size = 1.0 + 1.3 * max(4, len(table.columns) * width), 1.1 + 2.9 * height
    figure = Figure(figsize=size, layout="constrained")  # without pyplot: no display, no global state
    grid = figure.subplots(height, width, sharey="row", squeeze=False)
    for axes in grid.flat:
        axes.set_visible(False)
    for column, of_dataset in zip(grid.T, by_dataset.values(), strict=True):
        for axes, row in zip(column, of_dataset, strict=False):
            _draw_row(axes, list(table.columns), row)
    for axes in grid.flat:  # after all bars are drawn, so that no bar extends the axis later
        axes.set_ylim(bottom=0)
    figure.suptitle(f"{table.title}\n{remark}".rstrip(), fontsize=10)
    has_paper = any(cell.paper for row in rows for cell in row)
    handles = [Patch(color=PAPER, label="paper")] if has_paper else []
    styles = {label: style for row in rows for label, style in zip(row[0].references, REFERENCE_STYLES, strict=False)}
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
        shift = BAR_WIDTH / 2 if cell.paper else 0  # side by side if there are two
        if cell.paper:
            _draw_bar(axes, position - shift, cell.paper, PAPER, metric.decimals)
        if cell.ours:
            _draw_bar(axes, position + shift, cell.ours, OURS, metric.decimals)
        for by_seed, style in zip(cell.references.values(), REFERENCE_STYLES, strict=False):
            if by_seed:
                mean = summarize(list(by_seed.values())).mean
                axes.hlines(mean, position - 0.45, position + 0.45, color="black", linestyle=style, linewidth=1)
    axes.set_xlim(-0.6, len(variants) - 0.4)
    axes.margins(y=0.12)


def _draw_bar(axes: Axes, position: float, number: Number | Summary, color: str, decimals: int) -> None:
    axes.bar(position, number.mean, BAR_WIDTH, color=color)
    if number.std is not None:
        axes.errorbar(position, number.mean, number.std, color="black", capsize=2.5, linewidth=1)
    top = position, number.mean + (number.std or 0)
    text = f"{number.mean:.{decimals}f}"
    axes.annotate(text, top, xytext=(0, 3), textcoords="offset points", ha="center", fontsize=8)


def _trials(cell: Cell) -> str:
    return {0: "not run", 1: "one trial"}.get(cell.trials, f"{cell.trials} trials")


# --- curves ---------------------------------------------------------------------------------------------------------


def draw_curves(path: Path, table: Table, curves: list[Curve], remark: str, overlay: Sequence[Line] = ()) -> None:
    """Writes a PNG with one panel per curve: mean and standard deviation over trials, over log K.

    Args:
        path: the file.
        table: gives the title.
        curves: at least one. Variants without a run have no line; references are dashed and gray.
        remark: printed below the title; may be empty.
        overlay: lines to add to the panels of the first metric.
    """
    panels = [
        Panel(
            title=f"{curve.dataset}: {curve.metric.label}\nmean and standard deviation over trials",
            x_label="K",
            lines=[*_lines(curve), *(overlay if curve.metric == table.curves[0] else ())],
            ticks=tuple(curve.top_k),
        )
        for curve in curves
    ]
    draw_panels(path, panels, title=f"{table.title}\n{remark}".rstrip())


def _lines(curve: Curve) -> list[Line]:
    """The lines of a curve's variants, then those of its references."""
    variants = [cells for cells in zip(*curve.rows, strict=True) if cells[0].values]
    lines = [_line(curve, cells[0].label, [cell.values for cell in cells]) for cells in variants]
    for color, (label, by_seed) in zip(cycle(REFERENCE_GRAYS), reference_columns(curve).items()):
        lines.append(_line(curve, label, by_seed, {"linestyle": "--", "color": color}))
    return lines


def _line(curve: Curve, label: str, values: list[dict[int, float]], style: Mapping[str, Any] = NO_STYLE) -> Line:
    """Mean and standard deviation over trials, from the values by seed at each K."""
    summaries = [summarize(list(by_seed.values())) for by_seed in values]
    mean = np.array([summary.mean for summary in summaries])
    std = np.array([summary.std or 0 for summary in summaries])  # the band of one trial has no height
    return Line(label, np.array(curve.top_k), mean, mean - std, mean + std, style)


def draw_panels(path: Path, panels: list[Panel], title: str = "") -> None:
    """Writes a PNG with the panels side by side; lines with the same label have the same color."""
    size = max(PANEL_WIDTH * len(panels), LEAST_WIDTH), PANEL_HEIGHT
    figure = Figure(figsize=size, layout="constrained")  # without pyplot: no display, no global state
    labels = list(dict.fromkeys(line.label for panel in panels for line in panel.lines))
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels, strict=True):
        axes.set_title(panel.title, fontsize=10)
        axes.set_xlabel(panel.x_label)
        axes.spines[["top", "right"]].set_visible(False)
        for line in panel.lines:
            _draw_line(axes, line, f"C{labels.index(line.label)}")
        if panel.ticks:
            axes.set_xscale("log")
            axes.set_xticks(panel.ticks, panel.ticks, fontsize=8)
            axes.minorticks_off()
    if title:
        figure.suptitle(title, fontsize=10)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    with replaced_on_success(path) as temporary:
        figure.savefig(temporary, dpi=150)


def _draw_line(axes: Axes, line: Line, color: str) -> None:
    style = {"color": color, **line.style}
    axes.plot(line.x, line.y, label=line.label, linewidth=1.2, **style)
    axes.fill_between(line.x, line.low, line.high, color=style["color"], alpha=0.15, linewidth=0)


# --- curves published by others -------------------------------------------------------------------------------------


def read_lines(path: Path) -> list[Line]:
    """Reads curves from a CSV file of points: label, K and recall in percent.

    Raises:
        UserError: the file is missing or malformed; the message names the line.
    """
    text = read_text(path, "CSV file of points", POINTS_FORMAT).removeprefix("\ufeff")  # written by spreadsheets
    try:
        header, *rows = csv.reader(text.splitlines()) if text.strip() else [[]]
    except csv.Error as error:
        raise UserError(f"{path}: invalid CSV ({error}); {POINTS_FORMAT}") from None
    if [name.strip() for name in header] != POINTS or not any(rows):
        raise UserError(f"{path}: no points; {POINTS_FORMAT}")
    curves: dict[str, dict[int, float]] = {}
    for number, row in enumerate(rows, start=2):
        if row:
            label, k, recall = _point(row, f"{path}: line {number}, {','.join(row)!r}")
            if curves.setdefault(label, {}).setdefault(k, recall) != recall:
                raise UserError(f"{path}: line {number}: {label} already has another recall at {k}; delete one of them")
    lines = [(label, *map(np.array, zip(*sorted(points.items()), strict=True))) for label, points in curves.items()]
    return [Line(label, k, recall, recall, recall, OVERLAY_STYLE) for label, k, recall in lines]


def _point(row: list[str], place: str) -> tuple[str, int, float]:
    try:
        label, k, recall = row[0].strip(), int(row[1]), float(row[2])
    except (ValueError, IndexError):
        raise UserError(f"{place}: must be a label, an integer and a number; {POINTS_FORMAT}") from None
    if len(row) > len(POINTS) or not label or not 0 < k < 2**31 or not 0 <= recall <= 100:
        raise UserError(f"{place}: must be a label, K above 0 and a percentage; {POINTS_FORMAT}")
    return label, k, recall
