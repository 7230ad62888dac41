"""Visual Genome with the splits of Xu et al.: images in two folders, a list of images, and scene graphs.

`image_data.json` lists the images in the order of the rows of `VG-SGG.h5`, plus four damaged images without a row.
`VG-SGG-dicts.json` has the names of the categories. For the format of boxes, see `data.images.scene_graphs`.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.common.errors import UserError
from data.common.files import read_json
from data.images.annotations import FIX, refuse_any
from data.images.scene_graphs import SceneGraphs, decode, dropped_boxes, open_graphs
from data.records import ImageDataset, ImageRecord

FOLDER = "visual_genome"
IMAGE_FOLDERS = ("VG_100K", "VG_100K_2")
IMAGE_LIST, NAMES, GRAPHS = "image_data.json", "VG-SGG-dicts.json", "VG-SGG.h5"
SPLITS = {"train": 0, "test": 2}  # their numbers in the file of scene graphs
DAMAGED = (1592, 1722, 4616, 4617)  # ids of the images without a row in this file

BLOCK = 2048  # number of images to decode at once


def read_visual_genome(folder: Path, split: str, remedy: str = FIX) -> ImageDataset:
    """Reads one split. Records are decoded from the file when they are accessed.

    Boxes are clipped to the image. Boxes that are empty then (one pixel wide or high) are dropped with their relations
    and listed in the result. Images without objects or relations are kept.

    Args:
        folder: the folder with the two folders of images and the three files.
        split: "train" or "test".
        remedy: what to do about a file that is missing or damaged, for error messages.

    Raises:
        UserError: there is no such split; a file is missing or malformed, or does not match the others; an image is
            missing.
    """
    if split not in SPLITS:
        raise UserError(f"{folder}: Visual Genome has no split {split!r}; choose {' or '.join(SPLITS)}")
    classes = _classes(folder / NAMES, remedy)
    images = _listed_images(folder / IMAGE_LIST, remedy)
    graphs = open_graphs(folder / GRAPHS, len(classes), remedy)
    if len(images) != len(graphs.split):
        raise UserError(
            f"{folder / GRAPHS}: has {len(graphs.split):,} images, but {IMAGE_LIST} lists {len(images):,} without the "
            f"damaged ones; {remedy}"
        )
    rows = np.flatnonzero(graphs.split == SPLITS[split])
    if not rows.size:
        raise UserError(f"{graphs.path}: has no images of the split {split}, number {SPLITS[split]}; {remedy}")
    ids, sizes = images[rows, 0], images[rows, 1:]
    records = _Records(graphs, rows, ids, sizes, _folders(folder, ids, remedy))
    return ImageDataset(classes, tuple(range(1, len(classes) + 1)), records, records.dropped_boxes())


class _Records(Sequence[ImageRecord]):
    """The images of a split. Threads may share it. Iteration takes a tenth of the time of access by index.

    Args:
        graphs: the annotations.
        rows: [I] rows of the images in `graphs`.
        ids: [I] ids of the images.
        sizes: [I, 2] width and height in pixels.
        folders: [I] index into `IMAGE_FOLDERS`: the folder of each image.
    """

    def __init__(self, graphs: SceneGraphs, rows: np.ndarray, ids: np.ndarray, sizes: np.ndarray, folders: np.ndarray):
        self._graphs, self._rows, self._ids, self._sizes, self._folders = graphs, rows, ids, sizes, folders

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index):
        place = range(len(self))[index]  # negative indices, slices and errors as for a list
        if isinstance(place, range):
            return [self[each] for each in place]
        (record,) = self._records(slice(place, place + 1))
        return record

    def __iter__(self) -> Iterator[ImageRecord]:
        for block in self._blocks():
            yield from self._records(block)

    def dropped_boxes(self) -> tuple[str, ...]:
        """Descriptions of the empty boxes. Also checks the relations of the whole split."""
        arrays = self._rows, self._sizes, self._ids
        blocks = (dropped_boxes(self._graphs, *(array[block] for array in arrays)) for block in self._blocks())
        return tuple(text for block in blocks for text in block)

    def _blocks(self) -> Iterator[slice]:
        return (slice(start, start + BLOCK) for start in range(0, len(self), BLOCK))

    def _records(self, block: slice) -> Iterator[ImageRecord]:
        """Decodes consecutive images together and yields their records."""
        boxes, labels, ends, relations, relation_ends = decode(self._graphs, self._rows[block], self._sizes[block])
        none = np.zeros(len(boxes), bool)
        folders = [self._graphs.path.parent / name for name in IMAGE_FOLDERS]
        spans = zip(ends.tolist(), ends[1:].tolist(), relation_ends.tolist(), relation_ends[1:].tolist(), strict=False)
        images = zip(self._ids[block].tolist(), self._folders[block].tolist(), self._sizes[block].tolist(), strict=True)
        for (number, folder, (width, height)), (start, end, first, last) in zip(images, spans, strict=True):
            yield ImageRecord(
                id=str(number),
                path=folders[folder] / f"{number}.jpg",
                width=width,
                height=height,
                boxes=boxes[start:end],
                labels=labels[start:end],
                difficult=none[start:end],
                crowd=none[start:end],
                relations=relations[first:last],
            )


def _classes(path: Path, remedy: str) -> tuple[str, ...]:
    contents = read_json(path, "dictionary of categories", remedy)
    names = contents.get("idx_to_label") if isinstance(contents, dict) else None
    if not isinstance(names, dict) or not names or not all(name and isinstance(name, str) for name in names.values()):
        raise UserError(f"{path}: has no category names 'idx_to_label'; {remedy}")
    numbers = [str(number) for number in range(1, len(names) + 1)]
    if missing := [number for number in numbers if number not in names]:
        raise UserError(f"{path}: 'idx_to_label' has {len(names)} names but none for {missing[0]}; {remedy}")
    return tuple(names[number] for number in numbers)


def _listed_images(path: Path, remedy: str) -> np.ndarray:
    """[I, 3] id, width and height of the images that are not damaged."""
    entries = read_json(path, "list of images", remedy)
    if not isinstance(entries, list):
        raise UserError(f"{path}: is not a list of images; {remedy}")
    if wrong := [str(number) for number, each in enumerate(entries) if not _is_image(each)]:
        refuse_any(wrong, path, "entries have no positive image_id, width and height", remedy)
    images = [(each["image_id"], each["width"], each["height"]) for each in entries if each["image_id"] not in DAMAGED]
    if len({number for number, _, _ in images}) < len(images):
        raise UserError(f"{path}: lists an image twice; {remedy}")
    if skipped := [str(each["image_id"]) for each in entries if each["image_id"] in DAMAGED]:
        print(f"{path}: damaged images skipped, which have no rows in {GRAPHS}: {', '.join(skipped)}")
    return np.array(images, np.int64).reshape(-1, 3)


def _is_image(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    numbers = [entry.get(name) for name in ("image_id", "width", "height")]
    return all(type(number) is int and number > 0 for number in numbers)


def _folders(folder: Path, ids: np.ndarray, remedy: str) -> np.ndarray:
    """[I] index into `IMAGE_FOLDERS`: the folder of each image."""
    places = [folder / name for name in IMAGE_FOLDERS]
    first, second = (set(os.listdir(place)) if place.is_dir() else set() for place in places)
    names = [f"{number}.jpg" for number in ids]
    missing = [name for name in names if name not in first and name not in second]
    refuse_any(missing, folder, f"images are missing from {' and '.join(IMAGE_FOLDERS)}", remedy)
    return np.array([name not in first for name in names], np.int64)
