"""Anchors, the boxes that the RPN starts from: twelve around each cell of the feature map."""

import numpy as np

STRIDE = 16  # pixels per cell of the feature map
SIZES = (1, 2, 4, 8)  # relative to the smallest anchors
RATIOS = (0.5, 1.0, 2.0)  # height / width
PER_CELL = len(RATIOS) * len(SIZES)


def scales(smallest: float) -> tuple[float, ...]:
    """Sides of the four square anchors in cells, from the side of the smallest."""
    return tuple(smallest * size for size in SIZES)


def anchor_boxes(height: int, width: int, smallest: float) -> np.ndarray:
    """All anchors of a feature map of `height` × `width` cells.

    As in Relation Networks and in MXNet's `MultiProposal`, which computes its own, a 16 × 16 cell is reshaped to each
    aspect ratio, with sides rounded to integers, and then multiplied by each scale.

    Args:
        smallest: side of the smallest square anchor in cells; 4 in Relation Networks.

    Returns:
        [height, width, 12, 4] float32 corners (x1, y1, x2, y2), ordered by ratio and then by size.

    Example:
        >>> anchors = anchor_boxes(height=2, width=3, smallest=1)
        >>> anchors.shape, anchors[0, 0, 4].tolist()  # the smallest square around the first cell
        ((2, 3, 12, 4), [0.0, 0.0, 15.0, 15.0])
    """
    widths = np.round(np.sqrt(STRIDE**2 / np.array(RATIOS)))
    sides = np.stack([widths, np.round(widths * RATIOS)], axis=1)  # [3, 2]
    sides = (sides[:, None] * np.array(scales(smallest))[:, None]).reshape(-1, 2)  # [12, 2] width and height
    first = (STRIDE - sides) / 2  # of the cell at the origin, with its centre at 7.5
    around_origin = np.concatenate([first, first + sides - 1], axis=1)  # [12, 4]
    y, x = STRIDE * np.mgrid[:height, :width]
    shifts = np.stack([x, y, x, y], axis=-1)  # [height, width, 4]
    return (shifts[:, :, None] + around_origin).astype(np.float32)
