"""The boxes that the RPN starts from: twelve around each cell of the feature map."""

import numpy as np

STRIDE = 16  # pixels a cell of the feature map
SIZES = (1, 2, 4, 8)  # in smallest anchors
RATIOS = (0.5, 1.0, 2.0)  # height to width
PER_CELL = len(RATIOS) * len(SIZES)


def scales(smallest: float) -> tuple[float, ...]:
    """Sides of the four square anchors in cells, from that of the smallest."""
    return tuple(smallest * size for size in SIZES)


def anchor_boxes(height: int, width: int, smallest: float) -> np.ndarray:
    """All anchors of a feature map of `height` × `width` cells.

    Those of Relation Networks (and of MXNet's `MultiProposal`, which makes its own): a 16 × 16 cell is given each
    aspect ratio, its sides rounded to whole pixels, and then multiplied by each scale.

    Args:
        smallest: side of the smallest square anchor in cells; 4 there.

    Returns:
        [height, width, 12, 4] float32 corners (x1, y1, x2, y2); ratio by ratio, and for each from small to large.
    """
    widths = np.round(np.sqrt(STRIDE**2 / np.array(RATIOS)))
    sides = np.stack([widths, np.round(widths * RATIOS)], axis=1)  # [3, 2]
    sides = (sides[:, None] * np.array(scales(smallest))[:, None]).reshape(-1, 2)  # [12, 2] width and height
    first = (STRIDE - sides) / 2  # Of the cell at the origin, whose centre is at 7.5.
    around_origin = np.concatenate([first, first + sides - 1], axis=1)  # [12, 4]
    y, x = STRIDE * np.mgrid[:height, :width]
    shifts = np.stack([x, y, x, y], axis=-1)  # [height, width, 4]
    return (shifts[:, :, None] + around_origin).astype(np.float32)
