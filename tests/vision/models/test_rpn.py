"""Proposals against the rules of Relation Networks in NumPy, and masks of short lists."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, nd

from vision.models.anchors import anchor_boxes
from vision.models.rpn import NMS_IOU, RPN

ROIS = 20


def make_rpn(rois=ROIS, anchor_scale=2):
    """An RPN with varied scores and deltas."""
    mx.random.seed(2)
    rpn = RPN(rois, anchor_scale, channels=6, in_channels=5)
    rpn.initialize()
    rpn.cls_score.weight.set_data(nd.random.normal(0, 5, (24, 6, 1, 1)))
    rpn.bbox_pred.weight.set_data(nd.random.normal(0, 2, (48, 6, 1, 1)))
    return rpn


def conv4(height=4, width=6):
    return nd.array(np.random.default_rng(3).normal(0, 1, (2, 5, height, width)))


def proposals(logits, deltas, size, anchor_scale=2):
    """Anchors of an image after box regression, clipping and NMS, best first."""
    anchors = anchor_boxes(*logits.shape[:2], anchor_scale).reshape(-1, 4).astype(np.float64)
    logits, deltas = logits.reshape(-1, 2).astype(np.float64), deltas.reshape(-1, 4).astype(np.float64)
    sides = anchors[:, 2:] - anchors[:, :2] + 1
    centres = anchors[:, :2] + (sides - 1) / 2 + deltas[:, :2] * sides
    half = (sides * np.exp(deltas[:, 2:]) - 1) / 2
    boxes = np.concatenate([centres - half, centres + half], axis=1).clip(0, np.array([*size[::-1], *size[::-1]]) - 1)
    kept = []
    for index in np.argsort(logits[:, 0] - logits[:, 1], kind="stable"):
        if all(overlap(boxes[index], boxes[other]) <= NMS_IOU for other in kept):
            kept.append(index)
    return boxes[kept]


def overlap(a, b):
    shared = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]) + 1, 0))
    return shared / (np.prod(a[2:] - a[:2] + 1) + np.prod(b[2:] - b[:2] + 1) - shared)


@pytest.mark.parametrize("hybrid", [False, True])
def test_proposals_follow_relation_networks(hybrid):
    rpn = make_rpn()
    if hybrid:
        rpn.hybridize()
    logits, deltas, rois, mask = (array.asnumpy() for array in rpn(conv4(), nd.array([[64, 96]] * 2)))
    assert (logits.shape, deltas.shape) == ((2, 4, 6, 12, 2), (2, 4, 6, 12, 4))
    assert mask.tolist() == [[1] * ROIS] * 2
    for image in range(2):
        expected = proposals(logits[image], deltas[image], (64, 96))[:ROIS]
        np.testing.assert_allclose(rois[image], expected, atol=1e-2)


def test_scores_and_deltas_are_those_of_their_anchors():
    rpn = make_rpn()
    features = conv4()
    logits, deltas = (array.asnumpy() for array in rpn(features, nd.array([[64, 96]] * 2))[:2])
    shared = nd.relu(rpn.conv_3x3(features))
    scores, moves = rpn.cls_score(shared).asnumpy(), rpn.bbox_pred(shared).asnumpy()
    for anchor in (0, 7):
        for kind in (0, 1):
            assert (logits[:, :, :, anchor, kind] == scores[:, 12 * kind + anchor]).all()
        assert (deltas[:, :, :, anchor, 2] == moves[:, 4 * anchor + 2]).all()


def test_a_repeated_list_is_masked():
    few, many = (make_rpn(rois)(conv4(1, 2), nd.array([[16, 32]] * 2)) for rois in (2, 50))
    rois, mask = (array.asnumpy() for array in many[2:])
    for image in range(2):
        expected = proposals(*(array[image].asnumpy() for array in many[:2]), (16, 32))
        assert mask[image].tolist() == [1] * len(expected) + [0] * (50 - len(expected))
        np.testing.assert_allclose(rois[image][: len(expected)], expected, atol=1e-2)
    assert (few[2].asnumpy() == rois[:, :2]).all()
    assert few[3].asnumpy().all()


def test_smaller_images_have_no_proposals_in_the_padding():
    alone, beside = (
        make_rpn(200)(features, nd.array([[64, 64], [64, 96]][: len(features)])) for features in (conv4()[:1], conv4())
    )
    rois, mask = beside[2][0].asnumpy(), beside[3][0].asnumpy()
    assert mask.any()
    assert not mask.all()
    assert rois[:, 2].max() <= 63
    logits, deltas = (array[0].asnumpy()[:, :4] for array in beside[:2])  # the cells inside the image
    np.testing.assert_allclose(rois[mask > 0], proposals(logits, deltas, (64, 64)), atol=1e-2)
    assert (alone[2][0].asnumpy()[mask > 0] == rois[mask > 0]).all()


def test_no_gradient_flows_through_proposals():
    rpn = make_rpn()
    with autograd.record():
        _, _, rois, mask = rpn(conv4(), nd.array([[64, 96]] * 2))
        loss = rois.sum() + mask.sum()
    loss.backward()
    assert all((parameter.grad() == 0).asnumpy().all() for parameter in rpn.collect_params().values())
