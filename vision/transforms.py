"""From an image file to what the network is given: scaled, mirrored, less the means; its objects' boxes likewise."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from data.common.errors import UserError
from data.images.annotations import boxes_in_picture
from data.images.pixels import read_pixels
from data.records import ImageRecord
from vision.config import ImagesConfig
from vision.detection_targets import learned_objects
from vision.models.backbone import PIXEL_MEANS


class Sample(NamedTuple):
    """One image as the network sees it, and the objects it is trained on.

    Args:
        image: [3, H, W] float32, RGB less `vision.models.backbone.PIXEL_MEANS`.
        boxes: [G, 4] float32 corners in pixels of `image`; see `vision.detection_targets.learned_objects`. G may be 0.
        labels: [G] float32, classes from 0.
        scale: by which the sides of the original were multiplied.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    scale: float


def make_sample(record: ImageRecord, images: ImagesConfig, flipped: bool) -> Sample:
    """Reads an image and brings it and its objects to the size that the network sees.

    Args:
        record: the image.
        images: how large that is.
        flipped: whether to make its mirror image.

    Raises:
        UserError: the file is absent or damaged, or has another size than its annotation says.
    """
    pixels = read_pixels(record.path)
    _require_size(pixels, record)
    boxes, labels = learned_objects(record)
    if flipped:  # Before the boxes are scaled: a box that ends at pixel x2 ends at x2 s, not at (x2 + 1) s - 1.
        pixels, boxes = pixels[:, ::-1], _mirrored(boxes, record.width)
    image, scale = make_image(pixels, images)
    _, height, width = image.shape
    boxes, _ = boxes_in_picture(np.round(boxes * scale), np.array([width, height]))  # So does Relation Networks.
    return Sample(image, boxes, labels.astype(np.float32), scale)


def make_image(pixels: np.ndarray, images: ImagesConfig) -> tuple[np.ndarray, float]:
    """What the network sees of [H, W, 3] uint8 RGB: [3, H', W'] float32 less the means; and H' / H, which is W' / W.

    Scaled bilinearly by PIL, which averages over all pixels where it makes an image smaller; OpenCV, with which
    Relation Networks scales, takes four of them. Where the image grows, as most do, they agree.
    """
    height, width, _ = pixels.shape
    scale = scale_of(width, height, images)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    scaled = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    means = np.array(PIXEL_MEANS, np.float32).reshape(3, 1, 1)
    return np.subtract(scaled.transpose(2, 0, 1), means, order="C"), scale


def scale_of(width: int, height: int, images: ImagesConfig) -> float:
    """What gives the short side `images.short_side` pixels, or the long side `images.long_side` if it had more then."""
    short, long = sorted((width, height))
    scale = images.short_side / short
    return images.long_side / long if round(scale * long) > images.long_side else scale


def _require_size(pixels: np.ndarray, record: ImageRecord) -> None:
    height, width, _ = pixels.shape
    if (width, height) != (record.width, record.height):
        raise UserError(
            f"{record.path}: is {width} x {height} pixels large where its annotation says {record.width} x "
            f"{record.height}; get the image that was annotated, and if its EXIF tag turns it, store it turned"
        )


def _mirrored(boxes: np.ndarray, width: int) -> np.ndarray:
    """Where boxes [G, 4] lie in the mirror image of an image `width` pixels wide."""
    x1, y1, x2, y2 = boxes.T
    return np.stack([width - 1 - x2, y1, width - 1 - x1, y2], axis=1)
