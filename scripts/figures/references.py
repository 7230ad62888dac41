"""The reference objects of a figure: chosen by number or box, and matched between networks."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.common.errors import UserError
from data.images.annotations import some
from scripts.figures.attended import LEAST_SCORE, Attended, Objects, common_objects, names_of, regions_at


class Box(NamedTuple):
    """Corners in pixels, as given on the command line."""

    x1: float
    y1: float
    x2: float
    y2: float

    def __str__(self) -> str:
        return "box " + ",".join(f"{value:g}" for value in self)


class Choice(NamedTuple):
    """An image to draw (None for all) and its reference objects: numbers from 1, or boxes."""

    image: str | None
    picks: tuple[int | Box, ...] = ()


class Reference(NamedTuple):
    """A reference object: index of its image, its regions [F] in the F files, their overlaps [F], and its name."""

    image: int
    regions: np.ndarray
    overlaps: np.ndarray
    name: str


def find_references(files: list[Attended], choices: list[Choice], objects: int) -> Iterator[Reference]:
    """Yields the chosen reference objects; a choice without picks has the best `objects` of each of its images.

    Raises:
        UserError: unknown image or object number, or a box outside the picture or without an overlapping region.
    """
    names = names_of(files[0].images)
    for choice in choices or [Choice(None)]:
        for image in images_of(files[0].images, choice.image):
            networks = [file.regions[image] for file in files]
            found = common_objects(networks, LEAST_SCORE)
            for pick in choice.picks or range(1, min(objects, len(found.regions)) + 1):
                if isinstance(pick, Box):
                    require_in_picture(pick, files[0].sizes[image], names[image])
                    regions, overlaps = regions_at(np.array(pick), networks)
                    what = str(pick)
                else:
                    regions, overlaps = _object_of_number(found, pick, names[image])
                    what = f"object {pick}"
                for file, overlap in zip(files, overlaps, strict=True):
                    if not overlap:
                        raise UserError(f"{names[image]}: no region of {file.run} overlaps {what}; choose another")
                yield Reference(image, regions, overlaps, f"{names[image]}, {what}")


def images_of(images: tuple[Path, ...], name: str | None) -> list[int]:
    """Indices of the images with that name or path, or in that folder; of all images without a name.

    Raises:
        UserError: no image matches, or several have the name.
    """
    if name is None:
        return list(range(len(images)))
    path = Path(name)
    found = [index for index, image in enumerate(images) if path == image or path in image.parents]
    by_name = [index for index, image in enumerate(images) if image.name == name]
    if not found and len(by_name) > 1:
        raise UserError(f"--image {name}: {len(by_name)} images have this name; give a path")
    if not (found or by_name):
        raise UserError(f"--image {name}: not in the files; choose from {some(names_of(images))}")
    return found or by_name


def _object_of_number(found: Objects, number: int, image: str) -> tuple[np.ndarray, np.ndarray]:
    if not 1 <= number <= len(found.regions):
        raise UserError(
            f"--object {number}: {image} has {len(found.regions)} objects with a score of at least {LEAST_SCORE:g}; "
            "give one of their numbers, from 1, or a --box"
        )
    return found.regions[number - 1], found.overlaps[number - 1]


def require_in_picture(box: Box, size: np.ndarray, image: str) -> None:
    """Raises a `UserError` if the box is outside a picture of `size` [2], width and height."""
    width, height = size.tolist()
    if box.x1 > width - 1 or box.y1 > height - 1 or box.x2 < 0 or box.y2 < 0:
        raise UserError(f"--{box}: outside {image}, which has {width} x {height} pixels")


def parse_box(text: str) -> Box:
    """A box from `x1,y1,x2,y2`."""
    try:
        box = Box(*map(float, text.split(",")))
    except (TypeError, ValueError):
        raise argparse.ArgumentTypeError(f"{text} must be x1,y1,x2,y2 in pixels") from None
    if not (np.isfinite(box).all() and box.x1 <= box.x2 and box.y1 <= box.y2):
        raise argparse.ArgumentTypeError(f"{text} must be x1,y1,x2,y2 in pixels with x1 <= x2 and y1 <= y2")
    return box
