"""`VG-SGG.h5`, the scene graphs of Xu et al.: the objects of each image, and which of them are related.

A box stands there as (cx, cy, w, h), whole pixels of the image scaled to a long side of 1,024. It covers w columns, the
first of them cx - w // 2. In the image itself a column is s = max(width, height) / 1024 wide: the box begins at
x1 = (cx - w // 2) s and ends where the column after its last one begins, at (cx - w // 2 + w) s. Records hold the last
pixel that belongs to an object, so x2 is 1 less than that, as it is x + width - 1 for COCO. All these are multiples of
1/1024, exact in float32.
"""

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from data.common.errors import UserError
from data.images.annotations import boxes_in_picture, refuse_any

LONG_SIDE = 1024

# What is read of the file, all whole numbers: name -> shape, where the same word is the same number.
ARRAYS = {
    "split": ("images",),
    "img_to_first_box": ("images",),
    "img_to_last_box": ("images",),
    "img_to_first_rel": ("images",),
    "img_to_last_rel": ("images",),
    "boxes_1024": ("boxes", 4),
    "labels": ("boxes", 1),
    "relationships": ("relations", 2),
}


class SceneGraphs(NamedTuple):
    """The arrays of the file, I images with N boxes and R relations in all.

    Args:
        path: the file.
        remedy: what a user is told to do about a mistake in it.
        split: [I] of which split an image is.
        first_box, last_box: [I] rows of `boxes`, the last one inclusive; -1 where an image has none.
        first_relation, last_relation: [I] rows of `relations`, likewise.
        boxes: [N, 4] cx, cy, w, h.
        labels: [N, 1] from 1.
        relations: [R, 2] rows of `boxes`, subject then object.
    """

    path: Path
    remedy: str
    split: np.ndarray
    first_box: np.ndarray
    last_box: np.ndarray
    first_relation: np.ndarray
    last_relation: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    relations: np.ndarray


class Objects(NamedTuple):
    """What is annotated in I images, one image after the other: G objects and R relations, as records hold them.

    Args:
        boxes: [G, 4] float32.
        labels: [G] int64 from 0.
        ends: [I + 1] where in `boxes` each image begins, and where the last one ends.
        relations: [R, 2] int64, rows of the image's own boxes.
        relation_ends: [I + 1] as `ends`, of `relations`.
    """

    boxes: np.ndarray
    labels: np.ndarray
    ends: np.ndarray
    relations: np.ndarray
    relation_ends: np.ndarray


class _Stored(NamedTuple):
    """Boxes and relations of I images before any is left out.

    Args:
        rows: [G] of the file's boxes.
        ends: [I + 1] where in `rows` each image begins, and where the last one ends.
        boxes: [G, 4] float32, cut off at the edges of their pictures.
        sized: [G] bool: whether a box is more than a single pixel wide and high.
        relations: [R, 2] int64, places in `rows`.
        astray: [R] bool: whether a relation is not between boxes of its own image.
    """

    rows: np.ndarray
    ends: np.ndarray
    boxes: np.ndarray
    sized: np.ndarray
    relations: np.ndarray
    astray: np.ndarray


def open_graphs(path: Path, classes: int, remedy: str) -> SceneGraphs:
    """Opens the file and checks what needs no look at single boxes.

    Args:
        path: the file.
        classes: how many labels there are.
        remedy: what a user is told to do about a mistake.

    Raises:
        UserError: it is absent, damaged, lacks an array or has one of another shape, or a label or row is out of range.
    """
    try:
        with h5py.File(path) as file:
            arrays = {name: file.get(name) for name in ARRAYS}
            _require_shapes(arrays)
            graphs = SceneGraphs(path, remedy, *map(_mapped, arrays.values()))
        _require_ranges(graphs, classes)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file of scene graphs; {remedy}") from None
    except (OSError, RuntimeError) as error:
        raise UserError(f"{path}: is no HDF5 file, or a damaged one ({error}); {remedy}") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}; {remedy}") from None
    return graphs


def decode(graphs: SceneGraphs, images: np.ndarray, sizes: np.ndarray) -> Objects:
    """Objects and relations of some images.

    Boxes of no size are left out, and with them their relations; a pair that several predicates relate comes once, and
    no object is related to itself.

    Args:
        images: [I] rows of the file.
        sizes: [I, 2] width and height of each in pixels.
    """
    stored = _stored(graphs, images, sizes)
    numbers = np.concatenate([[0], np.cumsum(stored.sized)])  # of boxes that are kept, before each and in all
    ends, count = numbers[stored.ends], numbers[-1]
    subjects, objects = stored.relations[_are_kept(stored)].T
    pairs = np.unique(numbers[subjects] * count + numbers[objects])  # By subject, so image after image.
    pairs = np.stack([pairs // max(count, 1), pairs % max(count, 1)], axis=1)
    relation_ends = np.searchsorted(pairs[:, 0], ends)
    relations = pairs - np.repeat(ends[:-1], np.diff(relation_ends))[:, None]
    labels = graphs.labels[stored.rows[stored.sized], 0].astype(np.int64) - 1
    return Objects(stored.boxes[stored.sized], labels, ends, relations, relation_ends)


def boxes_left_out(graphs: SceneGraphs, images: np.ndarray, sizes: np.ndarray, ids: np.ndarray) -> list[str]:
    """Checks the relations of some images, and names the boxes of no size that `decode` leaves out of them.

    Args:
        images, sizes: as of `decode`.
        ids: [I] what the images are called.

    Raises:
        UserError: a relation is not between boxes of its own image.
    """
    stored = _stored(graphs, images, sizes)
    if stored.astray.any():
        counts = _counts(graphs.first_relation[images], graphs.last_relation[images])
        faults = [f"of image {each}" for each in np.repeat(ids, counts)[stored.astray]]
        refuse_any(faults, graphs.path, "relations are not between boxes of their own image", graphs.remedy)
    flat = np.flatnonzero(~stored.sized)
    related = np.bincount(stored.relations.ravel(), minlength=len(stored.rows))
    owners = ids[np.searchsorted(stored.ends, flat, side="right") - 1]
    return [
        f"{graphs.boxes[stored.rows[place]].tolist()} of image {owner}"
        + (f" with {related[place]} relations" if related[place] else "")
        for place, owner in zip(flat, owners, strict=True)
    ]


def _require_shapes(arrays: dict[str, h5py.Dataset | None]) -> None:
    sizes: dict[str, int] = {}
    for name, shape in ARRAYS.items():
        array = arrays[name]
        if not isinstance(array, h5py.Dataset):
            raise ValueError(f"holds no data set {name!r}")
        if array.dtype.kind not in "iu" or array.ndim != len(shape) or array.shape[1:] != shape[1:]:
            wanted = ", ".join(map(str, shape))
            raise ValueError(f"{name} is {array.dtype} {list(array.shape)} where whole numbers [{wanted}] are expected")
        if sizes.setdefault(shape[0], len(array)) != len(array):
            raise ValueError(f"{name} has {len(array):,} rows where there are {sizes[shape[0]]:,} {shape[0]}")


def _mapped(array: h5py.Dataset) -> np.ndarray:
    """The array, of which the system reads what is looked at, by any number of threads.

    One that is stored in chunks, as no file of Xu et al. is, is read as a whole: 20 MB for the largest.
    """
    offset = array.id.get_offset()
    if offset is None:
        return array[()]
    return np.asarray(np.memmap(array.file.filename, array.dtype, "r", offset, array.shape))


def _require_ranges(graphs: SceneGraphs, classes: int) -> None:
    beyond = (graphs.labels < 1) | (graphs.labels > classes)
    if beyond.any():
        raise ValueError(f"a label is {graphs.labels[beyond][0]} where the dictionary has 1 to {classes}")
    for what, first, last, count in (
        ("boxes", graphs.first_box, graphs.last_box, len(graphs.boxes)),
        ("relations", graphs.first_relation, graphs.last_relation, len(graphs.relations)),
    ):
        wrong = np.flatnonzero((first >= 0) & ((last < first) | (last >= count)))
        if wrong.size:
            row = wrong[0]
            raise ValueError(f"image row {row} has {what} {first[row]} to {last[row]} where there are {count:,}")


def _stored(graphs: SceneGraphs, images: np.ndarray, sizes: np.ndarray) -> _Stored:
    first = graphs.first_box[images]
    rows, ends = _spans(first, graphs.last_box[images])
    sizes = np.repeat(sizes, np.diff(ends), axis=0)
    boxes, sized = boxes_in_picture(_corners(graphs.boxes[rows].astype(np.int64), sizes), sizes)

    relation_rows, relation_ends = _spans(graphs.first_relation[images], graphs.last_relation[images])
    begin, end, first = (np.repeat(each, np.diff(relation_ends))[:, None] for each in (ends[:-1], ends[1:], first))
    relations = graphs.relations[relation_rows].astype(np.int64) - first + begin
    astray = ((relations < begin) | (relations >= end)).any(axis=1)
    return _Stored(rows, ends, boxes, sized, relations, astray)


def _corners(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """[G, 4] float32 (x1, y1, x2, y2) of [G, 4] (cx, cy, w, h), in pixels of images of `sizes` [G, 2]."""
    scale = sizes.max(axis=1, keepdims=True) / LONG_SIDE
    first = boxes[:, :2] - boxes[:, 2:] // 2
    return np.concatenate([first * scale, (first + boxes[:, 2:]) * scale - 1], axis=1).astype(np.float32)


def _are_kept(stored: _Stored) -> np.ndarray:
    """[R] bool: whether a relation is between two objects, both of which are kept."""
    subjects, objects = stored.relations.T
    return stored.sized[subjects] & stored.sized[objects] & (subjects != objects)


def _spans(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows from each `first` to each `last`, one span after the other; and [I + 1] where in them each begins."""
    counts = _counts(first, last).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(counts)])
    return np.arange(ends[-1]) + np.repeat(first - ends[:-1], counts), ends


def _counts(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    return np.where(first < 0, 0, last - first + 1)
