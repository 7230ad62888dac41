"""Figure 4: the objects that an object is related to, under both rules of the supervision targets T.

python -m scripts.figures.relation_targets --dataset voc07 --split test --out FILE.png

The figure shows objects, not ROIs: ROIs inherit the relations of the objects they are on. Difficult objects and crowds
have no relations, as in training.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from data.common.errors import UserError, run_command
from data.common.files import replaced_on_success
from data.common.options import add_data_option
from data.images.annotations import some
from data.images.datasets import read_images
from data.images.pixels import read_pixels
from data.images.relations import Rule, relations_between, usable_objects
from data.records import ImageDataset, ImageRecord

RULES: tuple[Rule, ...] = ("different_category", "different_instance")  # of appendix A.4

# Colors of the paper.
COLORS = {
    "reference object": "#1f6fff",
    "related, of another category": "#ff8c00",
    "related, of the same category": "#ffe800",
}
REFERENCE, OTHER_CATEGORY, SAME_CATEGORY = COLORS.values()
PANEL, MARGINS = 5.5, 0.9  # inches: width of a panel, height of the text above and below
NAMED = 8  # objects listed in an error message


class Objects(NamedTuple):
    """The G objects of an image that can be related: boxes [G, 4] as in `ImageRecord`, and labels [G]."""

    boxes: np.ndarray
    labels: np.ndarray


def objects_of(record: ImageRecord) -> Objects:
    """The objects of an image without difficult ones and crowds."""
    kept = usable_objects(record)
    return Objects(record.boxes[kept], record.labels[kept])


def related_objects(labels: np.ndarray, reference: int, rule: Rule) -> np.ndarray:
    """Indices of the objects related to the object `reference`, given the `labels` [G] of all."""
    pairs = relations_between(labels, rule)
    pairs = pairs[(pairs == reference).any(axis=1)]
    return pairs[pairs != reference]


def distinguishing_object(labels: np.ndarray) -> int | None:
    """The first object for which the rules differ: some others have its category, some do not. None without."""
    for reference, label in enumerate(labels):
        if np.count_nonzero(labels == label) > 1 and (labels != label).any():
            return reference
    return None


def choose_image(dataset: ImageDataset, name: str | None) -> ImageRecord:
    """The image with an id; by default the first with a `distinguishing_object`.

    Raises:
        UserError: there is no such image.
    """
    for record in dataset.records:
        if record.id == name or (name is None and distinguishing_object(objects_of(record).labels) is not None):
            return record
    if name is None:
        raise UserError(
            "--image: no image has an object with others of the same and of another category; give an image id"
        )
    raise UserError(f"--image {name}: not in this split; give an id such as {dataset.records[0].id}")


def choose_object(labels: np.ndarray, classes: tuple[str, ...], number: int | None) -> int:
    """The index of an object numbered from 1; by default the `distinguishing_object`, or else the first.

    Raises:
        UserError: the image has no such object.
    """
    if number is None:
        number = (distinguishing_object(labels) or 0) + 1
    if not 1 <= number <= len(labels):
        names = [f"{position} {classes[label]}" for position, label in enumerate(labels, start=1)]
        raise UserError(
            f"--object {number}: the image has {len(names)} objects that can be related ({some(names, NAMED)}); "
            "give one of their numbers, or another --image"
        )
    return number - 1


def draw_targets(path: Path, pixels: np.ndarray, objects: Objects, reference: int, title: str) -> None:
    """Writes a PNG with one panel per rule: the image [H, W, 3], the reference object and its related objects."""
    height, width = pixels.shape[:2]
    size = 2 * PANEL, PANEL * height / width + MARGINS
    figure = Figure(figsize=size, layout="constrained")  # without pyplot: no display, no global state
    for axes, rule in zip(figure.subplots(1, 2), RULES, strict=True):
        axes.imshow(pixels)
        axes.set_title(rule.replace("_", " "), fontsize=10)
        axes.axis("off")
        draw_boxes(axes, objects, reference, rule)
    figure.suptitle(title, fontsize=10)
    handles = [Patch(facecolor="none", edgecolor=color, linewidth=2, label=label) for label, color in COLORS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    with replaced_on_success(path) as temporary:
        figure.savefig(temporary, dpi=150)


def draw_boxes(axes: Axes, objects: Objects, reference: int, rule: Rule) -> None:
    """Draws the boxes of the related objects and then that of the reference object."""
    for number in related_objects(objects.labels, reference, rule):
        is_same = objects.labels[number] == objects.labels[reference]
        _draw_box(axes, objects.boxes[number], SAME_CATEGORY if is_same else OTHER_CATEGORY)
    _draw_box(axes, objects.boxes[reference], REFERENCE)


def _draw_box(axes: Axes, box: np.ndarray, color: str) -> None:
    x1, y1, x2, y2 = box.tolist()
    corner = x1 - 0.5, y1 - 0.5  # outer edge of the first pixel, whose center is at (x1, y1)
    axes.add_patch(Rectangle(corner, x2 - x1 + 1, y2 - y1 + 1, fill=False, edgecolor=color, linewidth=2))


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.figures.relation_targets",
        description="Draws the objects that an object is related to in the supervision targets T: those of different "
        "categories on the left, all others on the right.",
        epilog="example: python -m scripts.figures.relation_targets --dataset voc07 --image 000001 --out t.png",
    )
    parser.add_argument("--dataset", required=True, help="voc07, minicoco, or a folder in either layout below --data")
    parser.add_argument("--split", required=True, help="split of the dataset, for example test")
    parser.add_argument(
        "--image",
        metavar="ID",
        help="an image of the split (default: the first for which the rules differ and neither is empty)",
    )
    parser.add_argument(
        "--object",
        type=int,
        metavar="N",
        help="number of the reference object, from 1 (default: the first for which the rules differ, else 1)",
    )
    add_data_option(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="PNG", help="output file")
    return parser


def main() -> None:
    """Command line of `python -m scripts.figures.relation_targets`."""
    options = build_parser().parse_args()
    dataset = read_images(options.dataset, options.data, options.split)
    record = choose_image(dataset, options.image)
    objects = objects_of(record)
    reference = choose_object(objects.labels, dataset.classes, options.object)
    category = dataset.classes[objects.labels[reference]]
    title = f"{options.dataset} {options.split}, image {record.id}: related to object {reference + 1}, {category}"
    draw_targets(options.out, read_pixels(record.path), objects, reference, title)
    print(f"written: {options.out} ({title})")


if __name__ == "__main__":
    run_command(main)
