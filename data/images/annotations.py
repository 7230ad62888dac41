"""What the readers of annotated images share: boxes brought into their pictures, and faults said in one line."""

from pathlib import Path

import numpy as np

from data.common.errors import UserError

MEND = "fix it, or remove it from the dataset"
NAMED = 3
NAMED_SPLITS = 6


def boxes_in_picture(corners: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cuts boxes off at the edges of their pictures.

    Args:
        corners: [G, 4] float32 (x1, y1, x2, y2) in pixels counted from 0, the last ones inclusive.
        sizes: [G, 2] width and height in pixels of each box's picture, or [2] of that of all.

    Returns:
        boxes [G, 4] float32, and sized [G] bool: whether a box is more than a single pixel wide and high.
    """
    last = np.concatenate([sizes, sizes], axis=-1).astype(np.float32) - 1
    boxes = np.minimum(np.maximum(corners, 0), last)
    return boxes, (boxes[:, :2] < boxes[:, 2:]).all(axis=1)


def refuse_any(faults: list[str], place: Path, what: str, remedy: str) -> None:
    """Raises a `UserError` that counts the `faults` at `place` and names the first, where there are any."""
    if faults:
        raise UserError(f"{place}: {len(faults):,} {what}: {some(faults)}; {remedy}")


def some(names: list[str], most: int = NAMED) -> str:
    """The first few of `names`, for a line that should stay one."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def splits_there(folder: Path, prefix: str, suffix: str) -> str:
    """Which splits have a file in `folder`, for the line that says which has none; the shortest names first."""
    names = sorted(path.name.removeprefix(prefix).removesuffix(suffix) for path in folder.glob(f"{prefix}*{suffix}"))
    return f"there are {some(sorted(names, key=len), NAMED_SPLITS)}" if names else "there is none"
