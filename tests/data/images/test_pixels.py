"""Image files of any mode, and damaged ones."""

import numpy as np
import pytest
from PIL import Image, ImageFile

from data.common.errors import UserError
from data.images.pixels import read_pixels

RED, WHITE = (250, 20, 10), (255, 255, 255)


def error_of(path) -> str:
    with pytest.raises(UserError) as error:
        read_pixels(path)
    return str(error.value)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_images_of_any_mode_are_read_as_rgb(tmp_path, mode):
    path = tmp_path / ("image.tif" if mode == "CMYK" else "image.png")
    Image.new("RGB", (3, 2), WHITE).convert(mode).save(path)
    pixels = read_pixels(path)

    assert pixels.dtype == np.uint8
    assert pixels.tolist() == [[list(WHITE)] * 3] * 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_transparent_pixels_have_their_stored_color(tmp_path, mode):
    path = tmp_path / "image.png"
    if mode == "P":
        image = Image.new("P", (3, 2), 1)
        image.putpalette([0, 0, 0, *RED])
        image.save(path, transparency=bytes([255, 128]))
    else:
        Image.new("RGBA", (3, 2), (*RED, 0)).save(path)
    assert read_pixels(path).tolist() == [[list(RED)] * 3] * 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("mode", "kind"), [("RGB", "GIF"), ("P", "PNG"), ("P", "GIF"), ("L", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "PNG")]
)
def test_the_format_is_detected_from_the_content(tmp_path, mode, kind):
    """MIT67 has such files with the suffix .jpg."""
    left, right = (255, 51, 0), (0, 51, 255)  # colors in the palette of PIL
    image = Image.new("RGB", (32, 16), left)
    image.paste(right, (16, 0, 32, 16))
    path = tmp_path / "image.jpg"
    image.convert(mode).save(path, format=kind)
    pixels = read_pixels(path).astype(int)

    expected = np.asarray(image.convert("L").convert("RGB") if mode == "L" else image).astype(int)
    assert pixels.shape == (16, 32, 3)
    assert abs(pixels - expected).max() < 12  # for JPEG


def test_the_first_frame_of_an_animated_gif_is_read(tmp_path):
    first, second = (Image.new("RGB", (4, 2), color) for color in (RED, WHITE))
    first.save(tmp_path / "image.jpg", format="GIF", save_all=True, append_images=[second])

    assert read_pixels(tmp_path / "image.jpg").tolist() == [[list(RED)] * 4] * 2


def test_16_bit_gray_keeps_its_upper_byte(tmp_path):
    Image.fromarray(np.array([[0, 255, 256, 0x80FF, 0xFFFF]], np.uint16)).save(tmp_path / "image.png")
    assert read_pixels(tmp_path / "image.png").tolist() == [[[value] * 3 for value in (0, 0, 1, 0x80, 255)]]


def test_exif_orientation_is_ignored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotate by a right angle
    Image.new("RGB", (30, 20), RED).save(tmp_path / "image.jpg", exif=exif)
    assert read_pixels(tmp_path / "image.jpg").shape == (20, 30, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
def test_truncated_images_are_refused(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as after an import of GluonCV
    path = tmp_path / f"image{suffix}"
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (40, 60, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert error_of(path).startswith(f"{path}: ") and "truncated" in error_of(path)


@pytest.mark.parametrize("contents", [b"", b"<html>404</html>", None])
def test_missing_and_other_files_are_refused(tmp_path, contents):
    path = tmp_path / "image.jpg"
    if contents is not None:
        path.write_bytes(contents)
    assert error_of(path).startswith(f"{path}: ")
    assert error_of(tmp_path).startswith(f"{tmp_path}: ")
