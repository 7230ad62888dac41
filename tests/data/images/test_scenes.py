"""Scenes by class folders: given splits, drawn splits, a number of images per class, and layouts that are refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.common.errors import UserError
from data.images.pixels import read_pixels
from data.images.scenes import Sample, read_scenes


def write(folder: Path, **classes: int) -> Path:
    """Writes class folders with so many grey images each."""
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("L", (8, 6), number).save(folder / name / f"{number:03}.jpg")
    return folder


@pytest.fixture
def split(tmp_path) -> Path:
    """A folder with given splits: 12 and 8 training images of two classes, 3 and 2 test images."""
    write(tmp_path / "rooms/train", kitchen=12, bar=8)
    write(tmp_path / "rooms/test", kitchen=3, bar=2)
    return tmp_path


def ids(dataset) -> list[str]:
    return [record.id for record in dataset.records]


def refusal(root: Path, split: str = "train", *arguments) -> str:
    with pytest.raises(UserError) as error:
        read_scenes("rooms", root, split, *arguments)
    return str(error.value)


def test_given_splits_are_read_whole_in_the_order_of_names(split, capsys):
    train, test = (read_scenes("rooms", split, each) for each in ("train", "test"))

    assert train.classes == test.classes == ("bar", "kitchen")
    assert ids(test) == [
        f"test/{name}.jpg" for name in ("bar/000", "bar/001", "kitchen/000", "kitchen/001", "kitchen/002")
    ]
    assert [record.label for record in test.records] == [0, 0, 1, 1, 1]
    assert len(train.records) == 20 and train.records[0].path == split / "rooms/train/bar/000.jpg"
    assert capsys.readouterr().out == "rooms train: 20 images, 2 classes\nrooms test: 5 images, 2 classes\n"


def test_grey_images_have_three_equal_channels(split):
    pixels = read_pixels(read_scenes("rooms", split, "train").records[3].path)
    assert pixels.shape == (6, 8, 3) and np.ptp(pixels, axis=2).max() == 0


def test_a_number_of_images_per_class_is_drawn_by_the_seed(split, capsys):
    drawn = [ids(read_scenes("rooms", split, "train", Sample(5, 0, seed))) for seed in (0, 0, 1)]

    assert drawn[0] == drawn[1] != drawn[2]
    assert [sum(f"/{name}/" in each for each in drawn[0]) for name in ("bar", "kitchen")] == [5, 5]
    assert "rooms train: 10 images, 2 classes, drawn with seed 0" in capsys.readouterr().out
    assert set(drawn[0]) < set(ids(read_scenes("rooms", split, "train", Sample(8, 0, 0))))
    assert len(read_scenes("rooms", split, "test", Sample(5, 0, 0)).records) == 5  # These are not drawn.


def test_one_folder_of_classes_is_split_by_the_seed(tmp_path):
    write(tmp_path / "rooms", bar=8, kitchen=12)
    train, test, other, few = (
        ids(read_scenes("rooms", tmp_path, name, sample))
        for name, sample in (
            ("train", Sample(5)),
            ("test", Sample(5)),
            ("train", Sample(5, 0, 1)),
            ("test", Sample(5, 2)),
        )
    )

    assert len(train) == 10 and len(test) == 3 + 7 and not set(train) & set(test)
    assert len(set(train) | set(test)) == 20 and train != other
    assert len(few) == 4 and set(few) < set(test)


def test_the_number_of_images_can_be_required(split):
    assert len(read_scenes("rooms", split, "train", images=20).records) == 20
    assert refusal(split, "test", Sample(), 6).startswith(f"{split}/rooms: test has 5 images where 6 are expected; ")


def test_hidden_files_and_files_beside_the_classes_are_ignored(split):
    (split / "rooms/train/README.txt").touch()
    (split / "rooms/train/.DS_Store").touch()
    (split / "rooms/train/bar/._000.jpg").touch()
    assert len(read_scenes("rooms", split, "train").records) == 20


def test_mit67_is_read_by_its_lists(tmp_path):
    folder = write(tmp_path / "mit67/Images", bar=2, kitchen=2).parent
    for name, number in (("TrainImages", 0), ("TestImages", 1)):
        (folder / f"{name}.txt").write_text(f"kitchen/00{number}.jpg\nbar/00{number}.jpg\n")

    assert ids(read_scenes("mit67", tmp_path, "train", Sample(1, 1), 2)) == ["kitchen/000.jpg", "bar/000.jpg"]
    with pytest.raises(UserError, match="TestImages.txt: lists 2 images where 2 × 3 are expected"):
        read_scenes("mit67", tmp_path, "test", Sample(1, 3))


def test_a_class_of_one_split_alone_is_refused(split):
    write(split / "rooms/test", cave=1)
    for name in ("train", "test"):
        assert refusal(split, name).startswith(f"{split}/rooms: 1 classes are in only one of train and test: cave; ")


def test_an_empty_class_is_refused(split):
    (split / "rooms/train/cave").mkdir()
    assert refusal(split).startswith(f"{split}/rooms/train: 1 classes are empty: cave; ")


@pytest.mark.parametrize("name", ["notes.txt", "folder.jpg/"])
def test_what_is_not_an_image_by_its_name_is_refused(split, name):
    path = split / "rooms/train/bar" / name
    path.mkdir() if name.endswith("/") else path.touch()
    assert refusal(split).startswith(f"{split}/rooms/train: 1 entries are not images (.bmp, ")
    assert f"bar/{path.name}; " in refusal(split)


def test_a_file_that_is_not_an_image_is_named_when_it_is_read(split):
    path = split / "rooms/train/bar/000.jpg"
    path.write_text("not an image")
    with pytest.raises(UserError, match=f"{path}: is no image"):
        read_pixels(read_scenes("rooms", split, "train").records[0].path)


def test_images_outside_of_class_folders_are_refused(split):
    (split / "rooms/train/000.jpg").touch()
    assert refusal(split).startswith(f"{split}/rooms/train: 1 images are in no class folder: 000.jpg; ")


@pytest.mark.parametrize(("name", "sample", "needed"), [("train", Sample(9), 9), ("test", Sample(0, 3), 3)])
def test_a_class_with_too_few_images_is_refused(split, name, sample, needed):
    line = refusal(split, name, sample)
    assert line.startswith(f"{split}/rooms: 1 classes have fewer than {needed} images: bar ({needed - 1}); ")


@pytest.mark.parametrize("sample", [Sample(8), Sample(6, 3)])
def test_a_drawn_split_must_leave_test_images(tmp_path, sample):
    folder = write(tmp_path / "rooms", bar=8, kitchen=12)
    assert refusal(tmp_path, "train", sample).startswith(f"{folder}: 1 classes have fewer than 9 images: bar (8); ")


def test_a_drawn_split_needs_a_number_per_class(tmp_path):
    folder = write(tmp_path / "rooms", bar=8, kitchen=12)
    assert refusal(tmp_path).startswith(f"{folder}: has no folders train and test; set images.train_per_class")


def test_absent_folders_and_splits_are_refused(split):
    assert refusal(split / "train").startswith(f"{split}/train/rooms: no such folder; ")
    assert refusal(split, "val") == "rooms: has no split 'val'; it has train and test"
    (split / "rooms/test").rename(split / "rooms/val")
    assert refusal(split).startswith(f"{split}/rooms/test: no such folder; ")
    (split / "empty").mkdir()
    with pytest.raises(UserError, match="empty: has no class folders; "):
        read_scenes("empty", split, "train", Sample(1))


def test_the_fifteen_scenes_are_read_whole(shared, capsys):
    for split, images in (("train", 1487), ("test", 2985)):
        assert len(read_scenes("scene15", shared, split, images=images).classes) == 15
    assert len(read_scenes("scene15", shared, "train", Sample(30), 450).records) == 450
