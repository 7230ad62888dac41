"""Figures 1 and 7: the regions of an image that an object attends to, without and with supervision.

python -m scripts.figures.attended_regions UNSUP.npz SUP.npz --out FILE.png

The files are written by `vision.attended` for the same images; each is one panel per reference object. The weights at
the regions are those that FAN aggregates with: the reference object's row of W_agg (eq. 4).
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from data.common.errors import UserError, run_command
from data.common.files import replaced_on_success
from data.common.options import count_from_1
from data.images.pixels import read_pixels
from scripts.figures.attended import (
    SAME_PLACE,
    Attended,
    Regions,
    attended_columns,
    read_together,
    title_of,
    weight_text,
)
from scripts.figures.references import Choice, Reference, find_references, parse_box

REFERENCE, ATTENDED, WEIGHT = "#1f6fff", "#ff8c00", "#d00000"  # the paper's colours
PANEL, TITLES, FOOT = 3.4, 0.55, 0.35  # inches: width of a panel, height of its titles and of the footer
LABEL = 0.36, 0.13  # inches: width and height of a weight's label
EXAMPLES = """\
examples:
  python -m scripts.figures.attended_regions unsup.npz sup.npz --out f.png
  python -m scripts.figures.attended_regions unsup.npz sup.npz --image a.jpg --object 2 --box 80,40,210,300 --out f.png
"""


def draw_figure(
    files: list[Attended], references: list[Reference], out: Path, across: int, most: int, repeats: bool
) -> None:
    """Writes a PNG with one panel per file for each reference object.

    Args:
        files: files of the same images.
        references: the reference objects.
        out: the PNG.
        across: references per row.
        most: number of attended regions to draw.
        repeats: see `attended_columns`.
    """
    across = min(across, len(references))
    rows = [references[first : first + across] for first in range(0, len(references), across)]
    sizes = files[0].sizes
    heights = [max(PANEL * sizes[each.image, 1] / sizes[each.image, 0] for each in row) + TITLES for row in rows]
    size = across * len(files) * PANEL, sum(heights) + FOOT
    figure = Figure(figsize=size, layout="constrained")  # without pyplot: no display, no global state
    body, foot = figure.subfigures(2, 1, height_ratios=[sum(heights), FOOT])
    cells = body.subfigures(len(rows), across, squeeze=False, height_ratios=heights, wspace=0.02)
    for cell, reference in zip(cells.flat, references, strict=False):
        pixels = read_pixels(files[0].images[reference.image])
        cell.suptitle(describe(reference, files), fontsize=8, parse_math=False)
        panels = cell.subplots(1, len(files), squeeze=False)[0]
        for axes, file, region in zip(panels, files, reference.regions, strict=True):
            axes.set_title(title_of(file), fontsize=9, parse_math=False)
            axes.imshow(pixels)
            axes.axis("off")
            draw_attention(axes, file.regions[reference.image], region, most, repeats, pixels.shape[1] / PANEL)
    foot.text(0.5, 0.5, remark(files, repeats), fontsize=8, ha="center", va="center", parse_math=False)
    with replaced_on_success(out) as temporary:
        figure.savefig(temporary, dpi=150)


def describe(reference: Reference, files: list[Attended]) -> str:
    """Image and object, and its category according to the last file, that of the supervised network."""
    regions, region = files[-1].regions[reference.image], reference.regions[-1]
    category = files[-1].classes[regions.labels[region]]
    return f"{reference.name}: {category} {regions.probabilities[region]:.2f}"


def remark(files: list[Attended], repeats: bool) -> str:
    """The footer."""
    omitted = "" if repeats else f"; regions that overlap a better one (IoU > {SAME_PLACE:g}) are omitted"
    return (
        f"blue: reference object; orange: regions it attends to, with its row of W_agg (eq. 4){omitted}\n"
        f"runs: {', '.join(file.run for file in files)}"
    )


def draw_attention(
    axes: Axes, regions: Regions, reference: int, most: int, repeats: bool, pixels_an_inch: float
) -> None:
    """Draws the regions that the reference attends to most, strongest last, and then the reference."""
    columns = attended_columns(regions, reference, repeats)[:most]
    weights = regions.weights[reference, columns]
    boxes = regions.boxes[regions.attended[reference, columns]]
    for box, weight in reversed(list(zip(boxes, weights, strict=True))):
        _draw_box(axes, box, ATTENDED, 1 + 1.5 * weight / (weights.max() or 1))
    _draw_box(axes, regions.boxes[reference], REFERENCE, 2.5)
    width, height = axes.get_xlim()[1], axes.get_ylim()[0]
    places = label_places(boxes, np.array(LABEL) * pixels_an_inch, (width, height))
    for (x, y), weight in zip(places, weights, strict=True):
        style = {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.8}
        axes.text(x, y, weight_text(weight), color=WEIGHT, fontsize=7, ha="left", va="top", bbox=style)


def label_places(boxes: np.ndarray, label: np.ndarray, picture: tuple[float, float]) -> np.ndarray:
    """[K, 2] upper left corners of labels at boxes [K, 4], without overlap if possible.

    Candidates are the corners of a box, first outside and then inside, and then rows down the box. The best box is
    labeled first.

    Args:
        boxes: best first.
        label: [2] width and height of a label.
        picture: width and height of the picture; labels stay inside.
    """
    width, height = label
    taken = np.empty((0, 2))
    for x1, y1, x2, y2 in boxes.tolist():
        ys = [y1 - height, y2, y1, y2 - height, *np.arange(y1 + height, y2 - height, height)]
        tried = np.array([(x, y) for y in ys for x in (x1, x2 - width)])
        tried = np.clip(tried, 0, np.maximum(np.array(picture) - label, 0))
        is_free = ~(np.abs(tried[:, None] - taken) < label).all(axis=2).any(axis=1)
        taken = np.vstack([taken, tried[is_free.argmax()]])  # the first candidate if none is free
    return taken


def _draw_box(axes: Axes, box: np.ndarray, color: str, linewidth: float) -> None:
    x1, y1, x2, y2 = box.tolist()
    corner = x1 - 0.5, y1 - 0.5  # outer edge of the first pixel, whose center is at (x1, y1)
    style = {"fill": False, "edgecolor": color, "linewidth": linewidth}
    axes.add_patch(Rectangle(corner, x2 - x1 + 1, y2 - y1 + 1, **style))


class _Pick(argparse.Action):
    """Adds a reference object to the preceding image, or to all images if none was given."""

    def __call__(self, parser, namespace, values, option_string=None):
        last = namespace.choices.pop() if namespace.choices else Choice(None)
        namespace.choices.append(last._replace(picks=(*last.picks, values)))


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.figures.attended_regions",
        description="Draws reference objects (blue) and the regions they attend to (orange) with their weights: the "
        "object's row of W_agg.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(choices=[])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="file of vision.attended, one panel each")
    parser.add_argument("--out", type=Path, required=True, metavar="PNG", help="output file")
    parser.add_argument(
        "--image",
        dest="choices",
        action="append",
        type=Choice,
        metavar="NAME",
        help="an image of the files, or a folder of images; may be repeated (default: all)",
    )
    parser.add_argument(
        "--object",
        dest="choices",
        action=_Pick,
        type=count_from_1,
        metavar="N",
        help="reference object in the preceding image: the Nth best detection of the networks",
    )
    parser.add_argument(
        "--box",
        dest="choices",
        action=_Pick,
        type=parse_box,
        metavar="X1,Y1,X2,Y2",
        help="reference object in the preceding image: in each network the region with the largest IoU with the box",
    )
    count = partial(parser.add_argument, type=count_from_1, metavar="N")
    count("--objects", default=1, help="reference objects per image without --object and --box (default: %(default)s)")
    count("--regions", default=5, help="attended regions per reference (default: %(default)s)")
    count("--across", default=2, help="reference objects per row (default: %(default)s)")
    parser.add_argument(
        "--repeats", action="store_true", help=f"also draw regions that overlap a better one (IoU > {SAME_PLACE:g})"
    )
    return parser


def main() -> None:
    """Command line of `python -m scripts.figures.attended_regions`."""
    options = build_parser().parse_args()
    files = read_together(options.files)
    references = list(find_references(files, options.choices, options.objects))
    if not references:
        raise UserError(f"{options.files[0]}: no image has a region; write the file for other images")
    draw_figure(files, references, options.out, options.across, options.regions, options.repeats)
    for reference in references:
        overlaps = ", ".join(f"{overlap:.2f}" for overlap in reference.overlaps)
        print(f"{describe(reference, files)} (IoU of the regions: {overlaps})")
    print(f"written: {options.out}")


if __name__ == "__main__":
    run_command(main)
