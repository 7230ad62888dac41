"""Relation targets, worked by hand and against a loop over pairs of ROIs and pairs of objects."""

from typing import get_args

import numpy as np
import pytest
from mxnet import gluon, nd

from data.images.relations import Rule, relations_between
from vision.targets import relation_targets

SHEEP, HORSE = 0, 1
# Two sheep, a horse that covers most of the second sheep, and padding at the place of the first sheep.
BOXES = [[0, 0, 9, 9], [20, 0, 29, 9], [20, 0, 29, 11], [0, 0, 9, 9]]
LABELS = [SHEEP, SHEEP, HORSE, -1]
# 0, 1: on the first sheep; 2: on the second sheep and the horse; 3: the background.
ROIS = [[0, 0, 9, 9], [1, 0, 9, 9], [20, 0, 29, 10], [50, 50, 60, 60]]


def pairs(rule, relations=None, rois=ROIS, **options):
    """The pairs (m, n) with t_mn = 1. Fails if a ROI is related to itself."""
    relations = None if relations is None else nd.array(relations)
    result = relation_targets(nd.array(rois), nd.array(BOXES), nd.array(LABELS), rule, relations, **options).asnumpy()
    assert result.shape == (len(rois), len(rois))
    assert set(np.unique(result)) <= {0, 1}
    assert not result.diagonal().any()
    return {(int(m), int(n)) for m, n in np.argwhere(result)}


def iou(one, other):
    """IoU of two boxes with sides x2 - x1 + 1."""
    shared = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]) + 1
    shared = shared.clip(0).prod()
    return shared / ((one[2:] - one[:2] + 1).prod() + (other[2:] - other[:2] + 1).prod() - shared)


def obvious(rois, boxes, labels, rule, relations, iou_thresh):
    """The definition, one pair of ROIs and one pair of objects at a time."""
    annotated = {tuple(pair) for pair in relations}
    fits = {
        "different_category": lambda g, h: labels[g] != labels[h],
        "different_instance": lambda g, h: g != h,
        "annotated": lambda g, h: (g, h) in annotated,
    }[rule]
    real = [g for g in range(len(boxes)) if labels[g] >= 0]
    on = [[g for g in real if iou(roi, boxes[g]) > iou_thresh] for roi in rois]
    return [
        [float(m != n and any(fits(g, h) for g in on[m] for h in on[n])) for n in range(len(rois))]
        for m in range(len(rois))
    ]


def random_image(generator):
    """ROIs, many of them on objects; objects of three categories; padding; relations."""
    corner = generator.uniform(0, 40, size=(8, 2))
    boxes = np.concatenate([corner, corner + generator.uniform(10, 40, size=(8, 2))], axis=1)
    rois = np.concatenate([boxes + generator.normal(scale=2, size=boxes.shape) for _ in range(3)])
    labels = generator.integers(0, 3, size=8)
    labels[6:] = -1
    relations = generator.integers(0, 8, size=(12, 2))
    relations[10:] = -1
    return [array.astype(np.float32) for array in (rois, boxes, labels, relations)]


def test_different_instances_of_a_category_are_related():
    rois = [ROIS[0], [20, 0, 29, 5], ROIS[2]]  # the second is on a sheep, the third also on the horse
    assert pairs("different_instance", rois=rois) == {(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)}
    assert pairs("different_category", rois=rois) == {(0, 2), (2, 0), (1, 2), (2, 1)}


def test_annotated_relations_keep_their_order():
    assert pairs("annotated", [[0, 2]]) == {(0, 2), (1, 2)}
    assert pairs("annotated", [[1, 0], [0, 1]]) == {(0, 2), (1, 2), (2, 0), (2, 1)}
    assert pairs("annotated", [[1, 0], [1, 0], [-1, -1]]) == {(2, 0), (2, 1)}


def test_the_overlap_must_exceed_the_threshold():
    # IoUs with the first sheep: 50 / 100 and 60 / 100, with the +1 of Relation Networks.
    half, more = [0, 0, 9, 4], [0, 0, 9, 5]
    assert pairs("different_category", rois=[half, ROIS[2]]) == set()
    assert pairs("different_category", rois=[more, ROIS[2]]) == {(0, 1), (1, 0)}
    assert pairs("different_category", rois=[more, ROIS[2]], iou_thresh=0.6) == set()


@pytest.mark.parametrize("rule", get_args(Rule))
def test_images_and_batches_equal_the_obvious_loop(rule):
    generator = np.random.default_rng(0)
    images = [random_image(generator) for _ in range(4)]
    expected = np.array([obvious(*image[:3], rule, image[3], 0.4) for image in images])
    assert 0.05 < expected.mean() < 0.95
    for image, one in zip(images, expected, strict=True):
        rois, boxes, labels, relations = map(nd.array, image)
        actual = relation_targets(rois, boxes, labels, rule, relations, iou_thresh=0.4)
        np.testing.assert_array_equal(actual.asnumpy(), one)
        if rule != "annotated":
            np.testing.assert_array_equal(one, one.T)
    rois, boxes, labels, relations = (nd.array(np.stack(arrays)) for arrays in zip(*images, strict=True))
    actual = relation_targets(rois, boxes, labels, rule, relations, iou_thresh=0.4)
    np.testing.assert_array_equal(actual.asnumpy(), expected)


@pytest.mark.parametrize("rule", get_args(Rule))
def test_hybridised_targets_are_the_same(rule):
    class Targets(gluon.HybridBlock):
        def hybrid_forward(self, F, rois, boxes, labels, relations):
            return relation_targets(rois, boxes, labels, rule, relations, F=F)

    image = [nd.array(array) for array in random_image(np.random.default_rng(1))]
    block = Targets()
    block.hybridize()
    np.testing.assert_array_equal(block(*image).asnumpy(), relation_targets(*image[:3], rule, image[3]).asnumpy())


def test_integer_labels_and_relations_are_accepted():
    rois, boxes, labels, relations = random_image(np.random.default_rng(2))
    integers = nd.array(labels, dtype="int32"), nd.array(relations, dtype="int64")
    for rule in get_args(Rule):
        actual = relation_targets(nd.array(rois), nd.array(boxes), integers[0], rule, integers[1])
        np.testing.assert_array_equal(actual.asnumpy(), obvious(rois, boxes, labels, rule, relations, 0.5))


def test_nothing_is_read_from_the_device(monkeypatch):
    image = [nd.array(array) for array in random_image(np.random.default_rng(3))]
    fetched = []
    for method in ("asnumpy", "wait_to_read"):
        monkeypatch.setattr(nd.NDArray, method, fetched.append)
    for rule in get_args(Rule):
        relation_targets(*image[:3], rule, image[3])
    assert not fetched


@pytest.mark.parametrize("rule", ["different_category", "different_instance"])
def test_rois_on_single_objects_are_related_as_the_objects(rule):
    """The targets agree with the rules that evaluation and figures use."""
    labels = np.array([3, 1, 3, 2, 1])
    boxes = nd.array([[20 * k, 0, 20 * k + 9, 9] for k in range(len(labels))])
    actual = np.argwhere(np.triu(relation_targets(boxes, boxes, nd.array(labels), rule).asnumpy()))
    np.testing.assert_array_equal(actual, relations_between(labels, rule))


def test_unknown_rules_and_missing_relations_are_rejected():
    for rule in ("different", "annotated"):
        with pytest.raises(ValueError, match=f"rule '{rule}'"):
            pairs(rule)
