import numpy as np

from data.images.boxes import clip_boxes, iou


def test_boxes_include_their_last_pixels():
    assert iou(np.array([0, 0, 9, 9]), np.array([9, 9, 18, 18])) == 1 / 199
    assert iou(np.array([5, 5, 5, 5]), np.array([5, 5, 5, 5])) == 1


def test_leading_axes_broadcast():
    boxes = np.array([[0, 0, 9, 9], [20, 0, 29, 9], [5, 0, 14, 9]], np.float32)
    np.testing.assert_allclose(iou(boxes[:, None], boxes[:2]), [[1, 0], [0, 1], [1 / 3, 0]])
    np.testing.assert_allclose(iou(boxes[:2], boxes[[2, 1]]), [1 / 3, 1])


def test_boxes_without_area_overlap_nothing():
    empty, reversed_box = np.array([5, 5, 4, 4]), np.array([9, 9, 0, 0])
    assert iou(empty, empty) == 0
    assert iou(reversed_box, np.array([0, 0, 9, 9])) == 0


def test_clip_boxes_uses_the_size_of_each_image():
    corners = np.array([[-3, 2, 50, 9.5], [-3, 2, 50, 9.5]], np.float32)
    boxes, valid = clip_boxes(corners, np.array([[20, 10], [60, 8]]))
    assert boxes.tolist() == [[0, 2, 19, 9], [0, 2, 50, 7]] and boxes.dtype == np.float32
    assert valid.tolist() == [True, True]


def test_boxes_of_one_pixel_in_width_or_height_are_empty():
    corners = np.array([[4, 4, 4, 9], [4, 4, 9, 4], [9, 4, 4, 9], [25, 4, 30, 9], [4, 4, 5, 5]], np.float32)
    assert clip_boxes(corners, np.array([20, 10]))[1].tolist() == [False, False, False, False, True]
