"""Lists of ids in the repository, and restriction to some categories."""

from pathlib import Path

import numpy as np
import pytest

from data.common.errors import UserError
from data.images import subset
from data.images.datasets import read_images
from data.images.subset import LISTS, Subset, keep_categories
from data.records import ImageDataset, ImageRecord

VOC07_SMALL = LISTS / "voc07_small"
OBJECT = "<object><name>{name}</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
ANNOTATION = "<annotation><size><width>20</width><height>10</height></size>{objects}</annotation>"

IMAGES = {"000001": ["car", "dog"], "000002": ["dog"], "000003": ["person", "car"], "000004": ["cow"]}


def ids_of(name: str) -> list[str]:
    return (VOC07_SMALL / f"{name}.txt").read_text().split()


def write_voc(folder: Path, images: dict[str, list[str]], **lists: list[str]) -> None:
    """Writes a folder in VOC layout: images with objects of these categories, and lists of ids."""
    for name in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (folder / name).mkdir(parents=True)
    for image, categories in images.items():
        objects = "".join(OBJECT.format(name=name) for name in categories)
        (folder / f"Annotations/{image}.xml").write_text(ANNOTATION.format(objects=objects))
        (folder / f"JPEGImages/{image}.jpg").touch()
    for split, ids in lists.items():
        (folder / f"ImageSets/Main/{split}.txt").write_text("\n".join(ids))


@pytest.fixture
def root(tmp_path) -> Path:
    """A data folder with a VOC07 of four images, all in trainval."""
    write_voc(tmp_path / "VOCdevkit/VOC2007", IMAGES, trainval=list(IMAGES))
    return tmp_path


@pytest.fixture
def lists(tmp_path, monkeypatch) -> Path:
    """Replaces the lists of the repository by `few`: trainval has two of the four images."""
    (tmp_path / "lists/few").mkdir(parents=True)
    (tmp_path / "lists/few/trainval.txt").write_text("000002\n000003\n")
    monkeypatch.setattr(subset, "LISTS", tmp_path / "lists")
    return tmp_path / "lists/few"


def error_of(*arguments, **options) -> str:
    with pytest.raises(UserError) as error:
        read_images(*arguments, **options)
    return str(error.value)


def test_lists_match_the_configs_and_do_not_overlap():
    trainval, test, train, val = (ids_of(name) for name in ("trainval", "test", "train", "val"))
    assert [len(set(ids)) for ids in (trainval, test, train, val)] == [988, 1000, 790, 198]
    assert not set(trainval) & set(test)
    assert trainval == sorted(trainval) and val == trainval[::5]
    assert train == [name for name in trainval if name not in val]


@pytest.mark.parametrize("split", ["trainval", "test"])
def test_lists_are_those_of_the_small_data_set(shared, split):
    path = shared / "voc07_small/VOCdevkit/VOC2007/ImageSets/Main" / f"{split}.txt"
    assert ids_of(split) == path.read_text().split()


def test_lists_and_categories_select_from_a_larger_data_set(root, lists, capsys):
    dataset = read_images("voc07", root, "trainval", 2, subset=Subset("few", ("person", "car")))

    assert [record.id for record in dataset.records] == ["000002", "000003"]
    assert dataset.classes == ("car", "person") and dataset.category_ids == (7, 15)
    assert [record.labels.tolist() for record in dataset.records] == [[], [1, 0]]
    summary, dropped = capsys.readouterr().out.splitlines()
    assert summary == "voc07 trainval: 2 images, 2 categories, 2 objects, 1 images without an object"
    assert dropped.startswith("voc07 trainval: 1 objects ")


def test_lists_apply_to_any_folder_in_voc_layout(root, lists):
    (root / "VOCdevkit/VOC2007").rename(root / "mine")

    dataset = read_images("mine", root, "trainval", subset=Subset("few", ("car", "dog")))
    assert [record.id for record in dataset.records] == ["000002", "000003"]
    assert dataset.classes == ("car", "dog") and dataset.category_ids == (1, 3)  # of car, cow, dog, person


@pytest.mark.parametrize(
    ("missing", "place"), [("JPEGImages/000003.jpg", "JPEGImages"), ("Annotations/000003.xml",) * 2]
)
def test_listed_ids_need_an_image_and_an_annotation(root, lists, missing, place):
    folder = root / "VOCdevkit/VOC2007"
    (folder / missing).unlink()
    message = error_of("voc07", root, "trainval", subset=Subset("few"))
    assert message.startswith(f"{folder}/{place}: ") and "000003" in message


@pytest.mark.parametrize(
    ("name", "split", "subset", "parts"),
    [
        ("voc07", "trainval", Subset("many"), ["images.id_lists is many: ", "few"]),
        ("voc07", "trainval", Subset("../lists/few"), ["images.id_lists is ../lists/few: "]),
        ("voc07", "trainval", Subset("few/trainval.txt"), ["images.id_lists is few/trainval.txt: "]),
        ("voc07", "test", Subset("few"), ["lists/few: ", " test ", "trainval"]),
        ("minicoco", "trainval", Subset("few"), ["images.id_lists is few: minicoco "]),
        (
            "voc07",
            "trainval",
            Subset(categories=("car", "cars")),
            ["images.categories names cars, ", "aeroplane"],
        ),
    ],
)
def test_unknown_lists_and_categories_are_named(root, lists, name, split, subset, parts):
    message = error_of(name, root, split, subset=subset)
    assert all(part in message for part in parts)


def test_only_relations_between_kept_objects_are_kept():
    record = ImageRecord(
        id="1",
        path=Path("1.jpg"),
        width=100,
        height=100,
        boxes=np.arange(16, dtype=np.float32).reshape(4, 4),
        labels=np.array([2, 0, 1, 2]),
        difficult=np.array([False, False, True, True]),
        crowd=np.array([True, False, False, False]),
        relations=np.array([[0, 3], [3, 0], [1, 0], [2, 1]]),
    )
    whole = ImageDataset(("cat", "dog", "owl"), (3, 5, 9), [record], ("1 cat",))
    restricted, dropped = keep_categories(whole, ("owl", "dog"))
    (kept,) = restricted.records

    assert dropped == 1 and restricted.dropped == ("1 cat",)
    assert restricted.classes == ("dog", "owl") and restricted.category_ids == (5, 9)
    assert kept.labels.tolist() == [1, 0, 1] and kept.labels.dtype == np.int64
    assert kept.boxes.tolist() == record.boxes[[0, 2, 3]].tolist()
    assert kept.difficult.tolist() == [False, True, True] and kept.crowd.tolist() == [True, False, False]
    assert kept.relations.tolist() == [[0, 2], [2, 0]]
