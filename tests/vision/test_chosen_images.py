"""Which image files a command shows: those that are named, and those of a data set where none are."""

import dataclasses
from pathlib import Path

import pytest
from PIL import Image

from data.common.errors import UserError
from vision.chosen_images import choose_images, find_images, spread


@pytest.fixture
def places(tmp_path):
    for name in ("b.jpg", "a/z.PNG", "a/c/d.webp", "a/notes.txt", "empty/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def test_folders_are_searched_and_what_is_named_twice_is_taken_once(places):
    found = find_images([places / "b.jpg", places, places / "a", places / "a" / "notes.txt"])
    names = [str(path.relative_to(places)) for path in found]
    assert names == ["b.jpg", "a/c/d.webp", "a/z.PNG", "a/notes.txt"]


@pytest.mark.parametrize(
    ("place", "line"), [("empty", "empty: holds no image file"), ("absent", "absent: no such image file or folder")]
)
def test_a_place_without_images_is_named(places, place, line):
    with pytest.raises(UserError, match=line):
        find_images([places / "b.jpg", places / place])


def test_items_are_taken_at_even_distances():
    assert spread(range(10), 4) == [0, 2, 5, 7]
    assert spread(range(3), 4) == [0, 1, 2]


def test_test_images_with_two_categories_are_taken(tiny, data):
    found = choose_images(tiny, data, 10)
    assert len(found) == 2  # of three; one shows no relation between categories
    assert choose_images(tiny, data, 1) == found[:1]


def test_runs_of_minicoco_are_shown_with_scenes_where_they_are_there(tiny, tmp_path):
    names = [f"{scene}/{number}.jpg" for scene in ("bar", "cave") for number in range(2)]
    for name in names:
        path = tmp_path / "mit67" / "Images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    for split in ("Train", "Test"):
        (tmp_path / "mit67" / f"{split}Images.txt").write_text("\n".join(names))
    minicoco = dataclasses.replace(tiny, dataset="minicoco")
    folder = tmp_path / "mit67" / "Images"
    assert choose_images(minicoco, tmp_path, 2) == [folder / "bar" / "0.jpg", folder / "cave" / "0.jpg"]
    with pytest.raises(UserError, match="tiny"):  # Any other run is shown with its own images.
        choose_images(tiny, tmp_path, 2)
    with pytest.raises(UserError, match="coco"):
        choose_images(minicoco, Path("nowhere"), 2)
