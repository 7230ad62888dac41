"""Boxes as NDArrays of corners (x1, y1, x2, y2): overlap, encoding and clipping.

Corners are pixels inside the box, so sides are x2 - x1 + 1, as in the code of Relation Networks.
"""

from mxnet import nd
from mxnet.ndarray import NDArray


def iou(boxes: NDArray, others: NDArray) -> NDArray:
    """Intersection over union of all pairs: [..., N, 4] and [..., G, 4] -> [..., N, G].

    The leading axes are equal, or 1 in one of both. Boxes have x2 >= x1 - 1. The IoU of two boxes without area is NaN.

    Example:
        >>> iou(nd.array([[0, 0, 9, 9]]), nd.array([[0, 0, 9, 4], [20, 20, 29, 29]])).asnumpy().tolist()
        [[0.5, 0.0]]
    """
    shared, union = intersection_and_union(nd, boxes, others)
    return shared / union


def intersection_and_union(F, boxes, others):
    """Areas [..., N, G] of the intersection and union of all pairs, as for `iou`.

    Args:
        F: `mxnet.nd`, or `mxnet.sym` inside a hybridised block.
        boxes: [..., N, 4].
        others: [..., G, 4].
    """
    x1, y1, x2, y2 = F.split(boxes, num_outputs=4, axis=-1)  # [..., N, 1]
    u1, v1, u2, v2 = F.split(F.swapaxes(others, dim1=-2, dim2=-1), num_outputs=4, axis=-2)  # [..., 1, G]
    width = F.relu(F.broadcast_minimum(x2, u2) - F.broadcast_maximum(x1, u1) + 1)  # [..., N, G]
    height = F.relu(F.broadcast_minimum(y2, v2) - F.broadcast_maximum(y1, v1) + 1)
    shared = width * height
    return shared, F.broadcast_add((x2 - x1 + 1) * (y2 - y1 + 1), (u2 - u1 + 1) * (v2 - v1 + 1)) - shared


def encode(boxes: NDArray, targets: NDArray) -> NDArray:
    """The deltas (dx, dy, dw, dh) [..., 4] from `boxes` to `targets`, both [..., 4].

    They are offsets of the centres in sides of the box, and logarithms of the ratios of the sides.

    Example:
        >>> encode(nd.array([[0, 0, 9, 9]]), nd.array([[5, 0, 14, 9]])).asnumpy().tolist()
        [[0.5, 0.0, 0.0, 0.0]]
    """
    x, y, width, height = _centre_form(boxes)
    target_x, target_y, target_width, target_height = _centre_form(targets)
    return nd.concat(
        (target_x - x) / width,
        (target_y - y) / height,
        nd.log(target_width / width),
        nd.log(target_height / height),
        dim=-1,
    )


def decode(boxes: NDArray, deltas: NDArray) -> NDArray:
    """Applies `deltas` to `boxes`, both [..., 4]: the inverse of `encode`.

    Example:
        >>> decode(nd.array([[0, 0, 9, 9]]), nd.array([[0.5, 0, 0, 0]])).asnumpy().tolist()
        [[5.0, 0.0, 14.0, 9.0]]
    """
    x, y, width, height = _centre_form(boxes)
    dx, dy, dw, dh = nd.split(deltas, 4, axis=-1)
    x, y = x + dx * width, y + dy * height
    half_width, half_height = (nd.exp(dw) * width - 1) / 2, (nd.exp(dh) * height - 1) / 2
    return nd.concat(x - half_width, y - half_height, x + half_width, y + half_height, dim=-1)


def clip(boxes: NDArray, sizes: NDArray) -> NDArray:
    """Clips `boxes` [B, N, 4] to their images, whose `sizes` [B, 2] are (height, width).

    Example:
        >>> clip(nd.array([[[-3, 5, 40, 50]]]), nd.array([[20, 30]])).asnumpy().tolist()
        [[[0.0, 5.0, 29.0, 19.0]]]
    """
    last = nd.flip(sizes, axis=1).tile((1, 2)).expand_dims(1) - 1  # [B, 1, 4]
    return nd.broadcast_minimum(nd.relu(boxes), last)


def _centre_form(boxes: NDArray) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Centre x, centre y, width and height of [..., 4], each [..., 1]."""
    x1, y1, x2, y2 = nd.split(boxes, 4, axis=-1)
    return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1 + 1, y2 - y1 + 1
