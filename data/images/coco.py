"""COCO layout: a folder of images and a JSON file of annotations.

COCO's boxes are (x, y, width, height) in pixels counted from 0, with fractions. Records contain the first and last
pixels instead, so x2 = x + width - 1, clipped to the image, as in the Faster R-CNN and Relation Networks code.
"""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.common.errors import UserError
from data.common.files import read_json
from data.images.annotations import FIX, refuse_any
from data.images.boxes import clip_boxes
from data.records import ImageDataset, ImageRecord

SHOWN = 100  # characters of a malformed entry

Entry = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Annotations:
    """The checked contents of an annotation file.

    Args:
        path: the file.
        remedy: what to do about a mistake in it, for error messages.
        categories: names by category id, in ascending order of ids.
        images: entries by image id, in ascending order of ids.
        objects: entries of objects by image id, only for images with objects.
    """

    path: Path
    remedy: str
    categories: dict[int, str]
    images: dict[int, Entry]
    objects: dict[int, list[Entry]]


def read_coco(images: Path, annotations: Path, ids: Sequence[int] | None = None, remedy: str = FIX) -> ImageDataset:
    """Reads all images of an annotation file, or some of them.

    Boxes are clipped to the image. Boxes that are empty then (one pixel wide or high) are dropped and listed in the
    result.

    Args:
        images: folder of the image files.
        annotations: the JSON file.
        ids: image ids, in the order of the records; None for all, in ascending order.
        remedy: what to do about a mistake, for error messages.

    Raises:
        UserError: the file is missing, malformed or empty; an object belongs to an unknown image or category; an image
            file is missing; a box is completely outside its image.
    """
    return select(load_annotations(annotations, remedy), images, ids)


def load_annotations(path: Path, remedy: str = FIX) -> Annotations:
    """Reads and checks an annotation file. This takes some seconds for val2014 with its 150 MB."""
    contents = read_json(path, "COCO annotations", remedy)
    for name in ("categories", "images", "annotations"):
        if not isinstance(contents, dict) or not isinstance(contents.get(name), list):
            raise UserError(f"{path}: has no list {name!r}, unlike COCO's annotations; {remedy}")
        if name != "annotations" and not contents[name]:
            raise UserError(f"{path}: the list {name!r} is empty; {remedy}")
    categories: dict[int, str] = {}
    for entry in contents["categories"]:
        if not _is_category(entry) or entry["id"] in categories:
            raise _fault(path, "a category is malformed or repeats an id", entry, remedy)
        categories[entry["id"]] = entry["name"]
    images: dict[int, Entry] = {}
    for entry in contents["images"]:
        if not _is_image(entry) or entry["id"] in images:
            raise _fault(path, "an image is malformed or repeats an id", entry, remedy)
        images[entry["id"]] = entry
    objects: dict[int, list[Entry]] = {}
    for entry in contents["annotations"]:
        if not _is_object(entry):
            raise _fault(path, "an annotation is malformed", entry, remedy)
        if entry["image_id"] not in images:
            raise _fault(path, "an annotation has an unknown image_id", entry, remedy)
        if entry["category_id"] not in categories:
            raise _fault(path, "an annotation has an unknown category_id", entry, remedy)
        objects.setdefault(entry["image_id"], []).append(entry)
    return Annotations(path, remedy, dict(sorted(categories.items())), dict(sorted(images.items())), objects)


def select(annotations: Annotations, folder: Path, ids: Sequence[int] | None = None) -> ImageDataset:
    """The data set of all annotated images, or of the images `ids`, with files in `folder`; see `read_coco`."""
    images = _images(annotations, folder, list(annotations.images) if ids is None else ids)
    of_images = [annotations.objects.get(image["id"], []) for image in images]
    objects = [each for of_image in of_images for each in of_image]
    ends = np.cumsum([0, *map(len, of_images)])

    corners = _corners(objects)
    sizes = np.repeat([[image["width"], image["height"]] for image in images], np.diff(ends), axis=0)
    outside = _describe(objects, _outside(corners, sizes))
    what = "boxes (x, y, width, height) are outside their images"
    refuse_any(outside, annotations.path, what, annotations.remedy)
    boxes, valid = clip_boxes(corners, sizes)
    label_of = {category: label for label, category in enumerate(annotations.categories)}
    labels = np.array([label_of[each["category_id"]] for each in objects], np.int64)
    crowd = np.array([each.get("iscrowd", 0) for each in objects], bool)

    records = []
    for number, image in enumerate(images):
        rows = ends[number] + np.flatnonzero(valid[ends[number] : ends[number + 1]])
        records.append(_record(folder, image, boxes[rows], labels[rows], crowd[rows]))
    classes, category_ids = tuple(annotations.categories.values()), tuple(annotations.categories)
    return ImageDataset(classes, category_ids, records, tuple(_describe(objects, ~valid)))


def _is_category(entry: Any) -> bool:
    return isinstance(entry, dict) and type(entry.get("id")) is int and isinstance(entry.get("name"), str)


def _is_image(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("file_name"), str):
        return False
    numbers = [entry.get(name) for name in ("id", "width", "height")]
    return all(type(number) is int for number in numbers) and min(numbers[1:]) > 0


def _is_object(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("bbox"), list) or len(entry["bbox"]) != 4:
        return False
    return (
        all(type(entry.get(name)) is int for name in ("image_id", "category_id"))
        and entry.get("iscrowd", 0) in (0, 1)
        and all(type(number) in (int, float) and math.isfinite(number) for number in entry["bbox"])
    )


def _fault(path: Path, what: str, entry: Any, remedy: str) -> UserError:
    text = json.dumps(entry)
    return UserError(f"{path}: {what}: {text[:SHOWN]}{'…' if len(text) > SHOWN else ''}; {remedy}")


def _images(annotations: Annotations, folder: Path, ids: Sequence[int]) -> list[Entry]:
    """The entries of the images `ids`. Their files must be in `folder`."""
    path, remedy = annotations.path, annotations.remedy
    if not ids:
        raise UserError(f"{path}: the list of images to read is empty; name at least one")
    unknown = [str(number) for number in ids if number not in annotations.images]
    refuse_any(unknown, path, "images to read are not in it", remedy)
    images = [annotations.images[number] for number in ids]
    there = set(os.listdir(folder)) if folder.is_dir() else set()  # one call for tens of thousands of files
    names = [image["file_name"] for image in images]
    missing = [name for name in names if name not in there and not (folder / name).is_file()]
    refuse_any(missing, folder, f"images of {path} are missing", remedy)
    return images


def _corners(objects: list[Entry]) -> np.ndarray:
    """[G, 4] float32: (x1, y1, x2, y2), with x2 = x + width - 1."""
    boxes = np.array([each["bbox"] for each in objects], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2] - 1
    return boxes


def _outside(corners: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """[G] bool: whether a box is not empty and is completely outside its image."""
    beyond = (corners[:, :2] >= sizes) | (corners[:, 2:] <= -1)
    return beyond.any(axis=1) & (corners[:, :2] < corners[:, 2:]).all(axis=1)


def _describe(objects: list[Entry], chosen: np.ndarray) -> list[str]:
    """Descriptions of the objects for which `chosen` [G] is true, for messages."""
    chosen_objects = (objects[number] for number in np.flatnonzero(chosen))
    return [f"{each['bbox']} of image {each['image_id']}" for each in chosen_objects]


def _record(folder: Path, image: Entry, boxes: np.ndarray, labels: np.ndarray, crowd: np.ndarray) -> ImageRecord:
    return ImageRecord(
        id=str(image["id"]),
        path=folder / image["file_name"],
        width=image["width"],
        height=image["height"],
        boxes=boxes,
        labels=labels,
        difficult=np.zeros(len(boxes), bool),
        crowd=crowd,
    )
