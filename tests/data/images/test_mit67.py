from pathlib import Path

import pytest

from data.common.errors import UserError
from data.images.mit67 import read_mit67

TRAIN = ["bar/a b.jpg", "gym/c.jpg", "bar/d.jpg", "gym/e.jpg"]
TEST = ["gym/f.jpg", "bar/g.jpg"]


def write(root: Path, train: list[str] = TRAIN, test: list[str] = TEST, end: str = "\n") -> Path:
    folder = root / "mit67"
    for name in (*train, *test):
        (folder / "Images" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "Images" / name).touch()
    for name, names in (("TrainImages.txt", train), ("TestImages.txt", test)):
        (folder / name).write_text(end.join(names), newline="")
    return folder


def error_of(root: Path, split: str = "train", per_class: int | None = None) -> str:
    with pytest.raises(UserError) as error:
        read_mit67(root, split, per_class)
    return str(error.value)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_split_has_the_images_of_its_list(tmp_path, capsys, end):
    folder = write(tmp_path, end=end)
    (folder / "Images/bar/unlisted.jpg").touch()
    train, test = read_mit67(tmp_path, "train", 2), read_mit67(tmp_path, "test", 1)

    assert train.classes == test.classes == ("bar", "gym")
    assert [(each.id, each.label) for each in train.records] == list(zip(TRAIN, [0, 1, 0, 1], strict=True))
    assert train.records[0].path == folder / "Images/bar/a b.jpg"
    assert [(each.id, each.label) for each in test.records] == [("gym/f.jpg", 1), ("bar/g.jpg", 0)]
    assert capsys.readouterr().out == "mit67 train: 4 images, 2 classes\nmit67 test: 2 images, 2 classes\n"


def test_per_class_is_a_mean_over_the_classes(tmp_path):
    folder = write(tmp_path, train=["bar/1.jpg", "bar/2.jpg", "bar/3.jpg", "gym/1.jpg"])

    assert len(read_mit67(tmp_path, "train", per_class=2).records) == 4
    message = error_of(tmp_path, "train", 80)
    assert message.startswith(f"{folder}/TrainImages.txt: ") and "2 × 80" in message


def test_missing_images_of_the_split_are_named(tmp_path):
    folder = write(tmp_path)
    (folder / "Images/bar/d.jpg").unlink()
    message = error_of(tmp_path)

    assert message.startswith(f"{folder}/Images: 1 images ") and ": bar/d.jpg; " in message
    assert f"scripts/get_data.sh mit67 --data {tmp_path}" in message
    assert len(read_mit67(tmp_path, "test").records) == 2


def test_missing_data_sets_and_splits_are_refused(tmp_path):
    assert error_of(tmp_path).startswith(f"{tmp_path}/mit67/TrainImages.txt: ")
    assert "'val'" in error_of(tmp_path, "val")


@pytest.mark.parametrize(
    ("train", "part"),
    [
        ([], "TrainImages.txt: "),
        (["bar/a.jpg", "gym.jpg"], "TrainImages.txt: 1 lines are not <class>/<file>: gym.jpg"),
        (["bar/a.jpg", "gym/", "a/b/c.jpg"], "TrainImages.txt: 2 lines are not <class>/<file>: gym/, a/b/c.jpg"),
        (["bar/a.jpg", "gym/b.jpg", "bar/a.jpg"], "TrainImages.txt: "),
        (["bar/a.jpg"], "mit67: 1 classes are in only one of TrainImages.txt and TestImages.txt: gym"),
    ],
)
def test_malformed_lists_are_refused(tmp_path, train, part):
    folder = write(tmp_path)
    (folder / "TrainImages.txt").write_text("\n".join(train))

    assert part in error_of(tmp_path, "test")
