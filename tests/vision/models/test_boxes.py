"""Overlap and encoding of boxes against hand-worked values."""

import numpy as np
import pytest
from mxnet import nd

from vision.models.boxes import clip, decode, encode, iou


def test_overlap_includes_the_last_pixel():
    boxes = nd.array([[0, 0, 9, 9], [20, 20, 29, 29]])
    others = nd.array([[0, 0, 9, 9], [5, 0, 14, 9], [10, 0, 19, 9]])
    # 5 of the 10 columns are shared: 50 pixels of 150. Boxes that touch share none.
    np.testing.assert_allclose(iou(boxes, others).asnumpy(), [[1, 1 / 3, 0], [0, 0, 0]], rtol=1e-6)


def test_deltas_are_relative_offsets_and_logarithms():
    # 10 × 20 pixels around (4.5, 9.5), to 20 × 10 pixels around (19.5, 14.5).
    deltas = encode(nd.array([[0, 0, 9, 19]]), nd.array([[10, 10, 29, 19]]))
    np.testing.assert_allclose(deltas.asnumpy(), [[1.5, 0.25, np.log(2), -np.log(2)]], rtol=1e-6)


def test_decoding_inverts_encoding():
    generator = np.random.default_rng(0)
    first = generator.uniform(0, 500, (2, 3, 7, 2))
    boxes, targets = (nd.array(np.concatenate([each, each + 200 * i + 9], axis=-1)) for i, each in enumerate(first))
    np.testing.assert_allclose(decode(boxes, encode(boxes, targets)).asnumpy(), targets.asnumpy(), atol=2e-3)


@pytest.mark.parametrize(
    ("box", "clipped"),
    [
        ([-5, -6, 200, 300], [0, 0, 99, 49]),
        ([10, 10, 20, 20], [10, 10, 20, 20]),
        ([120, 60, 130, 70], [99, 49, 99, 49]),
    ],
)
def test_boxes_are_clipped_to_the_last_pixel_of_their_image(box, clipped):
    boxes = nd.array([[box], [box]])
    sizes = nd.array([[50, 100], [1000, 1000]])  # height, width
    expected = [[clipped], [np.maximum(box, 0).tolist()]]
    assert clip(boxes, sizes).asnumpy().tolist() == expected
