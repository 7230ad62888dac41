"""From the pair weights of FAN to relationship proposals, the pairs of ROIs with the largest ones, and their file."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from mxnet import nd
from mxnet.ndarray import NDArray

from data.files import replaced_on_success

# What a row of each array of `relations.npz` is. An RPN proposes 6,000 ROIs at most: two bytes will do for an index.
ROWS = {"rois": (np.float32, (4,)), "pairs": (np.uint16, (2,)), "weights": (np.float32, ())}

# Of 300 ROIs around a few objects and their 5,000 best pairs, 45 kB an image, level 1 leaves 78% in 0.9 ms; level 6,
# which NumPy takes, 77% in 2.5 ms.
COMPRESSION = {"compression": ZIP_DEFLATED, "compresslevel": 1}


class Proposals(NamedTuple):
    """The relationship proposals of one image, best first.

    Args:
        rois: [N, 4] float32 corners in pixels of the original image.
        pairs: [P, 2] uint16 indices of ROIs, m then n; never a ROI with itself.
        weights: [P] float32, of W̃ (eq. 2).
    """

    rois: np.ndarray
    pairs: np.ndarray
    weights: np.ndarray


def relationship_proposals(
    rois: NDArray, mask: NDArray, relations: NDArray, scales: NDArray, most: int = 5000
) -> list[Proposals]:
    """The pairs of ROIs with the largest weights, in each image of a batch (paper, section 4.3).

    Weights are the matrix-wise softmax over all pairs of real ROIs, those with themselves too, whichever softmax the
    network was trained with. They are ranked before it: where it rounds several to one number, their order stands.

    Args:
        rois: [B, N, 4] in pixels of the network's input.
        mask: [B, N] 1 where a ROI is real, 0 where it fills the list; those are left out.
        relations: [B, N, N] weights W before any softmax.
        scales: [B] by which the original images were multiplied.
        most: pairs an image to keep; an image with fewer keeps them all.
    """
    rois = nd.broadcast_div(rois, scales.reshape((-1, 1, 1)))
    arrays = (array.asnumpy() for array in (rois, mask, relations))
    return [_propose(*image, most) for image in zip(*arrays, strict=True)]


def _propose(rois: np.ndarray, mask: np.ndarray, logits: np.ndarray, most: int) -> Proposals:
    """Proposals from ROIs [N, 4], mask [N] and W [N, N] of one image."""
    real = np.flatnonzero(mask)
    # In float64, as in float32 the exponentials of neighbouring numbers may come out in the wrong order.
    logits = logits[np.ix_(real, real)].astype(np.float64)
    best = _best_pairs(logits, most)
    exponentials = np.exp(logits - logits.max(initial=-np.inf))
    weights = exponentials.flat[best] / exponentials.sum()
    pairs = np.stack(np.divmod(best, len(real)), axis=1)
    return Proposals(rois[real], pairs.astype(np.uint16), weights.astype(np.float32))


def _best_pairs(logits: np.ndarray, most: int) -> np.ndarray:
    """[P] flat indices of the largest entries of [N, N] off its diagonal; equal ones in the order where they stand."""
    count = min(most, logits.size - len(logits))
    if not count:
        return np.empty(0, int)
    ranked = logits.copy()
    np.fill_diagonal(ranked, -np.inf)
    least = np.partition(ranked, -count, axis=None)[-count]
    candidates = np.flatnonzero(ranked >= least)  # More than `count` where others equal the least.
    return candidates[np.argsort(-ranked.flat[candidates], kind="stable")[:count]]


@contextmanager
def relations_writer(path: Path) -> Iterator[Callable[[str, Proposals], None]]:
    """Yields what adds an image, its id and its proposals, to `relations.npz`; `scripts.predictions` says what that is.

    Memory is flat but for the ids: rows lie in nameless files of the same folder, which the system removes however the
    process ends. If the block ends well the archive is made of them in one step, else there is none.

    Raises:
        OSError: bears the name of `path` where the disk is full.
    """
    ids: list[str] = []
    counts: dict[str, list[int]] = {name: [] for name in ROWS}
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        files = {name: stack.enter_context(TemporaryFile(dir=path.parent)) for name in ROWS}

        def add(image_id: str, proposals: Proposals) -> None:
            ids.append(image_id)
            for name, (dtype, _) in ROWS.items():
                rows = getattr(proposals, name)
                counts[name].append(len(rows))
                try:
                    files[name].write(rows.astype(dtype, copy=False).tobytes())
                except OSError as error:
                    raise OSError(error.errno, error.strerror, str(path)) from error

        yield add
        _write_archive(path, ids, counts, files)


def _write_archive(path: Path, ids: list[str], counts: dict[str, list[int]], files: dict[str, IO[bytes]]) -> None:
    """Writes the `.npz` of the ids [I], how many rows each image has, and the rows themselves."""
    arrays = {
        "image_ids": np.array(ids, str),
        "roi_offsets": np.cumsum([0, *counts["rois"]]),
        "pair_offsets": np.cumsum([0, *counts["pairs"]]),
    }
    with replaced_on_success(path) as temporary, ZipFile(temporary, "w", **COMPRESSION) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array)
        for name, file in files.items():
            dtype, row = ROWS[name]
            shape = (sum(counts[name]), *row)
            description = {
                "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
                "fortran_order": False,
                "shape": shape,
            }
            file.seek(0)
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(member, description)
                shutil.copyfileobj(file, member)
