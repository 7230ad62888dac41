"""Reads the prediction files of images and checks them against their dataset.

detections.json    COCO results: a list of {image_id, category_id, bbox: [x, y, width, height], score}
relations.npz      ROIs and ranked pairs of all images; `data/images/proposals.py` lists its arrays

Boxes in memory follow `ImageRecord`: x2 and y2 are the last pixel, x2 = x + width - 1.
"""

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from data.common.errors import UserError
from data.common.files import DAMAGE, array_names, read_arrays, read_json
from data.images.proposals import PAIR_FIELDS, ROI_FIELDS, Proposals, Ranking
from data.records import ImageDataset
from scripts.evaluation.metrics.detection import Detections

ABSENT = "run the predict command to write it"
REMEDY = "give the --data that it was made with, or delete it and run the predict command again"

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
KINDS = {"iu": "integers", "iuf": "numbers"}


def read_detections(path: Path, dataset: ImageDataset) -> Detections:
    """Reads COCO results JSON. Images may have no detections; ids may be numbers or text.

    The whole file is read at once, which takes 0.5 kB of memory per detection, and 57 bytes afterwards.

    Raises:
        UserError: the file is missing or malformed, or has unknown images or categories or invalid boxes or scores.
    """
    entries = read_json(path, "detection file", ABSENT)
    try:
        if not isinstance(entries, list):
            raise UserError("must be a list of detections in the COCO results format")
        images = {record.id: index for index, record in enumerate(dataset.records)}
        categories = {str(number): label for label, number in enumerate(dataset.category_ids)}
        x, y, width, height = _numbers(_column(entries, "bbox"), "bbox", [4]).T
        _require_all((width >= 0) & (height >= 0), "bbox has a negative width or height")
        return Detections(
            images=_indices(_column(entries, "image_id"), images, "image_id"),
            labels=_indices(_column(entries, "category_id"), categories, "category_id"),
            boxes=np.stack([x, y, x + width - 1, y + height - 1], axis=1),
            scores=_numbers(_column(entries, "score"), "score", []),
        )
    except UserError as error:
        raise UserError(f"{path}: {error}; {REMEDY}") from None


def read_relations(path: Path, image_ids: Collection[str], pairs_needed: int) -> Iterator[tuple[str, Proposals]]:
    """Yields the id and the proposals of each image, in the order of the file.

    Only ids and offsets are kept in memory. Rows are read, and decompressed, image by image.

    Args:
        path: a `relations.npz`.
        image_ids: the ids of the dataset; the file must contain all of them.
        pairs_needed: the largest K; an image with fewer ranked pairs must have all pairs of its ROIs.

    Raises:
        UserError: the file is missing or damaged, was written by an older version, or its arrays are inconsistent or
            do not match the dataset.
    """
    names = array_names(path, "relations file", ABSENT)
    with_pairs = bool(names & PAIR_FIELDS.keys())
    fields = ROI_FIELDS | (PAIR_FIELDS if with_pairs else {})
    try:
        if missing := fields.keys() - names:
            raise UserError(
                f"the array {min(missing)} is missing, as in files of older versions; run vision.predict again, "
                "which replaces it, or see data/images/proposals.py for the arrays"
            )
        offsets = ["roi_offsets", "pair_offsets"] if with_pairs else ["roi_offsets"]
        arrays = read_arrays(path, ["image_ids", *offsets], "relations file", ABSENT)
        ids = arrays["image_ids"].astype(str)
        _require_ids(ids, image_ids)
        with ZipFile(path) as archive:
            columns = [
                _slices(archive, name, dtype, row, arrays[offsets[name in PAIR_FIELDS]], len(ids))
                for name, (dtype, row) in fields.items()
            ]
            for image_id, *rows in zip(ids.tolist(), *columns, strict=True):
                proposals = _proposals(rows)
                _require_sound(image_id, proposals, pairs_needed)
                yield image_id, proposals
    except UserError as error:
        raise UserError(f"{path}: {error}; {REMEDY}") from None
    except DAMAGE as error:
        raise UserError(f"{path}: relations file is damaged ({error}); {REMEDY}") from None


def _proposals(rows: list[np.ndarray]) -> Proposals:
    """The proposals of an image from its rows of `ROI_FIELDS` and, if present, of `PAIR_FIELDS`."""
    rois, scores, labels, *rankings = rows
    if not rankings:
        return Proposals(rois, scores, labels)
    return Proposals(rois, scores, labels, Ranking(*rankings[:2]), Ranking(*rankings[2:]))


def _column(entries: list[Any], key: str) -> list[Any]:
    """The value of `key` in every detection."""
    has_key = [isinstance(entry, dict) and key in entry for entry in entries]
    _require_all(np.array(has_key, bool), f"{key} is missing")
    return [entry[key] for entry in entries]


def _indices(values: list[Any], known: dict[str, int], key: str) -> np.ndarray:
    """[D] the index in `known` of each value."""
    found = np.array([known.get(str(value), -1) for value in values], int)
    if (unknown := found < 0).any():
        value = values[unknown.argmax()]
        raise UserError(f"{unknown.sum():,} detections have an unknown {key}, for example {value!r}")
    return found


def _numbers(values: list[Any], key: str, shape: list[int]) -> np.ndarray:
    """[D, *shape] finite float64 numbers."""
    what = f"{shape[0]} numbers" if shape else "a number"
    try:
        numbers = np.array(values, np.float64).reshape(len(values), *shape)
    except (ValueError, TypeError, OverflowError):
        raise UserError(f"{key} must be {what} in every detection") from None
    _require_all(np.isfinite(numbers).all(axis=tuple(range(1, numbers.ndim))), f"{key} is not finite")
    return numbers


def _require_all(valid: np.ndarray, fault: str) -> None:
    """Raises a `UserError` that names the first detection [D] that is not `valid`."""
    if not valid.all():
        raise UserError(f"detection {valid.argmin() + 1:,}: {fault}")


def _require_ids(ids: np.ndarray, wanted: Collection[str]) -> None:
    """Raises a `UserError` unless `ids` are the ids of the dataset, each once, in any order."""
    found, wanted = set(ids.ravel().tolist()), set(wanted)
    if ids.ndim != 1 or len(found) < ids.size:
        raise UserError("image_ids must be a list of distinct ids")
    if unknown := found - wanted:
        raise UserError(f"has {len(unknown):,} images that are not in the dataset, for example {min(unknown)}")
    if missing := wanted - found:
        raise UserError(f"{len(missing):,} of the {len(wanted):,} images are missing, for example {min(missing)}")


def _slices(
    archive: ZipFile, name: str, kind: type[np.generic], shape: tuple[int, ...], offsets: np.ndarray, images: int
) -> Iterator[np.ndarray]:
    """Yields the rows [n, *shape] of each image from one array of the archive.

    Args:
        archive: an open `.npz`.
        name: name of the array.
        kind: the type that our writer uses; any integer type is accepted for integers, any number for floats.
        shape: shape of a row.
        offsets: [images + 1] first row of each image, and the end.
        images: number of images.
    """
    kinds = "iu" if np.issubdtype(kind, np.integer) else "iuf"
    with archive.open(f"{name}.npy") as file:
        read_header = HEADERS[np.lib.format.read_magic(file)]
        (rows, *row), by_columns, dtype = read_header(file)
        if tuple(row) != shape or dtype.kind not in kinds:
            raise UserError(f"{name} is {dtype} {[rows, *row]}; it must be {KINDS[kinds]} {['rows', *shape]}")
        if by_columns and shape:
            raise UserError(f"{name} is stored by columns; save np.ascontiguousarray({name})")
        _require_offsets(offsets, images, rows, name)
        for count in np.diff(offsets).tolist():
            size = count * math.prod(shape) * dtype.itemsize
            yield np.frombuffer(file.read(size), dtype).reshape(count, *shape)


def _require_offsets(offsets: np.ndarray, images: int, rows: int, name: str) -> None:
    """Raises a `UserError` unless `offsets` split the `rows` of the array `name` into `images` slices."""
    cut = offsets.dtype.kind in "iu" and offsets.shape == (images + 1,)
    if not cut or offsets[0] != 0 or offsets[-1] != rows or (offsets[1:] < offsets[:-1]).any():
        raise UserError(f"the offsets of {name} do not split its {rows:,} rows into {images:,} images")


def _require_sound(image_id: str, proposals: Proposals, pairs_needed: int) -> None:
    """Raises a `UserError` unless the proposals of an image can be ranked and matched."""
    if not (np.isfinite(proposals.rois).all() and np.isfinite(proposals.scores).all()):
        raise UserError(f"image {image_id} has boxes or scores that are not finite")
    for ranking in (proposals.by_matrix, proposals.by_row):
        if ranking and (fault := _fault(ranking, len(proposals.rois), pairs_needed)):
            raise UserError(f"image {image_id} {fault}")


def _fault(ranking: Ranking, rois: int, pairs_needed: int) -> str | None:
    """What is wrong with the ranked pairs of an image, or None."""
    pairs, weights = ranking
    if len(pairs) and (pairs.min() < 0 or pairs.max() >= rois):
        return f"has pairs of ROIs {pairs.min()} to {pairs.max()}, but only {rois} ROIs"
    if (pairs[:, 0] == pairs[:, 1]).any():
        return "pairs a ROI with itself"
    if not (weights[1:] <= weights[:-1]).all():
        return "has pairs that are not sorted by weight, largest first"
    if len(pairs) < min(pairs_needed, rois * (rois - 1)):
        return (
            f"has {len(pairs):,} pairs of its {rois} ROIs, but recall@{pairs_needed} needs more: run vision.predict "
            f"with --pairs {pairs_needed}"
        )
    return None
