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
    boxes, others = boxes.astype(np.float64), others.astype(np.float64)
    shared = _area(np.maximum(boxes[..., :2], others[..., :2]), np.minimum(boxes[..., 2:], others[..., 2:]))
    union = _area(boxes[..., :2], boxes[..., 2:]) + _area(others[..., :2], others[..., 2:]) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _area(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """[...] areas of boxes from their corners [..., 2]; 0 where those are in the wrong order."""
    return np.maximum(last - first + 1, 0).prod(axis=-1)
