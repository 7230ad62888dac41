"""Relationship proposals, ranked pairs of the ROIs of an image, and the file `relations.npz` that stores them.

Prediction writes the file, `scripts.evaluation.predictions` reads it. Its arrays contain all images of a test set:

    image_ids [I]       str
    roi_offsets [I+1]   image i has the rows roi_offsets[i] to roi_offsets[i+1] of the next three arrays
    rois [R, 4]         corners (x1, y1, x2, y2) in pixels of the original image, in the RPN's order, the best first
    roi_scores [R]      probability of the ROI's most likely category, background excluded
    roi_labels [R]      index of that category

and, for a network that weighs pairs of ROIs:

    pair_offsets [I+1]  the same for the next four arrays
    pairs [P, 2]        pairs of ROIs, as indices within the image, m then n, never m = n; ranked by W̃ (eq. 2)
    weights [P]         W̃ of each pair; never rises within an image
    row_pairs [P, 2]    pairs ranked by W_agg (eq. 4), as many per image as `pairs`
    row_weights [P]     W_agg of each of those
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple
from zipfile import ZipFile

import numpy as np

from data.common.files import array_names, read_arrays, replaced_on_success

PAIRS = 5000  # per image and ranking, unless more are asked for

# Name -> dtype and shape of a row. An RPN proposes at most 6,000 ROIs, so that two bytes are enough for an index.
ROI_FIELDS = {"rois": (np.float32, (4,)), "roi_scores": (np.float32, ()), "roi_labels": (np.uint16, ())}
PAIR_FIELDS = {
    "pairs": (np.uint16, (2,)),
    "weights": (np.float32, ()),
    "row_pairs": (np.uint16, (2,)),
    "row_weights": (np.float32, ()),
}


class Ranking(NamedTuple):
    """Pairs of ROIs in the order of a weight.

    Args:
        pairs: [P, 2] indices of ROIs, m then n, best first; never a ROI with itself.
        weights: [P] weight of each; never rises.
    """

    pairs: np.ndarray
    weights: np.ndarray


class Proposals(NamedTuple):
    """The ROIs of one image and the rankings of their pairs.

    Args:
        rois: [N, 4] corners in pixels of the original image, in the RPN's order, best first.
        scores: [N] probability of each ROI's most likely category.
        labels: [N] index of that category.
        by_matrix: pairs ranked by W̃, the softmax over the whole matrix; None in a network without pair weights.
        by_row: pairs ranked by W_agg, the softmax over each row; None likewise.
    """

    rois: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    by_matrix: Ranking | None = None
    by_row: Ranking | None = None


def best_pairs(keys: np.ndarray, most: int) -> np.ndarray:
    """The pairs with the largest keys.

    Args:
        keys: [N, N] floats; the diagonal is ignored.
        most: how many pairs to return; all N(N − 1) where there are fewer.

    Returns:
        [P] flat indices of `keys`, best first; equal keys in the order of their indices.

    Example:
        >>> np.divmod(best_pairs(np.array([[9.0, 1.0], [2.0, 9.0]]), most=5), 2)
        (array([1, 0]), array([0, 1]))
    """
    ranked = keys.copy()
    np.fill_diagonal(ranked, -np.inf)
    return largest(ranked.ravel(), min(most, keys.size - len(keys)))


def largest(values: np.ndarray, count: int) -> np.ndarray:
    """[count] indices of the largest of [M] values, largest first; equal ones in the order of their indices."""
    if not count:
        return np.empty(0, int)
    least = np.partition(values, -count)[-count]
    candidates = np.flatnonzero(values >= least)  # more than `count` where others equal the least
    return candidates[np.argsort(-values[candidates], kind="stable")[:count]]


def has_pairs(path: Path, with_pairs: bool, most: int) -> bool:
    """Whether a `relations.npz` has all arrays, and `most` pairs per image or as many as its ROIs make.

    Older versions wrote fewer arrays.

    Args:
        path: the file.
        with_pairs: whether the network weighs pairs.
        most: how many pairs per image are needed.

    Raises:
        UserError: it is damaged.
    """
    what, remedy = "relations file", "remove it and rerun the predict command"
    names = {"roi_offsets", *ROI_FIELDS} | ({"pair_offsets", *PAIR_FIELDS} if with_pairs else set())
    if not names <= array_names(path, what, remedy):
        return False
    if not with_pairs:
        return True
    offsets = read_arrays(path, ["roi_offsets", "pair_offsets"], what, remedy)
    rois, pairs = (np.diff(values) for values in offsets.values())
    return bool((pairs >= np.minimum(most, rois * (rois - 1))).all())


@contextmanager
def relations_writer(path: Path, with_pairs: bool) -> Iterator[Callable[[str, Proposals], None]]:
    """Yields a function that adds an image, its id and its proposals, to `relations.npz`.

    Rows go to unnamed files in the same folder, which the system removes however the process ends, so memory stays
    small. If the block succeeds, the archive is written from them atomically; otherwise no archive is written.

    Args:
        path: the file.
        with_pairs: whether the network weighs pairs, so that all proposals have both rankings.

    Raises:
        OSError: with the name of `path`, for example if the disk is full.
    """
    fields = ROI_FIELDS | (PAIR_FIELDS if with_pairs else {})
    ids: list[str] = []
    counts: dict[str, list[int]] = {name: [] for name in fields}
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        files = {name: stack.enter_context(TemporaryFile(dir=path.parent)) for name in fields}

        def add(image_id: str, proposals: Proposals) -> None:
            ids.append(image_id)
            rows = _rows(proposals)
            for name, (dtype, _) in fields.items():
                counts[name].append(len(rows[name]))
                try:
                    files[name].write(rows[name].astype(dtype, copy=False).tobytes())
                except OSError as error:
                    raise OSError(error.errno, error.strerror, str(path)) from error

        yield add
        offsets = {"roi_offsets": np.cumsum([0, *counts["rois"]])}
        if with_pairs:
            offsets["pair_offsets"] = np.cumsum([0, *counts["pairs"]])
        _write_archive(path, {"image_ids": np.array(ids, str), **offsets}, files, counts)


def _rows(proposals: Proposals) -> dict[str, np.ndarray]:
    """The rows of the proposals of an image, by array."""
    rows = {"rois": proposals.rois, "roi_scores": proposals.scores, "roi_labels": proposals.labels}
    if proposals.by_matrix is not None:
        rows |= {"pairs": proposals.by_matrix.pairs, "weights": proposals.by_matrix.weights}
        rows |= {"row_pairs": proposals.by_row.pairs, "row_weights": proposals.by_row.weights}
    return rows


def _write_archive(
    path: Path, arrays: dict[str, np.ndarray], files: dict[str, IO[bytes]], counts: dict[str, list[int]]
) -> None:
    """Writes the `.npz` from small arrays and from the rows in `files`, with `counts` rows per image.

    It is not compressed: compression to 78% (for 300 ROIs and 5,000 pairs) would double the time to read.
    """
    fields = ROI_FIELDS | PAIR_FIELDS
    with replaced_on_success(path) as temporary, ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array)
        for name, file in files.items():
            dtype, row = fields[name]
            header = {
                "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
                "fortran_order": False,
                "shape": (sum(counts[name]), *row),
            }
            file.seek(0)
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(member, header)
                shutil.copyfileobj(file, member)
