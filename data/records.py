"""The records that the readers of data sets yield and that training and evaluation consume."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Document:
    """A text with its label, the index of its class, and an id that is unique within its split."""

    id: str
    label: int
    text: str


@dataclass(frozen=True)
class Documents:
    """One split of a corpus: `count` documents, which each iteration reads from disk.

    Example:
        >>> documents = Documents(2, lambda: iter([Document("a", 0, "One."), Document("b", 1, "Two.")]))
        >>> len(documents), [each.label for each in documents]
        (2, [0, 1])
    """

    count: int
    read: Callable[[], Iterator[Document]]

    def __iter__(self) -> Iterator[Document]:
        return self.read()

    def __len__(self) -> int:
        return self.count


@dataclass(frozen=True)
class Corpus:
    """A data set of documents: class names in the order of the labels, and two splits."""

    classes: tuple[str, ...]
    train: Documents
    test: Documents


@dataclass(frozen=True, eq=False)
class ImageRecord:
    """An image and the objects annotated in it. The pixels stay on disk.

    Args:
        id: unique within its data set; for COCO, the image number as text.
        path: the image file.
        width, height: in pixels, according to the annotation.
        boxes: [G, 4] float32 corners (x1, y1, x2, y2), inside the image, with x1 < x2 and y1 < y2; see
            `data.images.boxes` for the pixel convention. G may be 0.
        labels: [G] int64 indices into the classes of the data set.
        difficult: [G] bool. VOC's flag: evaluation ignores these objects.
        crowd: [G] bool. COCO's flag: the box contains many objects.
        relations: [R, 2] int64 rows of `boxes`, the subject and the object of a relation, each pair once. R may be 0.
            None if the data set has no relation annotations; Visual Genome has.
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
    """One split of a data set of annotated images.

    Args:
        classes: category names in the order of the labels, without a background class.
        category_ids: the id of each class in results files in COCO's format: COCO's own ids, or 1, 2, … for others.
        records: the images. Visual Genome reads a record from disk when it is accessed; threads may share it.
        dropped: a description of each box that was dropped because it is empty.
    """

    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    records: Sequence[ImageRecord]
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True)
class SceneRecord:
    """An image of a scene and its class. The pixels stay on disk.

    Args:
        id: unique within its data set.
        path: the image file.
        label: index into the classes of the data set.
    """

    id: str
    path: Path
    label: int


@dataclass(frozen=True, eq=False)
class SceneDataset:
    """One split of a data set of scenes: class names in the order of the labels, and the images."""

    classes: tuple[str, ...]
    records: Sequence[SceneRecord]
