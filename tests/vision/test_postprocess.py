"""Soft-NMS and detections, worked by hand and against a simple loop."""

import numpy as np
from mxnet import nd

from vision.config import DetectionConfig
from vision.models.detector import DetectorOutput
from vision.postprocess import coco_results, detections, soft_nms

CONFIG = DetectionConfig(score_threshold=1e-3, soft_nms_sigma=0.6, most=100)


def one_by_one(scores, overlaps, sigma):
    """Soft-NMS of the scores [N] of one class, as a simple loop."""
    left, taken = dict(enumerate(scores)), np.zeros(len(scores))
    while left:
        best = max(left, key=left.get)
        taken[best] = left.pop(best)
        left = {other: score * np.exp(-(overlaps[best, other] ** 2) / sigma) for other, score in left.items()}
    return taken


def test_scores_decay_next_to_better_boxes():
    overlaps = np.array([[1, 0.5, 0], [0.5, 1, 0.2], [0, 0.2, 1]])
    scores = np.array([[0.9, 0.1], [0.8, 0.4], [0.7, 0]])
    taken = soft_nms(scores, overlaps, sigma=0.6, most=3)
    # Class 0: box 0, which box 2 does not overlap; then box 2; then box 1, which overlaps both.
    expected = 0.8 * np.exp(-0.25 / 0.6) * np.exp(-0.04 / 0.6)
    np.testing.assert_allclose(taken[:, 0], [0.9, expected, 0.7])
    np.testing.assert_allclose(taken[:, 1], [0.1 * np.exp(-0.25 / 0.6), 0.4, 0])


def test_all_classes_at_once_equal_one_by_one():
    generator = np.random.default_rng(0)
    scores, overlaps = generator.random((30, 5)), generator.random((30, 30))
    overlaps = np.maximum(overlaps, overlaps.T)
    expected = np.stack([one_by_one(each, overlaps, 0.6) for each in scores.T], axis=1)
    np.testing.assert_allclose(soft_nms(scores, overlaps, 0.6, most=30), expected, rtol=1e-10)
    best = soft_nms(scores, overlaps, 0.6, most=10)
    assert (np.count_nonzero(best, axis=0) == 10).all()
    np.testing.assert_allclose(best[best > 0], expected[best > 0], rtol=1e-10)


def output_of(logits, rois, mask=None, deltas=None):
    logits, rois = nd.array(logits), nd.array(rois)
    mask = nd.ones(rois.shape[:2]) if mask is None else nd.array(mask)
    deltas = nd.zeros_like(rois) if deltas is None else nd.array(deltas)
    return DetectorOutput(None, None, rois, mask, logits, deltas)


def test_detections_are_in_pixels_of_the_original_image():
    logits = np.log([[[0.1, 0.2, 0.7], [0.3, 0.6, 0.1]]])
    rois = [[[0, 0, 19, 19], [60, 60, 99, 99]]]
    deltas = [[[0, 0, 0, 0], [1, 0, 0, 0]]]  # × 0.1: 4 pixels to the right, beyond the edge
    (found,) = detections(output_of(logits, rois, deltas=deltas), nd.array([[100, 100]]), nd.array([2]), CONFIG)
    assert found.labels.tolist() == [1, 0, 0, 1]
    np.testing.assert_allclose(found.scores, [0.7, 0.6, 0.2, 0.1], rtol=1e-5)
    first, second = [0, 0, 9.5, 9.5], [32, 30, 49.5, 49.5]
    np.testing.assert_allclose(found.boxes, [first, second, first, second], atol=1e-4)


def test_boxes_are_at_least_a_pixel_large():
    """In an image that was shrunk to a quarter, a box of 0.1 pixels would have the width 0.1 × 4 - 3."""
    deltas = [[[0, 0, np.log(0.1 / 20) / 0.2, np.log(0.1 / 20) / 0.2]]]
    output = output_of([[[0, 5]]], [[[40, 40, 59, 59]]], deltas=deltas)
    (found,) = detections(output, nd.array([[100, 100]]), nd.array([0.25]), CONFIG)
    (entry,) = coco_results("1", found, (1,))
    assert entry["bbox"][2:] == [1, 1]
    np.testing.assert_allclose(entry["bbox"][:2], (49.5 + 0.45) * 4, atol=0.01)


def test_padding_and_low_scores_are_not_detected():
    logits = np.log([[[0.0005, 0.999, 0.0005]] * 2])
    rois = [[[0, 0, 19, 19], [60, 60, 99, 99]]]
    (found,) = detections(output_of(logits, rois, mask=[[1, 0]]), nd.array([[100, 100]]), nd.array([1]), CONFIG)
    assert found.labels.tolist() == [0]
    assert found.boxes.tolist() == [[0, 0, 19, 19]]


def test_the_best_detections_of_all_classes_are_kept():
    generator = np.random.default_rng(1)
    corners = generator.uniform(0, 60, (2, 40, 2))
    output = output_of(generator.normal(size=(2, 40, 6)), np.concatenate([corners, corners + 30], axis=2))
    sizes, scales = nd.array([[100, 100]] * 2), nd.ones(2)
    few, all_of_them = (detections(output, sizes, scales, DetectionConfig(1e-3, 0.6, most)) for most in (15, 40 * 5))
    for ours, theirs in zip(few, all_of_them, strict=True):
        assert len(ours.scores) == 15
        assert (ours.scores == theirs.scores[:15]).all()
        assert (np.diff(theirs.scores) <= 0).all()
