import numpy as np

from scripts.evaluation.metrics.boxes import iou


def test_the_last_pixels_belong_to_a_box():
    assert iou(np.array([0, 0, 9, 9]), np.array([0, 0, 9, 4])) == 50 / 100
    assert iou(np.array([0, 0, 9, 9]), np.array([9, 9, 18, 18])) == 1 / 199
    assert iou(np.array([5, 5, 5, 5]), np.array([5, 5, 5, 5])) == 1


def test_leading_axes_broadcast_to_all_pairs():
    boxes = np.array([[0, 0, 9, 9], [20, 0, 29, 9], [5, 0, 14, 9]], np.float32)
    np.testing.assert_allclose(iou(boxes[:, None], boxes[:2]), [[1, 0], [0, 1], [1 / 3, 0]])
    np.testing.assert_allclose(iou(boxes[:2], boxes[[2, 1]]), [1 / 3, 1])


def test_boxes_without_area_overlap_nothing():
    empty, turned = np.array([5, 5, 4, 4]), np.array([9, 9, 0, 0])
    assert iou(empty, empty) == 0
    assert iou(empty, np.array([0, 0, 9, 9])) == 0
    assert iou(turned, np.array([0, 0, 9, 9])) == 0
