"""Reading image files of any mode, and what becomes of damaged ones."""

import numpy as np
import pytest
from PIL import Image, ImageFile

from data.common.errors import UserError
from data.images.pixels import read_pixels

RED, WHITE = (250, 20, 10), (255, 255, 255)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def refusal(function, *arguments) -> str:
    with pytest.raises(UserError) as error:
        function(*arguments)
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
def test_transparent_pixels_have_the_colour_that_is_stored(tmp_path, mode):
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
def test_the_odd_files_of_mit67_are_read_by_what_they_hold_and_not_by_their_names(tmp_path, mode, kind):
    left, right = (255, 51, 0), (0, 51, 255)  # of the palette that PIL turns images into
    image = Image.new("RGB", (32, 16), left)
    image.paste(right, (16, 0, 32, 16))
    path = tmp_path / "image.jpg"
    image.convert(mode).save(path, format=kind)
    pixels = read_pixels(path).astype(int)

    expected = np.asarray(image.convert("L").convert("RGB") if mode == "L" else image).astype(int)
    assert pixels.shape == (16, 32, 3)
    assert abs(pixels - expected).max() < 12  # JPEG loses a little.


def test_of_a_moving_gif_the_first_picture_is_read(tmp_path):
    first, second = (Image.new("RGB", (4, 2), colour) for colour in (RED, WHITE))
    first.save(tmp_path / "image.jpg", format="GIF", save_all=True, append_images=[second])

    assert read_pixels(tmp_path / "image.jpg").tolist() == [[list(RED)] * 4] * 2


def test_grey_of_16_bits_is_read_in_its_upper_eight(tmp_path):
    Image.fromarray(np.array([[0, 255, 256, 0x80FF, 0xFFFF]], np.uint16)).save(tmp_path / "image.png")
    assert read_pixels(tmp_path / "image.png").tolist() == [[[value] * 3 for value in (0, 0, 1, 0x80, 255)]]


def test_the_exif_tag_turns_nothing(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned by a right angle
    Image.new("RGB", (30, 20), RED).save(tmp_path / "image.jpg", exif=exif)
    assert read_pixels(tmp_path / "image.jpg").shape == (20, 30, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
def test_a_truncated_image_is_refused_by_name(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as GluonCV leaves it
    path = tmp_path / f"image{suffix}"
    Image.fromarray(noise(40, 60)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    line = refusal(read_pixels, path)
    assert line.startswith(f"{path}: image cannot be read (") and "truncated" in line


@pytest.mark.parametrize("contents", [b"", b"<html>404</html>"])
def test_what_is_no_image_is_refused_by_name(tmp_path, contents):
    path = tmp_path / "image.jpg"
    path.write_bytes(contents)
    assert refusal(read_pixels, path).startswith(f"{path}: is no image")


def test_an_absent_image_and_a_folder_are_refused_by_name(tmp_path):
    assert refusal(read_pixels, tmp_path / "a.jpg").startswith(f"{tmp_path / 'a.jpg'}: no such image;")
    assert refusal(read_pixels, tmp_path).startswith(f"{tmp_path}: image cannot be read (Is a directory);")
