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


def refusal(root: Path, split: str = "train", per_class: int | None = None) -> str:
    with pytest.raises(UserError) as error:
        read_mit67(root, split, per_class)
    return str(error.value)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_split_holds_the_images_of_its_list_in_their_order(tmp_path, capsys, end):
    folder = write(tmp_path, end=end)
    train, test = read_mit67(tmp_path, "train", 2), read_mit67(tmp_path, "test", 1)

    assert train.classes == test.classes == ("bar", "gym")
    assert [(each.id, each.label) for each in train.records] == list(zip(TRAIN, [0, 1, 0, 1], strict=True))
    assert train.records[0].path == folder / "Images/bar/a b.jpg"
    assert [(each.id, each.label) for each in test.records] == [("gym/f.jpg", 1), ("bar/g.jpg", 0)]
    assert capsys.readouterr().out == "mit67 train: 4 images, 2 classes\nmit67 test: 2 images, 2 classes\n"


def test_images_that_no_list_names_are_left_alone(tmp_path):
    (write(tmp_path) / "Images/bar/spare.jpg").touch()

    assert len(read_mit67(tmp_path, "train").records) == 4


def test_the_classes_need_not_be_of_equal_size(tmp_path):
    write(tmp_path, train=["bar/1.jpg", "bar/2.jpg", "bar/3.jpg", "gym/1.jpg"])

    assert len(read_mit67(tmp_path, "train", per_class=2).records) == 4


def test_another_number_of_images_is_refused(tmp_path):
    folder = write(tmp_path)

    assert refusal(tmp_path, "train", 80) == (
        f"{folder}/TrainImages.txt: lists 4 images where 2 × 80 are expected; "
        "complete it, or say in the config how many there are"
    )


def test_a_missing_image_of_the_split_is_named(tmp_path):
    folder = write(tmp_path)
    (folder / "Images/bar/d.jpg").unlink()

    line = refusal(tmp_path)
    assert line.startswith(f"{folder}/Images: 1 images of TrainImages.txt are missing: bar/d.jpg; get it with: ")
    assert f"scripts/get_data.sh mit67 --data {tmp_path}" in line
    assert len(read_mit67(tmp_path, "test").records) == 2


def test_a_split_that_it_has_not_is_refused(tmp_path):
    assert refusal(tmp_path, "val") == "mit67: has no split 'val'; it has train and test"


def test_where_nothing_lies_the_command_that_gets_it_is_named(tmp_path):
    line = refusal(tmp_path)

    assert line.startswith(f"{tmp_path}/mit67/TrainImages.txt: no such list of images; get it with: ")


@pytest.mark.parametrize(
    ("train", "says"),
    [
        ([], "TrainImages.txt: the list is empty"),
        (["bar/a.jpg", "gym.jpg"], "TrainImages.txt: 1 lines are not <class>/<file>: gym.jpg"),
        (["bar/a.jpg", "gym/", "a/b/c.jpg"], "TrainImages.txt: 2 lines are not <class>/<file>: gym/, a/b/c.jpg"),
        (["bar/a.jpg", "gym/b.jpg", "bar/a.jpg"], "TrainImages.txt: lists an image twice"),
        (["bar/a.jpg"], "mit67: 1 classes are in only one of TrainImages.txt and TestImages.txt: gym"),
    ],
)
def test_a_malformed_list_is_one_line(tmp_path, train, says):
    folder = write(tmp_path)
    (folder / "TrainImages.txt").write_text("\n".join(train))

    line = refusal(tmp_path, "test")
    assert f"{says}; get it with: " in line and "\n" not in line
