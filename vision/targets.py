"""Training targets of the RPN, of the head, and of the relations between ROIs.

Objects are boxes [B, G, 4] and labels [B, G]: classes from 0, -1 for padding. Every batch has at least one column, so
an image without objects has padding alone. All targets are computed on the device of their arguments.
"""

from typing import NamedTuple, get_args

import numpy as np
from mxnet import nd
from mxnet.ndarray import NDArray

from data.images.relations import Rule, usable_objects
from data.records import ImageRecord
from vision.models.boxes import encode, intersection_and_union, iou

RPN_SAMPLES = 256  # anchors per image, at most half of them on objects
RPN_FOREGROUND, RPN_BACKGROUND = 0.7, 0.3  # IoU with the best object: foreground from 0.7, background below 0.3
FOREGROUND = 0.5  # the same of a ROI
BOX_STDS = (0.1, 0.1, 0.2, 0.2)  # the head's deltas are divided by these


class Targets(NamedTuple):
    """Labels and box deltas of K anchors or ROIs per image.

    Args:
        labels: [B, K]; of anchors: 1 foreground, 0 background, -1 ignored; of ROIs: 0 background, else 1 + class.
        deltas: [B, K, 4] to the object; undefined where the label is not above 0.
    """

    labels: NDArray
    deltas: NDArray


# --- objects of a record ----------------------------------------------------------------------------------------------


def learned_objects(record: ImageRecord) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [G, 4] and labels [G] of the objects that are trained on.

    Difficult objects and crowds are dropped, and anchors and ROIs on them are background, as in the code of Faster
    R-CNN for VOC and of Relation Networks for COCO.
    """
    usable = usable_objects(record)
    return record.boxes[usable], record.labels[usable]


def learned_relations(record: ImageRecord) -> np.ndarray:
    """Annotated relations [R, 2] as rows of `learned_objects`; R = 0 without relation annotations."""
    if record.relations is None:
        return np.empty((0, 2), np.int64)
    usable = usable_objects(record)
    row = usable.cumsum() - 1  # [G] index among the usable objects
    return row[record.relations[usable[record.relations].all(axis=1)]]


# --- RPN and head -----------------------------------------------------------------------------------------------------


def rpn_targets(anchors: NDArray, boxes: NDArray, labels: NDArray, sizes: NDArray) -> Targets:
    """Samples the anchors that the RPN learns from: 256 per image, at most half of them foreground.

    An anchor is foreground if its IoU with an object is at least 0.7, or is the largest of all anchors with that
    object; it is background if all its IoUs are below 0.3. Anchors that cross the edge of the image are ignored (Ren et
    al., 2015). GluonCV's `RPNTargetGenerator` differs: there the best anchor of an object is background if its IoU is
    below 0.3.

    Args:
        anchors: [K, 4].
        boxes, labels: objects, see the module.
        sizes: [B, 2] height and width of each image in pixels.

    Example:
        >>> anchors = nd.array([[0, 0, 9, 9], [20, 20, 29, 29], [25, 25, 34, 34]])
        >>> boxes, labels = nd.array([[[0, 0, 9, 10]]]), nd.array([[7]])
        >>> rpn_targets(anchors, boxes, labels, nd.array([[30, 30]])).labels.asnumpy().tolist()
        [[1.0, 0.0, -1.0]]
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
    foreground = _sample(foreground, nd.full(len(boxes), RPN_SAMPLES // 2, ctx=boxes.context))
    background = _sample(background, RPN_SAMPLES - foreground.sum(axis=1))
    nearest = _nearest_objects(overlaps, boxes)  # [B, K, 4]
    deltas = encode(anchors.expand_dims(0).broadcast_like(nearest), nearest)
    return Targets(2 * foreground + background - 1, deltas)


def roi_targets(rois: NDArray, boxes: NDArray, labels: NDArray) -> Targets:
    """Labels every ROI: foreground if its IoU with an object is at least 0.5, else background.

    Args:
        rois: [B, N, 4].
        boxes, labels: objects, see the module.

    Example:
        >>> rois, boxes = nd.array([[[0, 0, 9, 9], [50, 50, 69, 69]]]), nd.array([[[0, 0, 9, 9]]])
        >>> roi_targets(rois, boxes, labels=nd.array([[7]])).labels.asnumpy().tolist()
        [[8.0, 0.0]]
    """
    real = labels.expand_dims(1) >= 0  # [B, 1, G]
    overlaps = nd.broadcast_mul(iou(rois, boxes), real)  # [B, N, G]
    classes = nd.pick(nd.broadcast_like(labels.expand_dims(1), overlaps), overlaps.argmax(axis=2))  # [B, N]
    foreground = overlaps.max(axis=2) >= FOREGROUND
    deltas = encode(rois, _nearest_objects(overlaps, boxes))  # [B, N, 4]
    return Targets(foreground * (classes + 1), nd.broadcast_div(deltas, nd.array(BOX_STDS, ctx=rois.context)))


def _inside(anchors: NDArray, sizes: NDArray) -> NDArray:
    """[B, K] 1 where an anchor is within the image."""
    x1, y1, x2, y2 = nd.split(anchors.T, 4, axis=0)  # [1, K]
    height, width = nd.split(sizes, 2, axis=1)  # [B, 1]
    within = nd.broadcast_lesser(x2, width) * nd.broadcast_lesser(y2, height)
    return nd.broadcast_mul(within, (x1 >= 0) * (y1 >= 0))


def _sample(candidates: NDArray, most: NDArray) -> NDArray:
    """Keeps `most` [B] random 1s in each row of [B, K], or all if there are fewer."""
    priority = candidates * nd.random.uniform(1, 2, candidates.shape, ctx=candidates.context)
    place = priority.argsort(axis=1, is_ascend=False).argsort(axis=1)  # [B, K], from 0
    return candidates * nd.broadcast_lesser(place, most.expand_dims(1))


def _nearest_objects(overlaps: NDArray, boxes: NDArray) -> NDArray:
    """The object with the largest IoU: overlaps [B, K, G] and boxes [B, G, 4] -> [B, K, 4]."""
    images, objects = boxes.shape[:2]
    first = nd.arange(0, images * objects, objects, ctx=boxes.context).expand_dims(1)  # [B, 1]
    return boxes.reshape((-1, 4)).take(nd.broadcast_add(overlaps.argmax(axis=2), first))


# --- relations --------------------------------------------------------------------------------------------------------


def relation_targets(rois, boxes, labels, rule: Rule = "different_category", relations=None, iou_thresh=0.5, F=nd):
    """Relation labels T of the ROIs of an image: t_mn = 1 if m is on an object that is related to an object under n.

    A ROI is on an object if their IoU exceeds `iou_thresh`. It may be on several objects: t_mn = 1 if any pair of them
    is related (paper, section 3.2 and appendix A.4). Sides of boxes are x2 - x1 + 1, as in Relation Networks.

    Works for one image or a batch ("..." is nothing or B), with no more than N × N, N × G and G × G numbers at a time.

    Args:
        rois: [..., N, 4] corners (x1, y1, x2, y2) in pixels.
        boxes: [..., G, 4] objects in the same pixels.
        labels: [..., G] category of each object; below 0 for padding.
        rule: "different_category": objects of two categories, or "different_instance": any two objects, both in either
            order; "annotated": those of `relations`, in their order. See `data.images.relations`.
        relations: [..., R, 2] rows of `boxes`, subject then object, -1 for padding; only for "annotated".
        iou_thresh: threshold of the IoU.
        F: `mxnet.nd`, or `mxnet.sym` inside a hybridised block.

    Returns:
        [..., N, N] float32 of 0 and 1; 0 on the diagonal.

    Raises:
        ValueError: unknown rule, or "annotated" without `relations`.

    Example:
        >>> boxes = nd.array([[0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]])
        >>> relation_targets(boxes, boxes, labels=nd.array([7, 7, 2])).asnumpy().astype(int).tolist()
        [[0, 0, 1], [0, 0, 1], [1, 1, 0]]
    """
    if rule not in get_args(Rule):
        raise ValueError(f"rule {rule!r}: must be one of {get_args(Rule)}")
    if rule == "annotated" and relations is None:
        raise ValueError("rule 'annotated' requires relations")
    shared, union = intersection_and_union(F, rois, boxes)  # [..., N, G]
    on_object = shared > iou_thresh * union
    related = _related_objects(F, F.cast(labels, "float32"), rule, relations)  # [..., G, G]
    # The number of related pairs of objects: sums of products of 0 and 1, so exact.
    pairs = F.linalg.gemm2(F.linalg.gemm2(on_object, related), on_object, transpose_b=True)  # [..., N, N]
    return F.broadcast_mul(pairs > 0, _off_diagonal(F, F.contrib.arange_like(rois, axis=-2)))


def _related_objects(F, labels, rule, relations):
    """[..., G, G] above 0 where objects with `labels` [..., G] are related, 0 elsewhere and at padding."""
    index = F.contrib.arange_like(labels, axis=-1)  # [G]
    if rule == "different_category":
        related = F.broadcast_not_equal(F.expand_dims(labels, axis=-1), F.expand_dims(labels, axis=-2))
    elif rule == "different_instance":
        related = _off_diagonal(F, index)
    else:
        subjects, objects = F.split(F.cast(relations, "float32"), num_outputs=2, axis=-1)  # [..., R, 1]
        related = F.linalg.gemm2(
            F.broadcast_equal(subjects, index), F.broadcast_equal(objects, index), transpose_a=True
        )
    real = labels >= 0
    return F.broadcast_mul(related, F.broadcast_mul(F.expand_dims(real, axis=-1), F.expand_dims(real, axis=-2)))


def _off_diagonal(F, index):
    """[K, K] 1 where m ≠ n, from the indices 0 to K - 1."""
    return F.broadcast_not_equal(F.expand_dims(index, axis=1), F.expand_dims(index, axis=0))
