"""Anchors against hand-worked values."""

import numpy as np

from vision.models.anchors import PER_CELL, anchor_boxes, scales

# A 16 × 16 cell with a height of half its width has sides of 23 × 12 in whole pixels, then 16 × 16, then 11 × 22.
# Four times these sides around the centre (7.5, 7.5), and twice as large, …
AT_ORIGIN = [
    [-38, -16, 53, 31],
    [-84, -40, 99, 55],
    [-176, -88, 191, 103],
    [-360, -184, 375, 199],
    [-24, -24, 39, 39],
    [-56, -56, 71, 71],
    [-120, -120, 135, 135],
    [-248, -248, 263, 263],
    [-14, -36, 29, 51],
    [-36, -80, 51, 95],
    [-80, -168, 95, 183],
    [-168, -344, 183, 359],
]


def test_a_cell_has_three_shapes_in_four_sizes():
    assert anchor_boxes(1, 1, 4).reshape(PER_CELL, 4).tolist() == AT_ORIGIN
    assert scales(4) == (4, 8, 16, 32)


def test_cells_are_sixteen_pixels_apart():
    anchors = anchor_boxes(3, 5, 4)
    assert anchors.shape == (3, 5, PER_CELL, 4)
    assert anchors.dtype == np.float32
    assert (anchors[2, 4] - anchors[0, 0]).tolist() == [[64, 32, 64, 32]] * PER_CELL
