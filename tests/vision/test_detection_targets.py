"""Targets of anchors and ROIs for hand-placed objects."""

from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd

from data.records import ImageRecord
from vision.models.anchors import anchor_boxes
from vision.models.boxes import decode
from vision.targets import BOX_STDS, RPN_SAMPLES, learned_objects, roi_targets, rpn_targets

NOTHING = [0, 0, 0, 0]  # the box of padding


def targets_of_anchors(anchors, objects, size=(100, 100)):
    """Labels and moved anchors of a single image with objects of one class."""
    boxes = nd.array([objects or [NOTHING]])
    labels = nd.zeros((1, len(objects))) if objects else -nd.ones((1, 1))
    anchors = nd.array(anchors)
    targets = rpn_targets(anchors, boxes, labels, nd.array([size]))
    moved = decode(anchors.expand_dims(0), targets.deltas)
    return targets.labels[0].asnumpy().tolist(), moved[0].asnumpy()


def test_anchors_are_labelled_by_their_overlap():
    anchors = [[10, 10, 29, 29], [10, 10, 29, 37], [10, 10, 29, 45], [50, 50, 69, 69]]  # IoU 1, 0.71, 0.56, 0
    labels, moved = targets_of_anchors(anchors, [[10, 10, 29, 29]])
    assert labels == [1, 1, -1, 0]
    np.testing.assert_allclose(moved[:3], [[10, 10, 29, 29]] * 3, atol=1e-3)


def test_the_best_anchor_of_an_object_is_always_foreground():
    anchors = [[0, 0, 49, 49], [0, 0, 59, 59], [60, 60, 99, 99]]  # IoU with the object 0.04, 0.03, 0
    labels, _ = targets_of_anchors(anchors, [[5, 5, 14, 14]])
    assert labels == [1, 0, 0]


def test_an_object_that_no_anchor_touches_has_no_best_one():
    labels, _ = targets_of_anchors([[0, 0, 9, 9], [20, 20, 29, 29]], [[80, 80, 89, 89]])
    assert labels == [0, 0]


def test_anchors_that_cross_the_edge_teach_nothing():
    anchors = [[-1, 0, 9, 9], [0, -1, 9, 9], [90, 0, 100, 9], [0, 40, 9, 50], [90, 40, 99, 49]]
    labels, _ = targets_of_anchors(anchors, [[0, 0, 9, 9]], size=(50, 100))  # height, width
    assert labels == [-1, -1, -1, -1, 0]


def test_256_anchors_are_sampled_at_most_half_foreground():
    anchors = nd.array(anchor_boxes(24, 24, 1).reshape(-1, 4))
    objects = np.stack(np.meshgrid(range(0, 384, 32), range(0, 384, 32)), axis=-1).reshape(1, -1, 2)
    objects = nd.array(np.concatenate([objects, objects + 31], axis=-1))  # 144 that fit an anchor exactly.
    arguments = anchors, objects, nd.zeros(objects.shape[:2]), nd.array([[384, 384]])
    mx.random.seed(1)
    labels = rpn_targets(*arguments).labels.asnumpy()
    assert [(labels == label).sum() for label in (1, 0)] == [RPN_SAMPLES // 2, RPN_SAMPLES // 2]
    mx.random.seed(1)
    again, other = (rpn_targets(*arguments).labels.asnumpy() for _ in range(2))
    assert (labels == again).all()
    assert (labels != other).any()


def test_rois_have_the_label_of_their_nearest_object():
    rois = nd.array([[[0, 0, 9, 9], [0, 0, 9, 19], [0, 0, 9, 20], [50, 50, 69, 69]]] * 2)
    boxes = nd.array([[[0, 0, 9, 9], [50, 52, 69, 69]], [NOTHING, NOTHING]])
    targets = roi_targets(rois, boxes, nd.array([[3, 0], [-1, -1]]))
    assert targets.labels.asnumpy().tolist() == [[4, 4, 0, 1], [0, 0, 0, 0]]  # IoU 1, 0.5, 0.48 and 0.9
    moved = decode(rois, targets.deltas * nd.array(BOX_STDS).reshape((1, 1, 4)))
    np.testing.assert_allclose(moved.asnumpy()[0, [0, 1, 3]], [[0, 0, 9, 9], [0, 0, 9, 9], [50, 52, 69, 69]], atol=1e-3)
    assert np.isfinite(targets.deltas.asnumpy()).all()


def test_padding_is_never_an_object():
    targets = roi_targets(nd.array([[NOTHING]]), nd.array([[NOTHING]]), nd.array([[-1]]))
    assert targets.labels.asnumpy().tolist() == [[0]]


@pytest.mark.parametrize("flag", ["difficult", "crowd"])
def test_difficult_objects_and_crowds_are_not_learned(flag):
    flags = {"difficult": np.zeros(2, bool), "crowd": np.zeros(2, bool), flag: np.array([True, False])}
    boxes = np.array([[0, 0, 5, 5], [1, 1, 8, 8]], np.float32)
    record = ImageRecord("1", Path("1.jpg"), 10, 10, boxes, np.array([3, 4]), **flags)
    learned, labels = learned_objects(record)
    assert (learned.tolist(), labels.tolist()) == ([[1, 1, 8, 8]], [4])
