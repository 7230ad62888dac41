"""VOC layout: `Annotations/<id>.xml`, `ImageSets/Main/<split>.txt` and `JPEGImages/<id>.jpg` in one folder.

VOC counts pixels from 1 and means the last one inclusive; records count from 0, so 1 is taken off every corner, as the
Faster R-CNN and Relation Networks code do.
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
from data.images.annotations import MEND, boxes_in_picture, refuse_any, splits_there
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

# Some tools count from 0, or to the pixel after the last; by that much a box may stand out of its picture.
SLACK = 1


class _Annotation(NamedTuple):
    """What is read of an annotation file of G objects: width and height in pixels, boxes as they stand there.

    Args:
        names: G categories.
        corners: [G, 4] float32 (xmin, ymin, xmax, ymax).
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
    remedy: str = MEND,
    lists: Path | None = None,
) -> ImageDataset:
    """Reads one split of a folder in VOC layout.

    A box may stand out of its picture by a pixel, which is cut off. One that has no size (a single pixel wide or high)
    is dropped and named in the result.

    Args:
        folder: what holds `Annotations`, `ImageSets` and `JPEGImages`.
        split: name of a list of `ImageSets/Main`, or of `lists`.
        classes: the categories in the order of the labels; None for those found in all annotations of the folder, of
            whatever split, sorted.
        remedy: what a user is told to do about a file that is missing or damaged.
        lists: another folder with a list of ids per split; None for `ImageSets/Main`.

    Raises:
        UserError: the list is absent or empty; of an image in it the file or annotation is missing, malformed, of
            another category, or has a box that does not lie in the picture.
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
    astray = [words for each in listed for words in _in_words(each, _astray(each))]
    what = "boxes (xmin, ymin, xmax, ymax) are reversed or do not lie in their pictures"
    refuse_any(astray, folder / "Annotations", what, remedy)
    dropped = [words for each in listed for words in _in_words(each, ~_boxes(each)[1])]
    records = [_record(name, files[name], annotations[name], classes, remedy) for name in ids]
    return ImageDataset(classes, tuple(range(1, len(classes) + 1)), records, tuple(dropped))


def _listed_ids(path: Path, remedy: str) -> list[str]:
    if not path.is_file():
        raise UserError(f"{path}: no such list of images ({splits_there(path.parent, '', '.txt')}); {remedy}")
    ids = [line.strip() for line in read_text(path, "list of images", remedy).splitlines() if line.strip()]
    if not ids:
        raise UserError(f"{path}: the list is empty; {remedy}")
    if len(set(ids)) < len(ids):
        twice = next(name for number, name in enumerate(ids) if name in ids[:number])
        raise UserError(f"{path}: names the image {twice} twice; remove one of the lines")
    return ids


def _image_files(folder: Path, remedy: str) -> dict[str, Path]:
    """Image id to file; VOC's own are all `.jpg`."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of images; {remedy}")
    names = map(os.path.splitext, sorted(os.listdir(folder)))
    return {stem: folder / (stem + suffix) for stem, suffix in names if suffix.lower() in IMAGE_SUFFIXES}


def _annotations(folder: Path, ids: list[str], all_splits_there: bool, remedy: str) -> dict[str, _Annotation]:
    """The annotations of `ids`, and of all other images where `all_splits_there`."""
    names = dict.fromkeys(ids)
    if all_splits_there:
        names |= dict.fromkeys(sorted(path.stem for path in folder.glob("[!.]*.xml")))
    progress = tqdm(names, desc="reading annotations", unit="image", mininterval=1, delay=1, leave=False)
    return {name: _annotation(folder / f"{name}.xml", remedy) for name in progress}


def _annotation(path: Path, remedy: str) -> _Annotation:
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise UserError(f"{path}: no such annotation of a listed image; {remedy}") from None
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # The last two: of an unknown encoding.
        raise UserError(f"{path}: annotation is not valid XML ({error}); {remedy}") from None
    objects = root.findall("object")
    try:
        width, height = (int(_number(root, f"size/{side}")) for side in ("width", "height"))
        names = [_name(each) for each in objects]
        corners = [[_number(each, f"bndbox/{side}") for side in SIDES] for each in objects]
    except ValueError as error:
        raise UserError(f"{path}: {error}; {remedy}") from None
    if min(width, height) < 1:
        raise UserError(f"{path}: size is {width} x {height}; give the image's width and height in pixels")
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
        raise ValueError(f"{element.tag}/{path} is {text.strip()!r} where a number is expected")
    return number


def _astray(annotation: _Annotation) -> np.ndarray:
    """[G] bool: whether a box is reversed or does not lie in the picture, give or take `SLACK`."""
    first, last = annotation.corners[:, :2], annotation.corners[:, 2:]
    size = np.array([annotation.width, annotation.height])
    return ((first < 1 - SLACK) | (last > size + SLACK) | (first > last)).any(axis=1)


def _boxes(annotation: _Annotation) -> tuple[np.ndarray, np.ndarray]:
    return boxes_in_picture(annotation.corners - 1, np.array([annotation.width, annotation.height]))


def _in_words(annotation: _Annotation, chosen: np.ndarray) -> list[str]:
    """The objects where `chosen` [G] bool is true, for a person to find."""
    return [
        f"{annotation.path.stem} {annotation.names[number]} ({', '.join(f'{x:g}' for x in annotation.corners[number])})"
        for number in np.flatnonzero(chosen)
    ]


def _record(name: str, file: Path, annotation: _Annotation, classes: tuple[str, ...], remedy: str) -> ImageRecord:
    if unknown := [each for each in annotation.names if each not in classes]:
        raise UserError(f"{annotation.path}: {unknown[0]!r} is none of the {len(classes)} categories; {remedy}")
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
