"""Scaling and mirroring of images and boxes, on small image files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.common.errors import UserError
from data.records import ImageRecord
from vision.config import ImagesConfig
from vision.models.backbone import PIXEL_MEANS
from vision.transforms import make_image, make_sample, scale_of

RED = (250, 20, 10)
MEANS = np.array(PIXEL_MEANS, np.float32)


def sides(short: int, long: int) -> ImagesConfig:
    return ImagesConfig("train", 1, "test", 1, short_side=short, long_side=long, flipped_copies=True)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def drawn(box: tuple, height: int, width: int) -> np.ndarray:
    """Black pixels with a red box, including its last pixels."""
    pixels = np.zeros((height, width, 3), np.uint8)
    x1, y1, x2, y2 = box
    pixels[y1 : y2 + 1, x1 : x2 + 1] = RED
    return pixels


def red_box(image: np.ndarray) -> list[int]:
    """The red box in `image` [3, H, W], which is without the means."""
    rows, columns = np.nonzero(image[0] + MEANS[0] > RED[0] / 2)
    return [columns.min(), rows.min(), columns.max(), rows.max()]


def write(folder: Path, pixels: np.ndarray, *boxes: tuple, **fields) -> ImageRecord:
    """Writes `pixels` to a file, and a record of it whose objects are of the classes 0, 1, …"""
    path = folder / "image.png"
    Image.fromarray(pixels).save(path)
    height, width, _ = pixels.shape
    none = np.zeros(len(boxes), bool)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    fields = {"width": width, "height": height, "difficult": none, "crowd": none, **fields}
    return ImageRecord("1", path, boxes=boxes, labels=np.arange(len(boxes)), **fields)


# --- sizes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height", "scale"),
    [
        (800, 400, 1.25),  # 1000 x 500
        (400, 300, 500 / 300),  # 667 x 500: limited by the short side
        (300, 400, 500 / 300),
        (2000, 500, 0.5),  # 1000 x 250: limited by the long side
        (100, 2000, 0.5),
        (1000, 500, 1),
        (20009, 10000, 0.05),  # 1000.45 x 500: the long side has 1000 pixels when it is rounded
    ],
)
def test_the_scale_depends_on_the_short_or_long_side(width, height, scale):
    assert scale_of(width, height, sides(500, 1000)) == pytest.approx(scale, rel=1e-12)


def test_an_image_is_rgb_planes_minus_the_means():
    pixels = noise(4, 6)
    image, scale = make_image(pixels, sides(4, 10))

    assert scale == 1 and image.dtype == np.float32 and image.flags.c_contiguous
    np.testing.assert_allclose(image, (pixels - MEANS).transpose(2, 0, 1), atol=1e-5)


def test_scaling_is_bilinear():
    pixels = np.repeat(np.array([[[0], [100]]], np.uint8), 3, axis=2)  # one row of two
    image, _ = make_image(pixels, sides(2, 10))
    expected = [0, 25, 75, 100]  # with centres at -0.25, 0.25, 0.75 and 1.25
    np.testing.assert_allclose(image + MEANS.reshape(3, 1, 1), np.broadcast_to(expected, (3, 2, 4)), atol=0.6)


# --- objects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize(("short", "long"), [(20, 100), (40, 100)])
def test_boxes_move_with_the_pixels_of_their_objects(tmp_path, flipped, short, long):
    box = (3, 5, 10, 16)
    sample = make_sample(write(tmp_path, drawn(box, 20, 30), box), sides(short, long), flipped)

    x1, y1, x2, y2 = red_box(sample.image)
    scale = short // 20
    assert sample.scale == scale
    last = scale - 1  # a box ends where its last pixel starts
    assert sample.boxes.tolist() == [[x1, y1, x2 - last, y2 - last]]


def test_mirroring_twice_is_the_identity(tmp_path):
    pixels, boxes = noise(10, 20), [(0, 1, 4, 8), (15, 0, 19, 9), (2, 3, 17, 4)]
    plain = make_sample(write(tmp_path, pixels, *boxes), sides(10, 20), flipped=False)
    once = make_sample(write(tmp_path, pixels, *boxes), sides(10, 20), flipped=True)
    mirrored = [(15, 1, 19, 8), (0, 0, 4, 9), (2, 3, 17, 4)]  # x: 19 - x2, 19 - x1
    twice = make_sample(write(tmp_path, pixels[:, ::-1], *mirrored), sides(10, 20), flipped=True)

    assert once.boxes.tolist() == list(map(list, mirrored))
    assert (once.image == plain.image[:, :, ::-1]).all()
    assert (twice.boxes == plain.boxes).all() and (twice.image == plain.image).all()


def test_scaled_boxes_are_rounded_and_inside_the_image(tmp_path):
    record = write(tmp_path, noise(9, 9), (1, 1.4, 8, 8), (7.8, 0, 8, 8))
    sample = make_sample(record, sides(3, 10), flipped=False)

    assert sample.image.shape == (3, 3, 3)
    assert sample.boxes.tolist() == [[0, 0, 2, 2], [2, 0, 2, 2]]  # of 0.33, 0.47, 2.67 and 2.6: never 3


@pytest.mark.parametrize("flipped", [False, True])
def test_an_image_may_have_no_object(tmp_path, flipped):
    sample = make_sample(write(tmp_path, noise(8, 8)), sides(16, 16), flipped)

    assert sample.boxes.shape == (0, 4) and sample.labels.shape == (0,)
    assert sample.boxes.dtype == sample.labels.dtype == np.float32


# --- files ----------------------------------------------------------------------------------------------------------


def test_an_image_of_another_size_is_rejected(tmp_path):
    record = write(tmp_path, noise(20, 30), width=20, height=30)
    with pytest.raises(UserError, match=f"{record.path}: .*30 x 20.*20 x 30"):
        make_sample(record, sides(20, 30), False)
