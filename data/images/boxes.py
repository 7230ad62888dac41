"""Boxes (x1, y1, x2, y2) and their overlap, in NumPy.

Pixels are counted from 0, and x2 and y2 are the last pixels of a box. A box is thus x2 - x1 + 1 pixels wide, as in the
VOC devkit and in the Faster R-CNN and Relation Networks code. Coordinates may be fractions of pixels.
"""

import numpy as np


def clip_boxes(boxes: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Clips boxes to their images.

    Args:
        boxes: [G, 4] float32.
        sizes: width and height in pixels: [G, 2] of the image of each box, or [2] of one image.

    Returns:
        clipped boxes [G, 4] float32, and valid [G] bool: x1 < x2 and y1 < y2. Other boxes are called empty.

    Example:
        >>> boxes, valid = clip_boxes(np.array([[-3, 2, 50, 9], [25, 4, 30, 9]], np.float32), np.array([20, 10]))
        >>> boxes.tolist(), valid.tolist()
        ([[0.0, 2.0, 19.0, 9.0], [19.0, 4.0, 19.0, 9.0]], [True, False])
    """
    last = np.concatenate([sizes, sizes], axis=-1).astype(np.float32) - 1
    clipped = np.minimum(np.maximum(boxes, 0), last)
    return clipped, (clipped[:, :2] < clipped[:, 2:]).all(axis=1)


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union, in float64.

    Args:
        boxes: [..., 4]; leading axes broadcast, so `iou(a[:, None], b)` has all pairs.
        others: [..., 4].

    Returns:
        [...] values in [0, 1]; 0 for boxes without area.

    Example:
        >>> iou(np.array([0, 0, 9, 9]), np.array([0, 0, 9, 4])).item()  # 50 of 100 pixels
        0.5
    """
    boxes, others = (np.moveaxis(each.astype(np.float64), -1, 0).copy() for each in (boxes, others))
    width = np.minimum(boxes[2], others[2]) - np.maximum(boxes[0], others[0]) + 1
    height = np.minimum(boxes[3], others[3]) - np.maximum(boxes[1], others[1]) + 1
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = _area(boxes) + _area(others) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _area(boxes: np.ndarray) -> np.ndarray:
    """[...] areas of boxes [4, ...]; 0 if corners are in the wrong order."""
    x1, y1, x2, y2 = boxes
    return np.maximum(x2 - x1 + 1, 0) * np.maximum(y2 - y1 + 1, 0)
