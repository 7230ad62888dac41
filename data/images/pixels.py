"""Reads the pixels of image files."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from data.common.errors import UserError

IMAGE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
DAMAGE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # raised by PIL for corrupt files
REMEDY = "replace or remove it"


def read_pixels(path: Path) -> np.ndarray:
    """Reads an image file of any mode as [H, W, 3] uint8 RGB. Transparency is ignored.

    The EXIF orientation is ignored as well, because the boxes of VOC and COCO refer to the stored pixels. Relation
    Networks does the same.

    Raises:
        UserError: the file is missing, truncated, damaged or not an image.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # GluonCV sets this to True when it is imported.
    try:
        with Image.open(path) as image:
            return _rgb(image)
    except FileNotFoundError:
        raise UserError(f"{path}: no such image; {REMEDY}") from None
    except UnidentifiedImageError:
        raise UserError(f"{path}: is not an image, or is damaged; {REMEDY}") from None
    except DAMAGE as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: image cannot be read ({reason}); {REMEDY}") from None


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):  # 16-bit gray, which PIL would clip at 255
        gray = np.clip(np.asarray(image) >> 8, 0, 255).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
    # Converted with alpha first, because PIL warns if a palette loses its transparency.
    return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))[:, :, :3]
