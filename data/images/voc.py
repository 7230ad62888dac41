"""VOC layout: `Annotations/<id>.xml`, `ImageSets/Main/<split>.txt` and `JPEGImages/<id>.jpg` in one folder.

VOC counts pixels from 1, and the last pixel belongs to the box. Records count from 0, so 1 is subtracted from every
coordinate, as in the Faster R-CNN and Relation Networks code.
"""

import math
import os
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from tqdm import tqdm

from data.common.errors import UserError
from data.common.files import read_text
from data.images.annotations import FIX, list_splits, refuse_any
from data.images.boxes import clip_boxes
from data.records import ImageDataset, ImageRecord

FOLDER = "VOCdevkit/VOC2007"
CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
SIDES = ("xmin", "ymin", "xmax", "ymax")
IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png")

# Boxes may exceed the image by this much, because some tools count from 0, or end at the pixel after the last.
SLACK = 1


class _Annotation(NamedTuple):
    """The contents of an annotation file.

    Args:
        path: the file.
        width, height: in pixels.
        names: category of each of G objects.
        corners: [G, 4] float32 (xmin, ymin, xmax, ymax) as in the file.
        difficult: [G] bool.
    """

    path: Path
    width: int
    height: int
    names: list[str]
    corners: np.ndarray
    difficult: np.ndarray


def read_voc(
    folder: Path,
    split: str,
    classes: tuple[str, ...] | None = None,
    remedy: str = FIX,
    lists: Path | None = None,
) -> ImageDataset:
    """Reads one split of a folder in VOC layout.

    Boxes may exceed the image by one pixel, which is clipped. Empty boxes (one pixel wide or high) are dropped and
    listed in the result.

    Args:
        folder: the folder with `Annotations`, `ImageSets` and `JPEGImages`.
        split: name of a list in `ImageSets/Main`, or in `lists`.
        classes: categories in the order of the labels; None for all that are annotated in any split, sorted.
        remedy: what to do about a file that is missing or damaged, for error messages.
        lists: another folder with a list of ids per split; None for `ImageSets/Main`.

    Raises:
        UserError: the list is missing or empty; the file or annotation of a listed image is missing or malformed; an
            object has an unknown category, or a box outside the image.
    """
    ids = _listed_ids((lists or folder / "ImageSets/Main") / f"{split}.txt", remedy)
    files = _image_files(folder / "JPEGImages", remedy)
    missing = [name for name in ids if name not in files]
    refuse_any(missing, folder / "JPEGImages", f"images of the list {split} are missing", remedy)
    annotations = _annotations(folder / "Annotations", ids, classes is None, remedy)
    if classes is None:
        classes = tuple(sorted({name for annotation in annotations.values() for name in annotation.names}))
    if not classes:
        raise UserError(f"{folder / 'Annotations'}: no object is annotated; {remedy}")
    listed = [annotations[name] for name in ids]
    outside = [text for each in listed for text in _describe(each, _outside(each))]
    what = "boxes (xmin, ymin, xmax, ymax) are reversed or exceed their images"
    refuse_any(outside, folder / "Annotations", what, remedy)
    dropped = [text for each in listed for text in _describe(each, ~_boxes(each)[1])]
    records = [_record(name, files[name], annotations[name], classes, remedy) for name in ids]
    return ImageDataset(classes, tuple(range(1, len(classes) + 1)), records, tuple(dropped))


def _listed_ids(path: Path, remedy: str) -> list[str]:
    if not path.is_file():
        raise UserError(f"{path}: no such list of images ({list_splits(path.parent, '', '.txt')}); {remedy}")
    ids = [line.strip() for line in read_text(path, "list of images", remedy).splitlines() if line.strip()]
    if not ids:
        raise UserError(f"{path}: the list is empty; {remedy}")
    if len(set(ids)) < len(ids):
        twice = next(name for number, name in enumerate(ids) if name in ids[:number])
        raise UserError(f"{path}: lists the image {twice} twice; remove one of the lines")
    return ids


def _image_files(folder: Path, remedy: str) -> dict[str, Path]:
    """Image files by id."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of images; {remedy}")
    names = map(os.path.splitext, sorted(os.listdir(folder)))
    return {stem: folder / (stem + suffix) for stem, suffix in names if suffix.lower() in IMAGE_SUFFIXES}


def _annotations(folder: Path, ids: list[str], all_splits: bool, remedy: str) -> dict[str, _Annotation]:
    """The annotations of the images `ids`, or with `all_splits` of all images, by id."""
    names = dict.fromkeys(ids)
    if all_splits:
        names |= dict.fromkeys(sorted(path.stem for path in folder.glob("[!.]*.xml")))
    progress = tqdm(names, desc="reading annotations", unit="image", mininterval=1, delay=1, leave=False)
    return {name: _annotation(folder / f"{name}.xml", remedy) for name in progress}


def _annotation(path: Path, remedy: str) -> _Annotation:
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise UserError(f"{path}: no such annotation, but the image is listed; {remedy}") from None
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # the last two: unknown encoding
        raise UserError(f"{path}: annotation is not valid XML ({error}); {remedy}") from None
    objects = root.findall("object")
    try:
        width, height = (int(_number(root, f"size/{side}")) for side in ("width", "height"))
        names = [_name(each) for each in objects]
        corners = [[_number(each, f"bndbox/{side}") for side in SIDES] for each in objects]
    except ValueError as error:
        raise UserError(f"{path}: {error}; {remedy}") from None
    if min(width, height) < 1:
        raise UserError(f"{path}: size is {width} x {height}; set it to the width and height of the image in pixels")
    difficult = [(each.findtext("difficult") or "").strip() == "1" for each in objects]
    return _Annotation(
        path, width, height, names, np.array(corners, np.float32).reshape(-1, 4), np.array(difficult, bool)
    )


def _name(element: ElementTree.Element) -> str:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise ValueError("an object has no name")
    return name


def _number(element: ElementTree.Element, path: str) -> float:
    text = element.findtext(path) or ""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{element.tag}/{path} is {text.strip()!r}, expected a number")
    return number


def _outside(annotation: _Annotation) -> np.ndarray:
    """[G] bool: whether a box is reversed, or exceeds the image by more than `SLACK`."""
    first, last = annotation.corners[:, :2], annotation.corners[:, 2:]
    size = np.array([annotation.width, annotation.height])
    return ((first < 1 - SLACK) | (last > size + SLACK) | (first > last)).any(axis=1)


def _boxes(annotation: _Annotation) -> tuple[np.ndarray, np.ndarray]:
    return clip_boxes(annotation.corners - 1, np.array([annotation.width, annotation.height]))


def _describe(annotation: _Annotation, chosen: np.ndarray) -> list[str]:
    """Descriptions of the objects for which `chosen` [G] is true, for messages."""
    return [
        f"{annotation.path.stem} {annotation.names[number]} ({', '.join(f'{x:g}' for x in annotation.corners[number])})"
        for number in np.flatnonzero(chosen)
    ]


def _record(name: str, file: Path, annotation: _Annotation, classes: tuple[str, ...], remedy: str) -> ImageRecord:
    if unknown := [each for each in annotation.names if each not in classes]:
        raise UserError(f"{annotation.path}: {unknown[0]!r} is not one of the {len(classes)} categories; {remedy}")
    boxes, kept = _boxes(annotation)
    labels = np.array([classes.index(each) for each in annotation.names], np.int64)
    return ImageRecord(
        id=name,
        path=file,
        width=annotation.width,
        height=annotation.height,
        boxes=boxes[kept],
        labels=labels[kept],
        difficult=annotation.difficult[kept],
        crowd=np.zeros(kept.sum(), bool),
    )
