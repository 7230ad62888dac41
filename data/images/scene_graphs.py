"""`VG-SGG.h5`, the scene graphs of Xu et al.: the objects of each image and their relations.

The file stores boxes as integers (cx, cy, w, h), in pixels of the image scaled to a long side of 1,024. A box has w
columns and starts at column cx - w // 2. In the image, a column is s = max(width, height) / 1024 wide, so the box is
from x1 = (cx - w // 2) s to (cx - w // 2 + w) s. Records contain the last pixel of a box, so x2 is 1 less, just as it
is x + width - 1 for COCO. All these are multiples of 1/1024, exact in float32.
"""

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from data.common.errors import UserError
from data.images.annotations import refuse_any
from data.images.boxes import clip_boxes

LONG_SIDE = 1024

# The arrays of integers that are read: name -> shape. Axes with the same name have the same length.
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
    """The arrays of the file, for I images with N boxes and R relations in total.

    Args:
        path: the file.
        remedy: what to do about a mistake in it, for error messages.
        split: [I] number of the split.
        first_box, last_box: [I] first and last row of `boxes`; -1 for an image without boxes.
        first_relation, last_relation: [I] first and last row of `relations`; -1 for an image without relations.
        boxes: [N, 4] cx, cy, w, h.
        labels: [N, 1], counted from 1.
        relations: [R, 2] rows of `boxes`, subject and object.
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
    """G objects and R relations of I images, one image after the other, in the format of records.

    Args:
        boxes: [G, 4] float32.
        labels: [G] int64, counted from 0.
        ends: [I + 1] image i has the rows ends[i] to ends[i+1] of `boxes`.
        relations: [R, 2] int64, indices within the image.
        relation_ends: [I + 1] image i has the rows relation_ends[i] to relation_ends[i+1] of `relations`.
    """

    boxes: np.ndarray
    labels: np.ndarray
    ends: np.ndarray
    relations: np.ndarray
    relation_ends: np.ndarray


class _Stored(NamedTuple):
    """Boxes and relations of I images before any is dropped.

    Args:
        rows: [G] rows of the boxes in the file.
        ends: [I + 1] image i has the entries ends[i] to ends[i+1] of `rows`.
        boxes: [G, 4] float32, clipped to the images.
        valid: [G] bool: whether a box is not empty.
        relations: [R, 2] int64, indices into `rows`.
        foreign: [R] bool: whether a relation has a box of another image.
    """

    rows: np.ndarray
    ends: np.ndarray
    boxes: np.ndarray
    valid: np.ndarray
    relations: np.ndarray
    foreign: np.ndarray


def open_graphs(path: Path, classes: int, remedy: str) -> SceneGraphs:
    """Opens the file, and checks the arrays as far as possible without decoding boxes.

    Args:
        path: the file.
        classes: number of categories.
        remedy: what to do about a mistake, for error messages.

    Raises:
        UserError: the file is missing or damaged; an array is missing or has the wrong shape; a label or row is out of
            range.
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
        raise UserError(f"{path}: is not an HDF5 file, or is damaged ({error}); {remedy}") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}; {remedy}") from None
    return graphs


def decode(graphs: SceneGraphs, images: np.ndarray, sizes: np.ndarray) -> Objects:
    """Decodes the objects and relations of some images.

    Empty boxes are dropped together with their relations. Pairs with several predicates appear once. Relations of
    an object with itself are dropped.

    Args:
        graphs: the contents of the file.
        images: [I] rows of the images in the file.
        sizes: [I, 2] width and height in pixels.
    """
    stored = _stored(graphs, images, sizes)
    numbers = np.concatenate([[0], np.cumsum(stored.valid)])  # [G + 1]: how many boxes before each are kept
    ends, count = numbers[stored.ends], numbers[-1]
    subjects, objects = stored.relations[_are_kept(stored)].T
    pairs = np.unique(numbers[subjects] * count + numbers[objects])  # sorted by subject, so by image
    pairs = np.stack([pairs // max(count, 1), pairs % max(count, 1)], axis=1)
    relation_ends = np.searchsorted(pairs[:, 0], ends)
    relations = pairs - np.repeat(ends[:-1], np.diff(relation_ends))[:, None]
    labels = graphs.labels[stored.rows[stored.valid], 0].astype(np.int64) - 1
    return Objects(stored.boxes[stored.valid], labels, ends, relations, relation_ends)


def dropped_boxes(graphs: SceneGraphs, images: np.ndarray, sizes: np.ndarray, ids: np.ndarray) -> list[str]:
    """Checks the relations of some images, and describes the empty boxes that `decode` drops.

    Args:
        graphs, images, sizes: as for `decode`.
        ids: [I] ids of the images.

    Raises:
        UserError: a relation has a box of another image.
    """
    stored = _stored(graphs, images, sizes)
    if stored.foreign.any():
        counts = _counts(graphs.first_relation[images], graphs.last_relation[images])
        faults = [f"of image {each}" for each in np.repeat(ids, counts)[stored.foreign]]
        refuse_any(faults, graphs.path, "relations have boxes of another image", graphs.remedy)
    empty = np.flatnonzero(~stored.valid)
    related = np.bincount(stored.relations.ravel(), minlength=len(stored.rows))
    owners = ids[np.searchsorted(stored.ends, empty, side="right") - 1]
    return [
        f"{graphs.boxes[stored.rows[place]].tolist()} of image {owner}"
        + (f" with {related[place]} relations" if related[place] else "")
        for place, owner in zip(empty, owners, strict=True)
    ]


def _require_shapes(arrays: dict[str, h5py.Dataset | None]) -> None:
    sizes: dict[str, int] = {}
    for name, shape in ARRAYS.items():
        array = arrays[name]
        if not isinstance(array, h5py.Dataset):
            raise ValueError(f"has no data set {name!r}")
        if array.dtype.kind not in "iu" or array.ndim != len(shape) or array.shape[1:] != shape[1:]:
            wanted = ", ".join(map(str, shape))
            raise ValueError(f"{name} is {array.dtype} {list(array.shape)}, expected integers [{wanted}]")
        if sizes.setdefault(shape[0], len(array)) != len(array):
            raise ValueError(f"{name} has {len(array):,} rows, but there are {sizes[shape[0]]:,} {shape[0]}")


def _mapped(array: h5py.Dataset) -> np.ndarray:
    """The array, memory-mapped, so any number of threads can read it.

    Arrays that are stored in chunks are read into memory instead (20 MB at most). The file of Xu et al. has no chunks.
    """
    offset = array.id.get_offset()
    if offset is None:
        return array[()]
    return np.asarray(np.memmap(array.file.filename, array.dtype, "r", offset, array.shape))


def _require_ranges(graphs: SceneGraphs, classes: int) -> None:
    beyond = (graphs.labels < 1) | (graphs.labels > classes)
    if beyond.any():
        raise ValueError(f"a label is {graphs.labels[beyond][0]}, expected 1 to {classes} as in the dictionary")
    for what, first, last, count in (
        ("boxes", graphs.first_box, graphs.last_box, len(graphs.boxes)),
        ("relations", graphs.first_relation, graphs.last_relation, len(graphs.relations)),
    ):
        wrong = np.flatnonzero((first >= 0) & ((last < first) | (last >= count)))
        if wrong.size:
            row = wrong[0]
            raise ValueError(f"image row {row} has the {what} {first[row]} to {last[row]}, but there are {count:,}")


def _stored(graphs: SceneGraphs, images: np.ndarray, sizes: np.ndarray) -> _Stored:
    first = graphs.first_box[images]
    rows, ends = _spans(first, graphs.last_box[images])
    sizes = np.repeat(sizes, np.diff(ends), axis=0)
    boxes, valid = clip_boxes(_corners(graphs.boxes[rows].astype(np.int64), sizes), sizes)

    relation_rows, relation_ends = _spans(graphs.first_relation[images], graphs.last_relation[images])
    begin, end, first = (np.repeat(each, np.diff(relation_ends))[:, None] for each in (ends[:-1], ends[1:], first))
    relations = graphs.relations[relation_rows].astype(np.int64) - first + begin
    foreign = ((relations < begin) | (relations >= end)).any(axis=1)
    return _Stored(rows, ends, boxes, valid, relations, foreign)


def _corners(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Converts [G, 4] (cx, cy, w, h) to [G, 4] float32 (x1, y1, x2, y2) in pixels of images of `sizes` [G, 2]."""
    scale = sizes.max(axis=1, keepdims=True) / LONG_SIDE
    first = boxes[:, :2] - boxes[:, 2:] // 2
    return np.concatenate([first * scale, (first + boxes[:, 2:]) * scale - 1], axis=1).astype(np.float32)


def _are_kept(stored: _Stored) -> np.ndarray:
    """[R] bool: whether a relation is between two different objects that are both kept."""
    subjects, objects = stored.relations.T
    return stored.valid[subjects] & stored.valid[objects] & (subjects != objects)


def _spans(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows from each `first` to each `last`, one span after the other, and the start of each span, [I + 1]."""
    counts = _counts(first, last).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(counts)])
    return np.arange(ends[-1]) + np.repeat(first - ends[:-1], counts), ends


def _counts(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    return np.where(first < 0, 0, last - first + 1)
