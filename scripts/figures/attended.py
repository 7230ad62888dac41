"""Reads the files of `vision.attended`, and matches the objects of an image between networks."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.common.errors import UserError
from data.common.files import read_arrays
from data.images.attended import FIELDS, Regions
from data.images.boxes import iou

REMEDY = "write it with: python -m vision.attended"
SAME_PLACE = 0.5  # IoU above which two boxes are the same object
LEAST_SCORE = 0.3  # of an object
FEWEST = 3  # objects to keep even if their scores are lower


class Attended(NamedTuple):
    """A file of `vision.attended`.

    Args:
        path: the file.
        run, variant: the network.
        classes: names of the categories.
        images: paths of the I images.
        sizes: [I, 2] width and height.
        regions: the regions of each image.
        left_out: one line per image file that could not be read.
    """

    path: Path
    run: str
    variant: str
    classes: tuple[str, ...]
    images: tuple[Path, ...]
    sizes: np.ndarray
    regions: tuple[Regions, ...]
    left_out: tuple[str, ...]


class Objects(NamedTuple):
    """O objects of an image, best first.

    Args:
        regions: [O, F] index of the region of each object in each of F networks; -1 if the network has no region.
        overlaps: [O, F] IoU of the region with the object; 1 in the network that detected it.
    """

    regions: np.ndarray
    overlaps: np.ndarray


def read_attended(path: Path) -> Attended:
    """Reads and checks a file of `vision.attended`.

    Raises:
        UserError: the file is missing or damaged, or its arrays are inconsistent.
    """
    arrays = read_arrays(path, list(FIELDS), "file of attended regions", REMEDY)
    offsets, rows = arrays["roi_offsets"], Regions(*(arrays[name] for name in Regions._fields))
    if fault := _fault(arrays, rows):
        raise UserError(f"{path}: not a file of attended regions ({fault}); {REMEDY}")
    return Attended(
        path,
        str(arrays["run"]),
        str(arrays["variant"]),
        tuple(arrays["classes"].tolist()),
        tuple(map(Path, arrays["images"].tolist())),
        arrays["sizes"],
        tuple(Regions(*parts) for parts in zip(*(np.split(column, offsets[1:-1]) for column in rows), strict=True)),
        tuple(arrays["left_out"].tolist()),
    )


def _fault(arrays: dict[str, np.ndarray], rows: Regions) -> str | None:
    """What is inconsistent in the arrays of a file, or None."""
    images, offsets, count = arrays["images"].size, arrays["roi_offsets"], len(rows.boxes)
    cut = offsets.shape == (images + 1,) and offsets.dtype.kind in "iu" and not offsets[0] and offsets[-1] == count
    if not images or arrays["images"].ndim != 1 or arrays["sizes"].shape != (images, 2):
        return "images and sizes do not match, or are empty"
    if not cut or (np.diff(offsets) < 0).any():
        return f"roi_offsets do not split {count:,} regions into {images:,} images"
    shapes = dict.fromkeys(Regions._fields, (count,))
    shapes |= dict.fromkeys(("rois", "boxes"), (count, 4))
    shapes |= {"attended": rows.weights.shape, "weights": (count, *rows.weights.shape[1:2])}
    for name, column in rows._asdict().items():
        if column.shape != shapes[name]:
            return f"{name} has shape {list(column.shape)} instead of {list(shapes[name])}"
        if column.dtype.kind not in "iuf" or not np.isfinite(column).all():
            return f"{name} must contain finite numbers"
    regions_of_image = np.repeat(np.diff(offsets), np.diff(offsets))[:, None]
    if rows.attended.dtype.kind != "i" or (rows.attended < -1).any() or (rows.attended >= regions_of_image).any():
        return "attended must be regions of the same image"
    if rows.labels.dtype.kind not in "iu" or not np.isin(rows.labels, np.arange(arrays["classes"].size)).all():
        return "labels must be categories"
    return None


def read_together(paths: Sequence[Path]) -> list[Attended]:
    """Reads files of different networks on the same images.

    Raises:
        UserError: a file is invalid, or the files have different images or categories.
    """
    files = [read_attended(path) for path in paths]
    for file in files[1:]:
        for what, one, other in (
            ("images", files[0].images, file.images),
            ("categories", files[0].classes, file.classes),
        ):
            if one != other:
                raise UserError(f"{file.path}: its {what} differ from those of {files[0].path}; they must be the same")
    return files


def names_of(images: Sequence[Path]) -> list[str]:
    """A distinct name for each image: its path relative to their common folder."""
    paths = [os.path.abspath(image) for image in images]
    common = os.path.commonpath([os.path.dirname(path) for path in paths])
    return [os.path.relpath(path, common) for path in paths]


def title_of(file: Attended) -> str:
    """The title of a network's panel."""
    kind = "Relation Networks' kind" if file.variant == "fan-unsup" else "Focused Attention Networks"
    return f"{kind} ({file.variant})"


def weight_text(weight: float) -> str:
    """An attention weight, as shown in figures and on the page."""
    return "<0.001" if weight < 0.001 else f"{weight:.3f}"


def common_objects(networks: Sequence[Regions], least_score: float) -> Objects:
    """The objects of an image that at least one network detects.

    These are the regions of all networks with a score of at least `least_score`, but at least the best `FEWEST`.
    Regions that overlap a better one of their category (IoU above `SAME_PLACE`) are removed.

    Args:
        networks: the regions of the image in each network.
        least_score: lowest score of an object.
    """
    boxes, labels, scores = (
        np.concatenate([getattr(network, field) for network in networks]) for field in ("boxes", "labels", "scores")
    )
    order = np.argsort(-scores, kind="stable")
    order = order[: max(np.count_nonzero(scores >= least_score), FEWEST)]
    kept: list[int] = []
    for candidate in order.tolist():
        same = [other for other in kept if labels[other] == labels[candidate]]
        if not (iou(boxes[same], boxes[candidate]) > SAME_PLACE).any():
            kept.append(candidate)
    found = [regions_at(boxes[each], networks, labels[each]) for each in kept]
    shape = len(kept), len(networks)
    return Objects(
        np.array([each.regions for each in found], int).reshape(shape),
        np.array([each.overlaps for each in found], float).reshape(shape),
    )


def regions_at(box: np.ndarray, networks: Sequence[Regions], label: int | None = None) -> Objects:
    """The region of each of F networks with the largest IoU with a box [4]: `Objects` without the first axis.

    With a `label`, regions of that category at the box (IoU above `SAME_PLACE`) take precedence, the best score first.
    A network without regions in the image has -1, with an IoU of 0.
    """
    found = [_region_at(box, network, label) for network in networks]
    return Objects(np.array([region for region, _ in found]), np.array([overlap for _, overlap in found]))


def _region_at(box: np.ndarray, network: Regions, label: int | None) -> tuple[int, float]:
    if not len(network.boxes):
        return -1, 0.0
    overlaps = iou(network.boxes, box)
    wanted = (overlaps > SAME_PLACE) & (network.labels == label)
    best = np.where(wanted, network.scores, -1).argmax() if wanted.any() else overlaps.argmax()
    return int(best), float(overlaps[best])


def attended_columns(regions: Regions, reference: int, repeats: bool) -> np.ndarray:
    """The columns of `attended` to show for a region, best first.

    Args:
        regions: the regions of the image.
        reference: index of the region.
        repeats: whether to show regions that overlap a better one (IoU above `SAME_PLACE`).
    """
    attended = regions.attended[reference]
    present = np.flatnonzero(attended >= 0)
    if repeats or not len(present):
        return present
    boxes = regions.boxes[attended[present]]
    same = iou(boxes[:, None], boxes) > SAME_PLACE
    kept: list[int] = []
    for column in range(len(present)):
        if not same[column, kept].any():
            kept.append(column)
    return present[kept]
