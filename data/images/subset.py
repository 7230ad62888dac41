"""Restricts a data set of images to lists of ids that ship with the repository, and to some of its categories."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.common.errors import UserError
from data.images.annotations import list_splits, some
from data.records import ImageDataset, ImageRecord

LISTS = Path(__file__).parent / "lists"


class Subset(NamedTuple):
    """The part of a data set that an experiment uses; by default all of it.

    Args:
        id_lists: a folder of `data/images/lists/`, whose lists replace the splits of the data set; "" for its own.
        categories: names of the categories to keep; () for all.

    Example:
        >>> Subset("voc07_small", ("car", "person")).categories
        ('car', 'person')
    """

    id_lists: str = ""
    categories: tuple[str, ...] = ()


WHOLE = Subset()


def list_folder(subset: Subset, split: str) -> Path | None:
    """The folder with the list of a split; None to use the splits of the data set.

    Raises:
        UserError: there is no such folder, or it has no list of this name.
    """
    if not subset.id_lists:
        return None
    folder = LISTS / subset.id_lists
    if "/" in subset.id_lists or not folder.is_dir():
        available = ", ".join(sorted(path.name for path in LISTS.iterdir() if path.is_dir()))
        raise UserError(f"images.id_lists is {subset.id_lists}: no such folder in {LISTS}; choose from {available}")
    if not (folder / f"{split}.txt").is_file():
        raise UserError(
            f"{folder}: has no list for the split {split} ({list_splits(folder, '', '.txt')}); "
            "set images.train_split and images.test_split to lists in this folder"
        )
    return folder


def keep_categories(dataset: ImageDataset, categories: tuple[str, ...]) -> tuple[ImageDataset, int]:
    """Drops the objects of all other categories, and the relations of these objects.

    The kept categories stay in the order of the data set and keep their category ids, so results files fit the
    annotations of the whole data set. An image without any object left is kept, and all detections in it are false.

    Args:
        dataset: one split. All its records are read into memory.
        categories: names of the categories to keep, in any order.

    Returns:
        the restricted split, and how many objects were dropped.

    Raises:
        UserError: the data set has no such category.
    """
    if unknown := [name for name in categories if name not in dataset.classes]:
        raise UserError(
            f"images.categories names {unknown[0]}, which is not a category of the data set; "
            f"choose from {some(list(dataset.classes), most=20)}"
        )
    kept = [label for label, name in enumerate(dataset.classes) if name in categories]
    new_labels = np.full(len(dataset.classes), -1)
    new_labels[kept] = np.arange(len(kept))
    records = [_keep_labels(record, new_labels) for record in dataset.records]
    dropped = sum(len(record.labels) for record in dataset.records) - sum(len(record.labels) for record in records)
    classes, category_ids = (
        tuple(values[label] for label in kept) for values in (dataset.classes, dataset.category_ids)
    )
    return ImageDataset(classes, category_ids, records, dataset.dropped), dropped


def _keep_labels(record: ImageRecord, new_labels: np.ndarray) -> ImageRecord:
    """The record with label l changed to `new_labels[l]`, without the objects for which this is -1."""
    labels = new_labels[record.labels]
    kept = labels >= 0  # [G]
    relations = record.relations
    if relations is not None:
        rows = kept.cumsum() - 1  # [G] old row -> new row, where kept
        relations = rows[relations[kept[relations].all(axis=1)]]
    return replace(
        record,
        boxes=record.boxes[kept],
        labels=labels[kept],
        difficult=record.difficult[kept],
        crowd=record.crowd[kept],
        relations=relations,
    )
