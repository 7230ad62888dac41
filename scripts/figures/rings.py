"""Sentences as rings of word importance, clockwise from twelve o'clock, beside their related pairs of words."""

from math import cos, radians, sin
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import FancyArrowPatch, Patch, Polygon, Rectangle, Wedge

from data.common.files import replaced_on_success

# Colours that stay apart for the colour-blind too (after Okabe and Ito).
CATEGORY_COLORS = {
    "noun": "#0072B2",
    "verb": "#D55E00",
    "adjective": "#009E73",
    "adverb": "#B5609A",
    "other": "#666666",
}
GRAY, LIGHT_GRAY = "#666666", "#dddddd"
COLORMAP = "YlOrBr"
MEASURE = r"importance of a word, relative to the mean of its sentence: $\beta_i$ of FAN, $n\,a_{it}$ of Hatt"
PAIRS = "T: related pairs of words, each cell half in the colour of its row's word and half in its column's"

ROW_HEIGHT, FOOT_HEIGHT = 5.0, 0.8  # inches
INNERMOST, THICKNESS, SPACE = 0.4, 0.19, 0.01  # of the rings; three of them end at radius 1
GAP = 24  # degrees before twelve o'clock, where the rings have their labels
LEAST_END = 4.0  # importance that the scale of colours reaches at least: 1, the mean, is never beyond its middle
LETTERS = 14  # longer words are cut, so that one of them does not make the rest of the figure small


class Sentence(NamedTuple):
    """A sentence of n words.

    Args:
        source: where it stands.
        words: [n].
        categories: [n] lexical categories, keys of `CATEGORY_COLORS`.
        pairs: related words (m, n), counted from 0, either order alike.
    """

    source: str
    words: tuple[str, ...]
    categories: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]


class Ring(NamedTuple):
    """A label, and the importance [n] of each word relative to the mean of its sentence."""

    label: str
    importance: np.ndarray


def draw_sentences(path: Path, sentences: list[Sentence], rings: list[tuple[Ring, ...]], remark: str) -> None:
    """Writes a PNG with a row a sentence: its rings, and its pairs as a matrix.

    All rings of the figure share one scale of colours, which is that of the square root of the importance: a word that
    takes nearly all of a sentence does not make the differences between the others invisible.

    Args:
        path: the file.
        sentences: the rows.
        rings: for each sentence its rings, the outermost first.
        remark: printed small below.
    """
    heights = [ROW_HEIGHT] * len(sentences) + [FOOT_HEIGHT]
    figure = Figure(figsize=(11, sum(heights)), layout="constrained")  # without pyplot: no screen, no global state
    figure.get_layout_engine().set(h_pad=0.1)
    *rows, foot = figure.subfigures(len(heights), 1, height_ratios=heights)
    strongest = max(ring.importance.max() for its_rings in rings for ring in its_rings)
    scale = PowerNorm(0.5, vmin=0, vmax=max(strongest, LEAST_END))
    for row, sentence, its_rings in zip(rows, sentences, rings, strict=True):
        row.suptitle(sentence.source, fontsize=10, fontweight="bold")
        left, right = row.subfigures(1, 2)  # not subplots, which would share the margins of the longest words
        draw_rings(left.subplots(), sentence, its_rings, scale)
        draw_pairs(right.subplots(), sentence)
    _draw_foot(foot, scale, remark)
    with replaced_on_success(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def word_arc(position: int, count: int) -> tuple[float, float]:
    """Where the arc of a word begins and ends, in degrees counter-clockwise from three o'clock, as matplotlib has it.

    The first of `count` words begins at twelve o'clock (90°), each goes on clockwise where the one before it ended, and
    the last ends `GAP` degrees short of the full circle.
    """
    width = (360 - GAP) / count
    return 90 - position * width, 90 - (position + 1) * width


def draw_rings(axes: Axes, sentence: Sentence, rings: tuple[Ring, ...], scale: Normalize) -> None:
    """Draws the rings of one sentence with their labels before twelve o'clock and the words around them."""
    axes.set(aspect="equal", xlim=(-1, 1), ylim=(-1, 1))
    axes.axis("off")
    colors = ScalarMappable(scale, COLORMAP)
    count = len(sentence.words)
    outermost = INNERMOST + len(rings) * (THICKNESS + SPACE)
    for number, ring in enumerate(rings):
        radius = outermost - number * (THICKNESS + SPACE)
        for position, color in enumerate(colors.to_rgba(ring.importance)):
            begin, end = word_arc(position, count)
            axes.add_patch(Wedge((0, 0), radius, end, begin, width=THICKNESS, facecolor=color, edgecolor="white"))
        axes.text(-0.03, radius - THICKNESS / 2, ring.label, ha="right", va="center", fontsize=9)
    for position, (word, category) in enumerate(zip(sentence.words, sentence.categories, strict=True)):
        middle = sum(word_arc(position, count)) / 2
        _write_outwards(axes, outermost + 0.03, middle, shorten(word), CATEGORY_COLORS[category])
    way = {"arrowstyle": "->", "connectionstyle": "arc3,rad=-0.25", "mutation_scale": 10}
    axes.add_patch(FancyArrowPatch((0, 0.3), (0.26, 0.15), color=GRAY, **way))


def _write_outwards(axes: Axes, radius: float, angle: float, word: str, color: str) -> None:
    """Writes a word along the ray at `angle` degrees, from `radius` on, never upside down."""
    x, y = cos(radians(angle)), sin(radians(angle))
    axes.text(
        radius * x,
        radius * y,
        word,
        rotation=angle if x >= 0 else angle + 180,
        rotation_mode="anchor",
        ha="left" if x >= 0 else "right",
        va="center_baseline",
        fontsize=9,
        color=color,
        parse_math=False,  # A word may hold dollars.
    )


def draw_pairs(axes: Axes, sentence: Sentence) -> None:
    """Draws T as a matrix: a cell is filled where the words of its row and its column are related."""
    count = len(sentence.words)
    axes.set(aspect="equal", xlim=(0, count), ylim=(count, 0))
    colors = [CATEGORY_COLORS[category] for category in sentence.categories]
    for first, second in sentence.pairs:
        _fill_cell(axes, first, second, colors)
        _fill_cell(axes, second, first, colors)
    middles, borders = np.arange(count) + 0.5, np.arange(count + 1)
    words = [shorten(word) for word in sentence.words]
    style = {"fontsize": min(9, 210 / count), "parse_math": False}
    for label, color in zip(axes.set_xticks(middles, words, rotation=90, **style), colors, strict=True):
        label.label2.set_color(color)
    for label, color in zip(axes.set_yticks(middles, words, **style), colors, strict=True):
        label.label1.set_color(color)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.set_xticks(borders, minor=True)
    axes.set_yticks(borders, minor=True)
    axes.tick_params(which="minor", length=0)
    axes.grid(which="minor", color=LIGHT_GRAY, linewidth=0.5)
    axes.spines[:].set_color(LIGHT_GRAY)


def _fill_cell(axes: Axes, row: int, column: int, colors: list[str]) -> None:
    """Fills a cell in the colour of its column's word, and the half towards its row's label in that of its row's."""
    corner = column, row
    axes.add_patch(Rectangle(corner, 1, 1, color=colors[column], linewidth=0))
    axes.add_patch(Polygon([corner, (column, row + 1), (column + 1, row + 1)], color=colors[row], linewidth=0))


def _draw_foot(foot: SubFigure, scale: Normalize, remark: str) -> None:
    """Explains the colours: those of the rings left, those of the words right."""
    bar = foot.colorbar(ScalarMappable(scale, COLORMAP), cax=foot.add_axes((0.08, 0.4, 0.36, 0.14)), location="top")
    bar.set_label(MEASURE, fontsize=8)
    bar.ax.tick_params(labelsize=8)
    foot.legend(
        handles=[Patch(color=color, label=category) for category, color in CATEGORY_COLORS.items()],
        title=PAIRS,
        title_fontsize=8,
        loc="center",
        bbox_to_anchor=(0.74, 0.6),
        ncols=len(CATEGORY_COLORS),
        frameon=False,
        fontsize=8,
        handlelength=1,
    )
    foot.text(0.99, 0.06, remark, ha="right", fontsize=6, color=GRAY)


def shorten(word: str) -> str:
    """The word, with its end cut off where it is longer than `LETTERS`."""
    return word if len(word) <= LETTERS else word[: LETTERS - 1] + "…"
