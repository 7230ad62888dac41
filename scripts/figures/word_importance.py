"""Figures 2 and 6: the importance of a sentence's words as rings, and the related pairs of words.

python -m scripts.figures.word_importance SUP.json UNSUP.json HATT.json --out FILE.png

The files are written by `language.word_importance`, the outermost ring first. Each row of the figure is a sentence.
"""

import argparse
from math import cos, radians, sin
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import FancyArrowPatch, Patch, Polygon, Rectangle, Wedge

from data.common.errors import UserError, run_command
from data.common.files import read_json, replaced_on_success

REMEDY = "write it with: python -m language.word_importance"

# Distinguishable with color blindness, after Okabe and Ito.
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
INNERMOST, THICKNESS, SPACE = 0.4, 0.19, 0.01  # of the rings; three rings end at radius 1
GAP = 24  # degrees before twelve o'clock, for the labels of the rings
LEAST_END = 4.0  # lowest end of the color scale, so that the mean, 1, is not above its middle
LETTERS = 14  # longer words are truncated, so that they do not shrink the figure


class Sentence(NamedTuple):
    """A sentence of n words.

    Args:
        source: document and position of the sentence.
        words: [n].
        categories: [n] lexical categories, keys of `CATEGORY_COLORS`.
        pairs: related words (m, n), from 0, in either order.
    """

    source: str
    words: tuple[str, ...]
    categories: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]


class Ring(NamedTuple):
    """A label and the importance [n] of each word, relative to the mean of the sentence."""

    label: str
    importance: np.ndarray


class Importance(NamedTuple):
    """A file: the run, its sentences, and the ring of each sentence."""

    run: str
    sentences: list[Sentence]
    rings: list[Ring]


# --- files ----------------------------------------------------------------------------------------------------------


def draw_figure(paths: list[Path], out: Path) -> None:
    """Draws files of the same sentences, the outermost ring first, as a PNG.

    Raises:
        UserError: a file is invalid, or the files have different sentences.
    """
    files = [read_importance(path) for path in paths]
    for path, file in zip(paths, files, strict=True):
        if file.sentences != files[0].sentences:
            raise UserError(f"{path}: its sentences differ from those of {paths[0]}; write both for the same sentences")
    rings = list(zip(*(file.rings for file in files), strict=True))  # by sentence
    draw_sentences(out, files[0].sentences, rings, remark="runs: " + ", ".join(file.run for file in files))


def read_importance(path: Path) -> Importance:
    """Reads and checks a file of `language.word_importance`.

    Raises:
        UserError: the file is missing, not JSON, or has invalid content.
    """
    content = read_json(path, "word importance file", REMEDY)
    try:
        label = "$a_{it}$" if content["measure"] == "a_it" else content["variant"].removeprefix("fan-")
        sentences = [_sentence(entry) for entry in content["sentences"]]
        rings = [Ring(label, _relative_to_mean(entry)) for entry in content["sentences"]]
        if not sentences:
            raise ValueError("no sentence")
        return Importance(str(content["run"]), sentences, rings)
    except KeyError as error:
        reason = f"{error} is missing"
    except (AttributeError, TypeError, ValueError) as error:
        reason = str(error)
    raise UserError(f"{path}: not a word importance file ({reason}); {REMEDY}")


def _sentence(entry: dict[str, Any]) -> Sentence:
    words, categories = tuple(map(str, entry["words"])), tuple(entry["categories"])
    pairs = tuple((int(first), int(second)) for first, second in entry["pairs"])
    if not words or len(categories) != len(words):
        raise ValueError(f"{len(words)} words with {len(categories)} categories")
    if unknown := set(categories) - CATEGORY_COLORS.keys():
        raise ValueError(f"unknown category {unknown.pop()}")
    if not all(0 <= word < len(words) for pair in pairs for word in pair):
        raise ValueError(f"a pair is outside the {len(words)} words")
    return Sentence(str(entry["source"]), words, categories, pairs)


def _relative_to_mean(entry: dict[str, Any]) -> np.ndarray:
    """Importance [n] scaled to mean 1, so that rings are comparable: β is unchanged, a_it is multiplied by n."""
    importance = np.array(entry["importance"], float)
    if importance.shape != (len(entry["words"]),):
        raise ValueError(f"{len(entry['words'])} words with {importance.size} values of importance")
    if not (np.isfinite(importance).all() and (importance >= 0).all() and importance.any()):
        raise ValueError("importance must be finite, not negative, and not all 0")
    return importance / importance.mean()


# --- drawing --------------------------------------------------------------------------------------------------------


def draw_sentences(path: Path, sentences: list[Sentence], rings: list[tuple[Ring, ...]], remark: str) -> None:
    """Writes a PNG with one row per sentence: its rings, and its pairs as a matrix.

    All rings share one color scale of the square root of the importance, so that a dominant word does not hide the
    differences between the others.

    Args:
        path: the PNG.
        sentences: the rows.
        rings: the rings of each sentence, outermost first.
        remark: printed below in small type.
    """
    heights = [ROW_HEIGHT] * len(sentences) + [FOOT_HEIGHT]
    figure = Figure(figsize=(11, sum(heights)), layout="constrained")  # without pyplot: no display, no global state
    figure.get_layout_engine().set(h_pad=0.1)
    *rows, foot = figure.subfigures(len(heights), 1, height_ratios=heights)
    strongest = max(ring.importance.max() for row in rings for ring in row)
    scale = PowerNorm(0.5, vmin=0, vmax=max(strongest, LEAST_END))
    for row, sentence, row_rings in zip(rows, sentences, rings, strict=True):
        row.suptitle(sentence.source, fontsize=10, fontweight="bold")
        left, right = row.subfigures(1, 2)  # subplots would share the margins of the longest words
        draw_rings(left.subplots(), sentence, row_rings, scale)
        draw_pairs(right.subplots(), sentence)
    _draw_foot(foot, scale, remark)
    with replaced_on_success(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def word_arc(position: int, count: int) -> tuple[float, float]:
    """Begin and end of the arc of a word, in degrees counter-clockwise from three o'clock, as in Matplotlib.

    The first of `count` words begins at twelve o'clock (90°). Words follow clockwise and leave a gap of `GAP` degrees
    after the last one.
    """
    width = (360 - GAP) / count
    return 90 - position * width, 90 - (position + 1) * width


def draw_rings(axes: Axes, sentence: Sentence, rings: tuple[Ring, ...], scale: Normalize) -> None:
    """Draws the rings of a sentence with their labels, and the words around them."""
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
    """Writes a word along the ray at `angle` degrees, starting at `radius`, never upside down."""
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
        parse_math=False,  # a word may contain dollar signs
    )


def draw_pairs(axes: Axes, sentence: Sentence) -> None:
    """Draws T as a matrix: a cell is filled if the words of its row and column are related."""
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
    """Fills a cell in the color of the column's word, and the half next to the row's label in the row's."""
    corner = column, row
    axes.add_patch(Rectangle(corner, 1, 1, color=colors[column], linewidth=0))
    axes.add_patch(Polygon([corner, (column, row + 1), (column + 1, row + 1)], color=colors[row], linewidth=0))


def _draw_foot(foot: SubFigure, scale: Normalize, remark: str) -> None:
    """Explains the colors: of the rings on the left, of the words on the right."""
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
    """The word, truncated to `LETTERS`."""
    return word if len(word) <= LETTERS else word[: LETTERS - 1] + "…"


# --- command line ---------------------------------------------------------------------------------------------------


def main() -> None:
    """Command line of `python -m scripts.figures.word_importance`."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.figures.word_importance",
        description="Draws the importance of the words of sentences as rings, clockwise from twelve o'clock, next to "
        "the pairs of words that are related in the supervision target T.",
        epilog="example: python -m scripts.figures.word_importance sup.json unsup.json hatt.json --out figure2.png",
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="file of language.word_importance; the outermost ring first"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="PNG", help="output file")
    arguments = parser.parse_args()
    draw_figure(arguments.files, arguments.out)
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    run_command(main)
