"""What the detector is trained towards."""

from typing import Literal, get_args

from mxnet import nd

Rule = Literal["different_category", "different_instance", "annotated"]


def relation_targets(rois, boxes, labels, rule: Rule = "different_category", relations=None, iou_thresh=0.5, F=nd):
    """Relation labels T of the ROIs of an image: t_mn = 1 where m lies on an object that is related to n's.

    A ROI lies on an object when their IoU is above `iou_thresh`. It may lie on several: t_mn = 1 if any pair of objects
    fits (paper, section 3.2 and appendix A.4). Sides of boxes are x2 - x1 + 1, as in Relation Networks.

    Everything is computed on the device of the arguments, for one image or a batch of them ("..." is nothing or B),
    with no more than N × N, N × G and G × G numbers at a time.

    Args:
        rois: [..., N, 4] corner form (x1, y1, x2, y2), in pixels.
        boxes: [..., G, 4] of the objects, in the same pixels. Batches are padded, and an image without objects has one
            padded box.
        labels: [..., G] category of each object; below 0: padding, on which nothing lies.
        rule: "different_category": objects of two categories, and "different_instance": any two objects, both in
            either order; "annotated": those of `relations`, in their order.
        relations: [..., R, 2] rows of `boxes`, subject then object, padded with -1; other rules ignore it.
        iou_thresh: what the IoU must exceed.
        F: `mxnet.nd`, or `mxnet.sym` inside a hybridised block.

    Returns:
        [..., N, N] float32 of 0 and 1; 0 on the diagonal.

    Raises:
        ValueError: an unknown rule, or "annotated" without `relations`.
    """
    if rule not in get_args(Rule):
        raise ValueError(f"rule {rule!r}: must be of {get_args(Rule)}")
    if rule == "annotated" and relations is None:
        raise ValueError("rule 'annotated': needs relations")
    on_object = _exceeds_iou(F, rois, boxes, iou_thresh)  # [..., N, G]
    related = _related_objects(F, F.cast(labels, "float32"), rule, relations)  # [..., G, G]
    # How many pairs of objects fit; sums of products of zeros and ones, so exact.
    pairs = F.linalg.gemm2(F.linalg.gemm2(on_object, related), on_object, transpose_b=True)  # [..., N, N]
    return F.broadcast_mul(pairs > 0, _off_diagonal(F, F.contrib.arange_like(rois, axis=-2)))


def _exceeds_iou(F, rois, boxes, iou_thresh):
    """[..., N, G] 1 where the IoU of [..., N, 4] and [..., G, 4] is above `iou_thresh`."""
    x1, y1, x2, y2 = F.split(rois, num_outputs=4, axis=-1)  # [..., N, 1]
    u1, v1, u2, v2 = F.split(F.swapaxes(boxes, dim1=-2, dim2=-1), num_outputs=4, axis=-2)  # [..., 1, G]
    width = F.relu(F.broadcast_minimum(x2, u2) - F.broadcast_maximum(x1, u1) + 1)  # [..., N, G]
    height = F.relu(F.broadcast_minimum(y2, v2) - F.broadcast_maximum(y1, v1) + 1)
    shared = width * height
    union = F.broadcast_add((x2 - x1 + 1) * (y2 - y1 + 1), (u2 - u1 + 1) * (v2 - v1 + 1)) - shared
    return shared > iou_thresh * union


def _related_objects(F, labels, rule, relations):
    """[..., G, G] above 0 where the objects of `labels` [..., G] are related, 0 elsewhere and at padding."""
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
    """[K, K] 1 where m ≠ n, of an `index` [K] that counts from 0."""
    return F.broadcast_not_equal(F.expand_dims(index, axis=1), F.expand_dims(index, axis=0))
