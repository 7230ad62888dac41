"""From an image file to the input of the network: scaling, mirroring and mean subtraction, for boxes as well."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from data.common.errors import UserError
from data.images.boxes import clip_boxes
from data.images.pixels import read_pixels
from data.records import ImageRecord
from vision.config import ImagesConfig
from vision.models.backbone import PIXEL_MEANS
from vision.targets import learned_objects


class Sample(NamedTuple):
    """The input of the network for one image, and the objects to learn.

    Args:
        image: [3, H, W] float32, RGB minus `vision.models.backbone.PIXEL_MEANS`.
        boxes: [G, 4] float32 corners in pixels of `image`; see `vision.targets.learned_objects`. G may be 0.
        labels: [G] float32, classes from 0.
        scale: size of `image` relative to the original.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    scale: float


def make_sample(record: ImageRecord, images: ImagesConfig, flipped: bool) -> Sample:
    """Reads an image and scales it and its objects.

    Args:
        record: the image.
        images: the size to scale to.
        flipped: whether to mirror the image.

    Raises:
        UserError: the file is missing or damaged, or its size differs from its annotation.
    """
    pixels = read_pixels(record.path)
    _require_size(pixels, record)
    boxes, labels = learned_objects(record)
    if flipped:  # before scaling: a box that ends at pixel x2 then ends at x2 s, not at (x2 + 1) s - 1
        pixels, boxes = pixels[:, ::-1], _mirrored(boxes, record.width)
    image, scale = make_image(pixels, images)
    _, height, width = image.shape
    boxes, _ = clip_boxes(np.round(boxes * scale), np.array([width, height]))  # as in Relation Networks
    return Sample(image, boxes, labels.astype(np.float32), scale)


def make_image(pixels: np.ndarray, images: ImagesConfig) -> tuple[np.ndarray, float]:
    """Scales an image [H, W, 3] uint8 RGB to the input of the network.

    Scaling is bilinear, by PIL. It averages over all pixels when it shrinks an image, where OpenCV (used by Relation
    Networks) takes four of them; when it enlarges an image, as is usual, both agree.

    Returns:
        [3, H', W'] float32 minus the means, and the scale H' / H.

    Example:
        >>> images = ImagesConfig("trainval", 5011, "test", 4952, short_side=600, long_side=1000, flipped_copies=True)
        >>> image, scale = make_image(np.zeros((375, 500, 3), np.uint8), images)
        >>> image.shape, scale
        ((3, 600, 800), 1.6)
    """
    height, width, _ = pixels.shape
    scale = scale_of(width, height, images)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    scaled = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    means = np.array(PIXEL_MEANS, np.float32).reshape(3, 1, 1)
    return np.subtract(scaled.transpose(2, 0, 1), means, order="C"), scale


def scale_of(width: int, height: int, images: ImagesConfig) -> float:
    """The scale to `short_side` pixels on the short side or `long_side` on the long side, whichever is smaller."""
    short, long = sorted((width, height))
    scale = images.short_side / short
    return images.long_side / long if round(scale * long) > images.long_side else scale


def _require_size(pixels: np.ndarray, record: ImageRecord) -> None:
    height, width, _ = pixels.shape
    if (width, height) != (record.width, record.height):
        raise UserError(
            f"{record.path}: the image has {width} x {height} pixels, its annotation {record.width} x {record.height}; "
            "replace it with the annotated image, rotated as its EXIF tag says"
        )


def _mirrored(boxes: np.ndarray, width: int) -> np.ndarray:
    """Boxes [G, 4] in the mirror image of an image `width` pixels wide."""
    x1, y1, x2, y2 = boxes.T
    return np.stack([width - 1 - x2, y1, width - 1 - x1, y2], axis=1)
