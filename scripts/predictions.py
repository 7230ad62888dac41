"""The prediction files of images, checked against the data set that they are of.

detections.json    COCO results: a list of {image_id, category_id, bbox: [x, y, width, height], score}
relations.npz      ROIs and pairs of all images, in arrays that belong together:
    image_ids [I], roi_offsets [I+1], rois [R, 4], pair_offsets [I+1], pairs [P, 2], weights [P]
    The i-th image has the rows of rois from roi_offsets[i] to roi_offsets[i+1], and so on. Boxes are corner form, in
    pixels of the original image; pairs are indices of ROIs within the image, m then n, the largest weight first.

In memory boxes are as those of `ImageRecord`: x2 and y2 are the last pixel, x2 = x + width - 1.
"""

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import numpy as np

from data.errors import UserError
from data.files import DAMAGE, read_arrays, read_json
from data.records import ImageDataset
from scripts.metrics.detection import Detections

ABSENT = "the predict command writes it; remove a damaged one first"
REMEDY = "give the --data that it was made from, or remove it and run the predict command again"

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
KINDS = {"iu": "whole numbers", "iuf": "numbers"}


class Proposals(NamedTuple):
    """The relationship proposals of one image.

    Args:
        image_id: id of its record.
        rois: [N, 4] corner form, in pixels.
        pairs: [P, 2] indices of ROIs, m then n, the best first.
        weights: [P] falling.
    """

    image_id: str
    rois: np.ndarray
    pairs: np.ndarray
    weights: np.ndarray


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


def read_relations(path: Path, image_ids: Collection[str], pairs_needed: int) -> Iterator[Proposals]:
    """Yields the proposals of one image after the other, in the order of the file.

    Nothing but the ids and offsets is held: as images follow one another in the file, rows are taken from it when they
    are needed, and decompressed then if it is compressed.

    Args:
        path: a `relations.npz`.
        image_ids: those of the data set, each of which the file must list.
        pairs_needed: the largest K; an image with fewer pairs must have all that its ROIs make.

    Raises:
        UserError: it is absent or damaged, or its arrays do not belong together or to this data set.
    """
    arrays = read_arrays(path, ["image_ids", "roi_offsets", "pair_offsets"], "relations file", ABSENT)
    try:
        ids = arrays["image_ids"].astype(str)
        _require_ids(ids, image_ids)
        with ZipFile(path) as archive:
            rois = _slices(archive, "rois", "iuf", (4,), arrays["roi_offsets"], len(ids))
            pairs = _slices(archive, "pairs", "iu", (2,), arrays["pair_offsets"], len(ids))
            weights = _slices(archive, "weights", "iuf", (), arrays["pair_offsets"], len(ids))
            for proposals in map(Proposals, ids.tolist(), rois, pairs, weights):
                _require_sound(proposals, pairs_needed)
                yield proposals
    except UserError as error:
        raise UserError(f"{path}: {error}; {REMEDY}") from None
    except DAMAGE as error:
        raise UserError(f"{path}: relations file is damaged ({error}); {REMEDY}") from None


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
    archive: ZipFile, name: str, kinds: str, shape: tuple[int, ...], offsets: np.ndarray, images: int
) -> Iterator[np.ndarray]:
    """Yields the rows of an array of the archive, those of one image after the other: [n, *shape] each.

    Args:
        archive: an open `.npz`.
        name: of the array.
        kinds: what its dtype may be, as in `np.dtype.kind`.
        shape: of a row.
        offsets: where each image begins, and the end.
        images: their number.
    """
    if f"{name}.npy" not in archive.namelist():
        raise UserError(f"lacks the array {name}")
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


def _require_sound(proposals: Proposals, pairs_needed: int) -> None:
    """Raises a `UserError` unless what one image has can be ranked and matched."""
    image, rois, pairs, weights = proposals
    fault = None
    if not np.isfinite(rois).all():
        fault = "has boxes that are not finite"
    elif len(pairs) and (pairs.min() < 0 or pairs.max() >= len(rois)):
        fault = f"has pairs of ROIs {pairs.min()} to {pairs.max()} with {len(rois)} ROIs"
    elif (pairs[:, 0] == pairs[:, 1]).any():
        fault = "pairs a ROI with itself"
    elif not (weights[1:] <= weights[:-1]).all():
        fault = "has pairs that are not in the order of their weights, the largest first"
    elif len(pairs) < min(pairs_needed, len(rois) * (len(rois) - 1)):
        fault = (
            f"has {len(pairs):,} pairs of its {len(rois)} ROIs where recall@{pairs_needed} needs more, which "
            f"vision.predict keeps with --pairs {pairs_needed}"
        )
    if fault:
        raise UserError(f"image {image} {fault}")
