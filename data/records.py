"""What a sample is: the records that the data set readers yield and the two stacks consume."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Document:
    """One text with the index of its class and an id that is unique within its split."""

    id: str
    label: int
    text: str


@dataclass(frozen=True)
class Documents:
    """One split of a corpus: `count` documents, read anew from disk at every iteration."""

    count: int
    read: Callable[[], Iterator[Document]]

    def __iter__(self) -> Iterator[Document]:
        return self.read()

    def __len__(self) -> int:
        return self.count


@dataclass(frozen=True)
class Corpus:
    """A document data set: its class names, in the order of the labels, and its two splits."""

    classes: tuple[str, ...]
    train: Documents
    test: Documents


@dataclass(frozen=True, eq=False)
class ImageRecord:
    """One image and the objects annotated in it; its pixels stay on disk.

    Args:
        id: unique within its data set; of COCO the number as text.
        path: the image file.
        width, height: pixels, as the annotation has them.
        boxes: [G, 4] float32 corners (x1, y1, x2, y2) in pixels counted from 0; x2 and y2 are the last that belong to
            the object, so that it is x2 - x1 + 1 wide. All lie in the picture, and x1 < x2, y1 < y2. G may be 0.
        labels: [G] int64, indices into the data set's classes.
        difficult: [G] bool, of VOC: neither found nor missed when detections are judged.
        crowd: [G] bool, of COCO: the box holds many objects.
        relations: [R, 2] int64, of Visual Genome: rows of `boxes`, a relation's subject and its object, each such pair
            once. R may be 0; None where the data set annotates no relations.
    """

    id: str
    path: Path
    width: int
    height: int
    boxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray
    crowd: np.ndarray
    relations: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """One split of a data set of images.

    Args:
        classes: category names in the order of the labels, without a background.
        category_ids: what COCO's results files call each class: its own ids for COCO, 1, 2, … for the others.
        records: the images; of large data sets, read from disk as they are asked for, by several threads at once.
        dropped: boxes of no size that were left out, each in words that let a person find it.
    """

    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    records: Sequence[ImageRecord]
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True)
class SceneRecord:
    """One image that shows a scene of one class; its pixels stay on disk.

    Args:
        id: unique within its data set.
        path: the image file.
        label: index into the data set's classes.
    """

    id: str
    path: Path
    label: int


@dataclass(frozen=True, eq=False)
class SceneDataset:
    """One split of a data set of scenes: its class names, in the order of the labels, and the images."""

    classes: tuple[str, ...]
    records: Sequence[SceneRecord]
