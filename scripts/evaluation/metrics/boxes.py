"""Overlap of boxes (x1, y1, x2, y2) in pixels, x2 and y2 the last that belong to them."""

import numpy as np


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union in float64, with sides x2 - x1 + 1, as in the VOC devkit and Relation Networks.

    Args:
        boxes: [..., 4]; the leading axes broadcast, so `iou(a[:, None], b)` is that of all pairs.
        others: [..., 4].

    Returns:
        [...] values in [0, 1]; 0 for boxes without area.
    """
    boxes, others = (np.moveaxis(each.astype(np.float64), -1, 0).copy() for each in (boxes, others))
    width = np.minimum(boxes[2], others[2]) - np.maximum(boxes[0], others[0]) + 1
    height = np.minimum(boxes[3], others[3]) - np.maximum(boxes[1], others[1]) + 1
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = _area(boxes) + _area(others) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _area(boxes: np.ndarray) -> np.ndarray:
    """[...] areas of boxes [4, ...]; 0 where their corners are in the wrong order."""
    x1, y1, x2, y2 = boxes
    return np.maximum(x2 - x1 + 1, 0) * np.maximum(y2 - y1 + 1, 0)
