"""The prediction files of images, checked against the data set that they are of.

detections.json    COCO results: a list of {image_id, category_id, bbox: [x, y, width, height], score}
relations.npz      ROIs and ranked pairs of all images; `data.images.proposals` lists its arrays

In memory boxes are as those of `ImageRecord`: x2 and y2 are the last pixel, x2 = x + width - 1.
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

ABSENT = "the predict command writes it; remove a damaged one first"
REMEDY = "give the --data that it was made from, or remove it and run the predict command again"

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
KINDS = {"iu": "whole numbers", "iuf": "numbers"}


def read_detections(path: Path, dataset: ImageDataset) -> Detections:
    """Reads COCO results JSON. Images without a detection are legal; ids may be numbers or text.

    The file is read as a whole, which takes half a kB of memory a detection, and 57 bytes once it is done.

    Raises:
        UserError: it is absent or malformed, or of other images or categories, or a box or score is none.
    """
    entries = read_json(path, "detection file", ABSENT)
    try:
        if not isinstance(entries, list):
            raise UserError("must hold a list of detections, as COCO results do")
        images = {record.id: index for index, record in enumerate(dataset.records)}
        categories = {str(number): label for label, number in enumerate(dataset.category_ids)}
        x, y, width, height = _numbers(_column(entries, "bbox"), "bbox", [4]).T
        _require_all((width >= 0) & (height >= 0), "the width or height of its bbox is negative")
        return Detections(
            images=_indices(_column(entries, "image_id"), images, "image_id"),
            labels=_indices(_column(entries, "category_id"), categories, "category_id"),
            boxes=np.stack([x, y, x + width - 1, y + height - 1], axis=1),
            scores=_numbers(_column(entries, "score"), "score", []),
        )
    except UserError as error:
        raise UserError(f"{path}: {error}; {REMEDY}") from None


def read_relations(path: Path, image_ids: Collection[str], pairs_needed: int) -> Iterator[tuple[str, Proposals]]:
    """Yields the id and the proposals of one image after the other, in the order of the file.

    Only the ids and offsets are kept in memory: as images follow one another in the file, rows are read, and
    decompressed if they are compressed, when they are needed.

    Args:
        path: a `relations.npz`.
        image_ids: those of the data set, each of which the file must list.
        pairs_needed: the largest K; an image with fewer pairs must have all that its ROIs make.

    Raises:
        UserError: it is absent or damaged, an older version wrote it, or its arrays do not belong together or to this
            data set.
    """
    names = array_names(path, "relations file", ABSENT)
    with_pairs = bool(names & PAIR_FIELDS.keys())
    fields = ROI_FIELDS | (PAIR_FIELDS if with_pairs else {})
    try:
        if missing := fields.keys() - names:
            raise UserError(
                f"does not have the array {min(missing)}, which older versions did not write; run the vision.predict "
                "command again, which replaces it, or see data/images/proposals.py for the arrays"
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
    """The proposals of an image from its rows of `ROI_FIELDS`, and of `PAIR_FIELDS` where there are any."""
    rois, scores, labels, *rankings = rows
    if not rankings:
        return Proposals(rois, scores, labels)
    return Proposals(rois, scores, labels, Ranking(*rankings[:2]), Ranking(*rankings[2:]))


def _column(entries: list[Any], key: str) -> list[Any]:
    """The values of `key` in all detections."""
    has_key = [isinstance(entry, dict) and key in entry for entry in entries]
    _require_all(np.array(has_key, bool), f"it has no {key}")
    return [entry[key] for entry in entries]


def _indices(values: list[Any], known: dict[str, int], key: str) -> np.ndarray:
    """[D] what `known` says of each value."""
    found = np.array([known.get(str(value), -1) for value in values], int)
    if (unknown := found < 0).any():
        value = values[unknown.argmax()]
        raise UserError(f"{unknown.sum():,} detections have an unknown {key}, {value!r} for one")
    return found


def _numbers(values: list[Any], key: str, shape: list[int]) -> np.ndarray:
    """[D, *shape] float64, all of them finite."""
    what = f"{shape[0]} numbers" if shape else "a number"
    try:
        numbers = np.array(values, np.float64).reshape(len(values), *shape)
    except (ValueError, TypeError, OverflowError):
        raise UserError(f"{key} must be {what} in every detection") from None
    _require_all(np.isfinite(numbers).all(axis=tuple(range(1, numbers.ndim))), f"its {key} is not finite")
    return numbers


def _require_all(right: np.ndarray, fault: str) -> None:
    """Raises a `UserError` unless all detections [D] are `right`; it names the first that is not, and its fault."""
    if not right.all():
        raise UserError(f"detection {right.argmin() + 1:,}: {fault}")


def _require_ids(ids: np.ndarray, wanted: Collection[str]) -> None:
    """Raises a `UserError` unless `ids` are the ids of the data set, each once, in whatever order."""
    found, wanted = set(ids.ravel().tolist()), set(wanted)
    if ids.ndim != 1 or len(found) < ids.size:
        raise UserError("image_ids must be a list without repetition")
    if unknown := found - wanted:
        raise UserError(f"holds {len(unknown):,} images that the data set does not, {min(unknown)} for one")
    if missing := wanted - found:
        raise UserError(f"lacks {len(missing):,} of the data set's {len(wanted):,} images, {min(missing)} for one")


def _slices(
    archive: ZipFile, name: str, kind: type[np.generic], shape: tuple[int, ...], offsets: np.ndarray, images: int
) -> Iterator[np.ndarray]:
    """Yields the rows of an array of the archive, those of one image after the other: [n, *shape] each.

    Args:
        archive: an open `.npz`.
        name: of the array.
        kind: as it is written; any integers may stand for integers, any numbers for floats.
        shape: of a row.
        offsets: where each image begins, and the end.
        images: their number.
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
    """Raises a `UserError` unless `offsets` cut the `rows` of the array `name` into `images` slices."""
    cut = offsets.dtype.kind in "iu" and offsets.shape == (images + 1,)
    if not cut or offsets[0] != 0 or offsets[-1] != rows or (offsets[1:] < offsets[:-1]).any():
        raise UserError(f"the offsets of {name} do not cut its {rows:,} rows into {images:,} images")


def _require_sound(image_id: str, proposals: Proposals, pairs_needed: int) -> None:
    """Raises a `UserError` unless the proposals of an image can be ranked and matched."""
    if not (np.isfinite(proposals.rois).all() and np.isfinite(proposals.scores).all()):
        raise UserError(f"image {image_id} has boxes or scores that are not finite")
    for ranking in (proposals.by_matrix, proposals.by_row):
        if ranking and (fault := _fault(ranking, len(proposals.rois), pairs_needed)):
            raise UserError(f"image {image_id} {fault}")


def _fault(ranking: Ranking, rois: int, pairs_needed: int) -> str | None:
    """What is wrong with the ranked pairs of an image, if anything."""
    pairs, weights = ranking
    if len(pairs) and (pairs.min() < 0 or pairs.max() >= rois):
        return f"has pairs of ROIs {pairs.min()} to {pairs.max()} with {rois} ROIs"
    if (pairs[:, 0] == pairs[:, 1]).any():
        return "pairs a ROI with itself"
    if not (weights[1:] <= weights[:-1]).all():
        return "has pairs that are not in the order of their weights, the largest first"
    if len(pairs) < min(pairs_needed, rois * (rois - 1)):
        return (
            f"has {len(pairs):,} pairs of its {rois} ROIs where recall@{pairs_needed} needs more, which "
            f"vision.predict keeps with --pairs {pairs_needed}"
        )
    return None
