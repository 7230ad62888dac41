"""COCO layout: a folder of images and a JSON file with their annotations.

COCO's boxes are (x, y, width, height), with fractions of pixels, counted from 0; records hold the first and the last
pixel, so x2 = x + width - 1, cut off at the picture's edges, as the Faster R-CNN and Relation Networks code do.
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
from data.images.annotations import MEND, boxes_in_picture, refuse_any
from data.records import ImageDataset, ImageRecord

SHOWN = 100  # characters of an entry at fault

Entry = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Annotations:
    """An annotation file's contents, checked.

    Args:
        path: the file.
        remedy: what a user is told to do about a mistake in it.
        categories: category id to name, by rising id.
        images: image id to its entry, by rising id.
        objects: image id to the entries of its objects; absent where it has none.
    """

    path: Path
    remedy: str
    categories: dict[int, str]
    images: dict[int, Entry]
    objects: dict[int, list[Entry]]


def read_coco(images: Path, annotations: Path, ids: Sequence[int] | None = None, remedy: str = MEND) -> ImageDataset:
    """Reads the images `ids` of an annotation file, or all of them.

    Boxes are cut off at the picture's edges. One that has no size then (a single pixel wide or high) is dropped and
    named in the result.

    Args:
        images: their folder.
        annotations: the JSON file.
        ids: image ids, in the order of the records; None for all, by rising id.
        remedy: what a user is told to do about a mistake.

    Raises:
        UserError: the file is absent or malformed, or lists no image, or an object of an image or category that it
            does not list; of one of the `ids` the image is missing, or has a box that lies wholly outside of it.
    """
    return select(load_annotations(annotations, remedy), images, ids)


def load_annotations(path: Path, remedy: str = MEND) -> Annotations:
    """Reads and checks an annotation file; that of val2014, 150 MB, takes some seconds."""
    contents = read_json(path, "COCO annotations", remedy)
    for name in ("categories", "images", "annotations"):
        if not isinstance(contents, dict) or not isinstance(contents.get(name), list):
            raise UserError(f"{path}: holds no list {name!r}, as COCO's annotations do; {remedy}")
        if name != "annotations" and not contents[name]:
            raise UserError(f"{path}: its list {name!r} is empty; {remedy}")
    categories: dict[int, str] = {}
    for entry in contents["categories"]:
        if not _is_category(entry) or entry["id"] in categories:
            raise _fault(path, "a category is malformed or bears the id of another", entry, remedy)
        categories[entry["id"]] = entry["name"]
    images: dict[int, Entry] = {}
    for entry in contents["images"]:
        if not _is_image(entry) or entry["id"] in images:
            raise _fault(path, "an image is malformed or bears the id of another", entry, remedy)
        images[entry["id"]] = entry
    objects: dict[int, list[Entry]] = {}
    for entry in contents["annotations"]:
        if not _is_object(entry):
            raise _fault(path, "an annotation is malformed", entry, remedy)
        if entry["image_id"] not in images:
            raise _fault(path, "an annotation is of an image that the file does not list", entry, remedy)
        if entry["category_id"] not in categories:
            raise _fault(path, "an annotation is of a category that the file does not list", entry, remedy)
        objects.setdefault(entry["image_id"], []).append(entry)
    return Annotations(path, remedy, dict(sorted(categories.items())), dict(sorted(images.items())), objects)


def select(annotations: Annotations, folder: Path, ids: Sequence[int] | None = None) -> ImageDataset:
    """The data set of the images `ids` in `folder`, or of all of an annotation file; see `read_coco`."""
    images = _images(annotations, folder, list(annotations.images) if ids is None else ids)
    of_images = [annotations.objects.get(image["id"], []) for image in images]
    objects = [each for of_image in of_images for each in of_image]
    ends = np.cumsum([0, *map(len, of_images)])

    corners = _corners(objects)
    sizes = np.repeat([[image["width"], image["height"]] for image in images], np.diff(ends), axis=0)
    outside = _in_words(objects, _outside(corners, sizes))
    what = "boxes (x, y, width, height) lie outside their pictures"
    refuse_any(outside, annotations.path, what, annotations.remedy)
    boxes, sized = boxes_in_picture(corners, sizes)
    label_of = {category: label for label, category in enumerate(annotations.categories)}
    labels = np.array([label_of[each["category_id"]] for each in objects], np.int64)
    crowd = np.array([each.get("iscrowd", 0) for each in objects], bool)

    records = []
    for number, image in enumerate(images):
        rows = ends[number] + np.flatnonzero(sized[ends[number] : ends[number + 1]])
        records.append(_record(folder, image, boxes[rows], labels[rows], crowd[rows]))
    classes, category_ids = tuple(annotations.categories.values()), tuple(annotations.categories)
    return ImageDataset(classes, category_ids, records, tuple(_in_words(objects, ~sized)))


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
    """The entries of the images `ids`, each of which must lie in `folder`."""
    path, remedy = annotations.path, annotations.remedy
    if not ids:
        raise UserError(f"{path}: the list of its images to read is empty; name some")
    unknown = [str(number) for number in ids if number not in annotations.images]
    refuse_any(unknown, path, "images to read are not in it", remedy)
    images = [annotations.images[number] for number in ids]
    there = set(os.listdir(folder)) if folder.is_dir() else set()  # One look for tens of thousands of files.
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
    """[G] bool: whether a box has a size and no pixel in common with its picture."""
    beyond = (corners[:, :2] >= sizes) | (corners[:, 2:] <= -1)
    return beyond.any(axis=1) & (corners[:, :2] < corners[:, 2:]).all(axis=1)


def _in_words(objects: list[Entry], chosen: np.ndarray) -> list[str]:
    """The objects where `chosen` [G] bool is true, for a person to find."""
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
