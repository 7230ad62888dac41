"""What the RPN and the head are trained towards.

Objects come as boxes [B, G, 4] and labels [B, G]: classes from 0, and -1 for padding. A batch has at least one column,
so an image without objects holds padding alone. Everything stays on the device of its arguments.
"""

from typing import NamedTuple

import numpy as np
from mxnet import nd
from mxnet.ndarray import NDArray

from data.records import ImageRecord
from vision.models.boxes import encode, iou

RPN_SAMPLES = 256  # anchors an image, at most half of them on objects
RPN_FOREGROUND, RPN_BACKGROUND = 0.7, 0.3  # IoU with the best object: from here on, and below
FOREGROUND = 0.5  # of a ROI
BOX_STDS = (0.1, 0.1, 0.2, 0.2)  # The head's deltas are divided by these.


class Targets(NamedTuple):
    """What anchors or ROIs should be called and where they should go; K of them an image.

    Args:
        labels: [B, K] of anchors: 1 on an object, 0 on none, -1 for those that teach nothing; of ROIs: 0 for
            background, 1 + the class elsewhere.
        deltas: [B, K, 4] to the object; without meaning where the label is not above 0.
    """

    labels: NDArray
    deltas: NDArray


def learned_objects(record: ImageRecord) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [G, 4] and labels [G] of what is trained on in an image.

    Difficult objects and crowds are left out, and anchors and ROIs on them are background: so do the code of Faster
    R-CNN for VOC and that of Relation Networks for COCO.
    """
    learned = _is_learned(record)
    return record.boxes[learned], record.labels[learned]


def learned_relations(record: ImageRecord) -> np.ndarray:
    """Annotated relations [R, 2] between `learned_objects`, as rows of these; none where nobody has annotated any."""
    if record.relations is None:
        return np.empty((0, 2), np.int64)
    learned = _is_learned(record)
    row = learned.cumsum() - 1  # [G] among those that are learned
    return row[record.relations[learned[record.relations].all(axis=1)]]


def rpn_targets(anchors: NDArray, boxes: NDArray, labels: NDArray, sizes: NDArray) -> Targets:
    """Draws the anchors that the RPN learns from: 256 an image, at most half of them on objects.

    An anchor is on an object at an IoU of 0.7, or if none has a larger IoU with that object; it is on none below 0.3.
    Those that cross the edge of the image teach nothing (Ren et al., 2015). GluonCV's `RPNTargetGenerator` is not
    used: what has the largest IoU with an object is background there if that is below 0.3.

    Args:
        anchors: [K, 4].
        boxes, labels: objects, as above.
        sizes: [B, 2] height and width of each image in pixels.
    """
    inside = _inside(anchors, sizes)  # [B, K]
    real = labels.expand_dims(1) >= 0  # [B, 1, G]
    overlaps = iou(anchors.expand_dims(0), boxes)  # [B, K, G]
    overlaps = nd.broadcast_mul(nd.broadcast_mul(overlaps, real), inside.expand_dims(2))
    best = overlaps.max(axis=2)  # [B, K]
    best_of_object = overlaps.max(axis=1, keepdims=True)  # [B, 1, G]
    is_best = nd.broadcast_mul(nd.broadcast_equal(overlaps, best_of_object), best_of_object > 0).max(axis=2)  # [B, K]
    foreground = nd.maximum(best >= RPN_FOREGROUND, is_best)
    background = inside * (best < RPN_BACKGROUND) * (1 - foreground)
    foreground = _draw(foreground, nd.full(len(boxes), RPN_SAMPLES // 2, ctx=boxes.context))
    background = _draw(background, RPN_SAMPLES - foreground.sum(axis=1))
    nearest = _nearest_objects(overlaps, boxes)  # [B, K, 4]
    deltas = encode(anchors.expand_dims(0).broadcast_like(nearest), nearest)
    return Targets(2 * foreground + background - 1, deltas)


def roi_targets(rois: NDArray, boxes: NDArray, labels: NDArray) -> Targets:
    """Labels every ROI: foreground at an IoU of 0.5 with an object, else background.

    Args:
        rois: [B, N, 4].
        boxes, labels: objects, as above.
    """
    real = labels.expand_dims(1) >= 0  # [B, 1, G]
    overlaps = nd.broadcast_mul(iou(rois, boxes), real)  # [B, N, G]
    classes = nd.pick(nd.broadcast_like(labels.expand_dims(1), overlaps), overlaps.argmax(axis=2))  # [B, N]
    foreground = overlaps.max(axis=2) >= FOREGROUND
    deltas = encode(rois, _nearest_objects(overlaps, boxes))  # [B, N, 4]
    return Targets(foreground * (classes + 1), nd.broadcast_div(deltas, nd.array(BOX_STDS, ctx=rois.context)))


def _is_learned(record: ImageRecord) -> np.ndarray:
    return ~(record.difficult | record.crowd)


def _inside(anchors: NDArray, sizes: NDArray) -> NDArray:
    """[B, K] 1 where an anchor lies within the image."""
    x1, y1, x2, y2 = nd.split(anchors.T, 4, axis=0)  # [1, K]
    height, width = nd.split(sizes, 2, axis=1)  # [B, 1]
    within = nd.broadcast_lesser(x2, width) * nd.broadcast_lesser(y2, height)
    return nd.broadcast_mul(within, (x1 >= 0) * (y1 >= 0))


def _draw(candidates: NDArray, most: NDArray) -> NDArray:
    """Keeps, of the 1s in [B, K], `most` [B] of each row at random, or all."""
    priority = candidates * nd.random.uniform(1, 2, candidates.shape, ctx=candidates.context)
    place = priority.argsort(axis=1, is_ascend=False).argsort(axis=1)  # [B, K], from 0
    return candidates * nd.broadcast_lesser(place, most.expand_dims(1))


def _nearest_objects(overlaps: NDArray, boxes: NDArray) -> NDArray:
    """The box that each of K overlaps most with: [B, K, G] and [B, G, 4] -> [B, K, 4]."""
    images, objects = boxes.shape[:2]
    first = nd.arange(0, images * objects, objects, ctx=boxes.context).expand_dims(1)  # [B, 1]
    return boxes.reshape((-1, 4)).take(nd.broadcast_add(overlaps.argmax(axis=2), first))
