"""Class folders: given splits, drawn splits, images per class, and malformed layouts."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.common.errors import UserError
from data.images.pixels import read_pixels
from data.images.scenes import Sample, read_scenes


def write(folder: Path, **classes: int) -> Path:
    """Writes class folders with these numbers of gray images."""
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


def error_of(root: Path, split: str = "train", *arguments) -> str:
    with pytest.raises(UserError) as error:
        read_scenes("rooms", root, split, *arguments)
    return str(error.value)


def test_given_splits_are_read_in_the_order_of_names(split, capsys):
    (split / "rooms/train/README.txt").touch()
    (split / "rooms/train/.DS_Store").touch()
    (split / "rooms/train/bar/._000.jpg").touch()
    train, test = (read_scenes("rooms", split, each) for each in ("train", "test"))

    assert train.classes == test.classes == ("bar", "kitchen")
    assert ids(test) == [
        f"test/{name}.jpg" for name in ("bar/000", "bar/001", "kitchen/000", "kitchen/001", "kitchen/002")
    ]
    assert [record.label for record in test.records] == [0, 0, 1, 1, 1]
    assert len(train.records) == 20 and train.records[0].path == split / "rooms/train/bar/000.jpg"
    pixels = read_pixels(train.records[3].path)
    assert pixels.shape == (6, 8, 3) and np.ptp(pixels, axis=2).max() == 0
    assert capsys.readouterr().out == "rooms train: 20 images, 2 classes\nrooms test: 5 images, 2 classes\n"


def test_images_per_class_are_drawn_with_the_seed(split, capsys):
    drawn = [ids(read_scenes("rooms", split, "train", Sample(5, 0, seed))) for seed in (0, 0, 1)]

    assert drawn[0] == drawn[1] != drawn[2]
    assert [sum(f"/{name}/" in each for each in drawn[0]) for name in ("bar", "kitchen")] == [5, 5]
    assert "rooms train: 10 images, 2 classes, drawn with seed 0" in capsys.readouterr().out
    assert set(drawn[0]) < set(ids(read_scenes("rooms", split, "train", Sample(8, 0, 0))))
    assert len(read_scenes("rooms", split, "test", Sample(5, 0, 0)).records) == 5  # not drawn


def test_a_folder_without_splits_is_split_with_the_seed(tmp_path):
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
    assert error_of(split, "test", Sample(), 6).startswith(f"{split}/rooms: test has 5 images")


def test_mit67_is_read_with_its_lists(tmp_path):
    folder = write(tmp_path / "mit67/Images", bar=2, kitchen=2).parent
    for name, number in (("TrainImages", 0), ("TestImages", 1)):
        (folder / f"{name}.txt").write_text(f"kitchen/00{number}.jpg\nbar/00{number}.jpg\n")

    assert ids(read_scenes("mit67", tmp_path, "train", Sample(1, 1), 2)) == ["kitchen/000.jpg", "bar/000.jpg"]
    with pytest.raises(UserError, match="TestImages.txt: .*2 × 3"):
        read_scenes("mit67", tmp_path, "test", Sample(1, 3))


@pytest.mark.parametrize(
    ("made", "place", "name"),
    [
        ("test/cave/000.jpg", "", "cave"),
        ("train/cave/", "/train", "cave"),
        ("train/bar/notes.txt", "/train", "bar/notes.txt"),
        ("train/bar/folder.jpg/", "/train", "bar/folder.jpg"),
        ("train/000.jpg", "/train", "000.jpg"),
    ],
)
def test_malformed_class_folders_are_named(split, made, place, name):
    path = split / "rooms" / made
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if made.endswith("/") else path.touch()
    message = error_of(split)
    assert message.startswith(f"{split}/rooms{place}: 1 ") and f": {name}; " in message


@pytest.mark.parametrize(("name", "sample", "needed"), [("train", Sample(9), 9), ("test", Sample(0, 3), 3)])
def test_classes_with_too_few_images_are_named(split, name, sample, needed):
    message = error_of(split, name, sample)
    assert message.startswith(f"{split}/rooms: 1 classes ") and f" {needed} images: bar ({needed - 1}); " in message


@pytest.mark.parametrize("sample", [Sample(8), Sample(6, 3)])
def test_drawn_splits_must_leave_test_images(tmp_path, sample):
    folder = write(tmp_path / "rooms", bar=8, kitchen=12)
    message = error_of(tmp_path, "train", sample)
    assert message.startswith(f"{folder}: 1 classes ") and " 9 images: bar (8); " in message


def test_drawn_splits_need_a_number_per_class(tmp_path):
    folder = write(tmp_path / "rooms", bar=8, kitchen=12)
    message = error_of(tmp_path)
    assert message.startswith(f"{folder}: ") and "images.train_per_class" in message


def test_missing_folders_and_splits_are_named(split):
    assert error_of(split / "train").startswith(f"{split}/train/rooms: ")
    assert "'val'" in error_of(split, "val")
    (split / "rooms/test").rename(split / "rooms/val")
    assert error_of(split).startswith(f"{split}/rooms/test: ")
    (split / "empty").mkdir()
    with pytest.raises(UserError, match="empty: "):
        read_scenes("empty", split, "train", Sample(1))


def test_real_scene15_images_are_read(shared):
    for split, images in (("train", 1487), ("test", 2985)):
        assert len(read_scenes("scene15", shared, split, images=images).classes) == 15
    assert len(read_scenes("scene15", shared, "train", Sample(30), 450).records) == 450
