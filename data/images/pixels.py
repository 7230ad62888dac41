"""The pixels of image files."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from data.common.errors import UserError

IMAGE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
DAMAGE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # what PIL raises on a file that is garbled
REMEDY = "get it anew, or leave it out"


def read_pixels(path: Path) -> np.ndarray:
    """The pixels of an image file of any mode: [H, W, 3] uint8 RGB. Transparent ones have the colour that is stored.

    They stay where they are stored, whatever orientation the EXIF tag asks for: that is what the boxes of VOC and COCO
    count, and how Relation Networks reads them.

    Raises:
        UserError: the file is absent, truncated, damaged or no image.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # GluonCV, once loaded, has PIL fill up what is missing.
    try:
        with Image.open(path) as image:
            return _rgb(image)
    except FileNotFoundError:
        raise UserError(f"{path}: no such image; {REMEDY}") from None
    except UnidentifiedImageError:
        raise UserError(f"{path}: is no image, or a damaged one; {REMEDY}") from None
    except DAMAGE as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: image cannot be read ({reason}); {REMEDY}") from None


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):  # Grey of 16 bits; PIL would cut it off at 255.
        grey = np.clip(np.asarray(image) >> 8, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    # With its alpha first: PIL warns where a palette would lose it.
    return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))[:, :, :3]
