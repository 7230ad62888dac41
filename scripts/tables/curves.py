"""Curves with bands: a metric of a table over K, and what other drawings of curves share with it."""

import csv
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data.common.errors import UserError
from data.common.files import read_text, replaced_on_success
from scripts.evaluation.metrics.trials import summarize
from scripts.tables.collect import Curve, reference_columns
from scripts.tables.paper import Table

WIDTH, HEIGHT = 5, 4  # inches, of a panel
LEAST_WIDTH = 6.5  # inches, of a figure: room for its title
OF_OTHERS = {"linestyle": "-.", "marker": "o", "markersize": 3}
GRAYS = ("#b0b0b0", "#808080", "#303030")  # of reference orders, which are dashed

POINTS = ["label", "k", "recall"]
MEND = f"it must begin with the line {','.join(POINTS)}, and go on with a point a line, its recall in percent"


NO_STYLE: Mapping[str, Any] = MappingProxyType({})


class Line(NamedTuple):
    """A curve through [P] points and the band around it, from `low` to `high`, drawn with the `style` of Matplotlib."""

    label: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    style: Mapping[str, Any] = NO_STYLE


class Panel(NamedTuple):
    """Lines on the same axes; with `ticks`, x is logarithmic and has these alone."""

    title: str
    x_label: str
    lines: list[Line]
    ticks: tuple[int, ...] = ()


def draw_curves(path: Path, table: Table, curves: list[Curve], remark: str, others: Sequence[Line] = ()) -> None:
    """Writes a PNG with a panel a data set: the mean over seeds and a band of one standard deviation, over log K.

    Args:
        path: the file.
        table: gives the title.
        curves: at least one; a variant without a run has no line. The references of a variant without pair weights are
            dashed and gray.
        remark: printed below the title, may be empty.
        others: lines to draw over the panels of the first metric.
    """
    panels = [
        Panel(
            title=f"{curve.dataset}: {curve.metric.label}\nmean and standard deviation over trials",
            x_label="K",
            lines=[*_lines(curve), *(others if curve.metric == table.curves[0] else ())],
            ticks=tuple(curve.top_k),
        )
        for curve in curves
    ]
    draw_panels(path, panels, title=f"{table.title}\n{remark}".rstrip())


def _lines(curve: Curve) -> list[Line]:
    """The lines of a curve's variants, then of its references."""
    variants = [cells for cells in zip(*curve.rows, strict=True) if cells[0].values]
    lines = [_line(curve, cells[0].label, [cell.values for cell in cells]) for cells in variants]
    for color, (label, by_seed) in zip(cycle(GRAYS), reference_columns(curve).items()):
        lines.append(_line(curve, label, by_seed, {"linestyle": "--", "color": color}))
    return lines


def _line(curve: Curve, label: str, values: list[dict[int, float]], style: Mapping[str, Any] = NO_STYLE) -> Line:
    """The mean over trials and one standard deviation around it, of values by seed at each K."""
    summaries = [summarize(list(by_seed.values())) for by_seed in values]
    mean = np.array([summary.mean for summary in summaries])
    std = np.array([summary.std or 0 for summary in summaries])  # one trial has a band of no height
    return Line(label, np.array(curve.top_k), mean, mean - std, mean + std, style)


def read_lines(path: Path) -> list[Line]:
    """Reads curves that somebody else has published from a CSV file of points: columns label, k and recall in percent.

    Raises:
        UserError: it is absent or malformed; names the line.
    """
    text = read_text(path, "CSV file of points", MEND).removeprefix("\ufeff")  # With which spreadsheets begin theirs.
    try:
        header, *rows = csv.reader(text.splitlines()) if text.strip() else [[]]
    except csv.Error as error:
        raise UserError(f"{path}: is no CSV file ({error}); {MEND}") from None
    if [name.strip() for name in header] != POINTS or not any(rows):
        raise UserError(f"{path}: holds no points; {MEND}")
    curves: dict[str, dict[int, float]] = {}
    for number, row in enumerate(rows, start=2):
        if row:
            label, k, recall = _point(row, f"{path}: line {number}, {','.join(row)!r}")
            if curves.setdefault(label, {}).setdefault(k, recall) != recall:
                raise UserError(f"{path}: line {number}: {label} has another recall at {k} above; remove one of them")
    lines = [(label, *map(np.array, zip(*sorted(points.items()), strict=True))) for label, points in curves.items()]
    return [Line(label, k, recall, recall, recall, OF_OTHERS) for label, k, recall in lines]


def _point(row: list[str], place: str) -> tuple[str, int, float]:
    try:
        label, k, recall = row[0].strip(), int(row[1]), float(row[2])
    except (ValueError, IndexError):
        raise UserError(f"{place}: is no name, whole number and number; {MEND}") from None
    if len(row) > len(POINTS) or not label or not 0 < k < 2**31 or not 0 <= recall <= 100:
        raise UserError(f"{place}: is no name, K above 0 and percentage; {MEND}")
    return label, k, recall


def draw_panels(path: Path, panels: list[Panel], title: str = "") -> None:
    """Writes a PNG with the panels side by side; lines of the same label have the same colour."""
    size = max(WIDTH * len(panels), LEAST_WIDTH), HEIGHT
    figure = Figure(figsize=size, layout="constrained")  # without pyplot: no screen, no global state
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
