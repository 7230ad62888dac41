"""Shipped lists of ids, and categories that are kept: what is read of a data set that has more."""

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
    """Writes a folder in VOC layout: the categories of the objects of each image, and lists of ids."""
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
    """A data folder with a VOC07 of four images, all in its own trainval."""
    write_voc(tmp_path / "VOCdevkit/VOC2007", IMAGES, trainval=list(IMAGES))
    return tmp_path


@pytest.fixture
def lists(tmp_path, monkeypatch) -> Path:
    """A folder of lists `few` in place of the shipped ones: trainval has two of the four images."""
    (tmp_path / "lists/few").mkdir(parents=True)
    (tmp_path / "lists/few/trainval.txt").write_text("000002\n000003\n")
    monkeypatch.setattr(subset, "LISTS", tmp_path / "lists")
    return tmp_path / "lists/few"


def refusal(*arguments, **options) -> str:
    with pytest.raises(UserError) as error:
        read_images(*arguments, **options)
    return str(error.value)


def test_shipped_lists_have_the_counts_that_the_configs_expect():
    counts = {name: len(set(ids_of(name))) for name in ("trainval", "test", "train", "val")}
    assert counts == {"trainval": 988, "test": 1000, "train": 790, "val": 198}
    assert not set(ids_of("trainval")) & set(ids_of("test"))


def test_held_out_ids_are_every_fifth_of_trainval():
    trainval, train, val = (ids_of(name) for name in ("trainval", "train", "val"))
    assert trainval == sorted(trainval) and val == trainval[::5]
    assert train == [name for name in trainval if name not in val]


@pytest.mark.parametrize("split", ["trainval", "test"])
def test_shipped_lists_are_those_of_the_small_data_set(shared, split):
    path = shared / "voc07_small/VOCdevkit/VOC2007/ImageSets/Main" / f"{split}.txt"
    assert ids_of(split) == path.read_text().split()


def test_a_list_selects_from_a_data_set_with_more_images(root, lists, capsys):
    dataset = read_images("voc07", root, "trainval", 2, subset=Subset("few", ("person", "car")))

    assert [record.id for record in dataset.records] == ["000002", "000003"]
    assert dataset.classes == ("car", "person") and dataset.category_ids == (7, 15)
    assert [record.labels.tolist() for record in dataset.records] == [[], [1, 0]]
    summary, dropped = capsys.readouterr().out.splitlines()
    assert summary == "voc07 trainval: 2 images, 2 categories, 2 objects, 1 images without an object"
    assert dropped == "voc07 trainval: 1 objects of other categories were dropped (images.categories)"


def test_the_same_images_alone_give_the_same_records(root, lists, tmp_path):
    only = tmp_path / "only"
    write_voc(only / "VOCdevkit/VOC2007", {name: IMAGES[name] for name in ("000002", "000003")})
    chosen = Subset("few", ("person", "car"))
    whole, small = (read_images("voc07", folder, "trainval", 2, subset=chosen) for folder in (root, only))

    assert (whole.classes, whole.category_ids) == (small.classes, small.category_ids)
    for one, other in zip(whole.records, small.records, strict=True):
        assert (
            one.id == other.id and np.array_equal(one.boxes, other.boxes) and np.array_equal(one.labels, other.labels)
        )


def test_lists_also_apply_to_an_own_folder_in_voc_layout(root, lists):
    (root / "VOCdevkit/VOC2007").rename(root / "mine")

    dataset = read_images("mine", root, "trainval", subset=Subset("few", ("car", "dog")))
    assert [record.id for record in dataset.records] == ["000002", "000003"]
    assert dataset.classes == ("car", "dog") and dataset.category_ids == (1, 3)  # of car, cow, dog, person


def test_an_id_without_an_image_or_annotation_is_refused(root, lists):
    folder = root / "VOCdevkit/VOC2007"
    (folder / "JPEGImages/000003.jpg").unlink()
    line = refusal("voc07", root, "trainval", subset=Subset("few"))
    assert line.startswith(f"{folder}/JPEGImages: 1 images of the list trainval are missing: 000003; get it with")

    (folder / "JPEGImages/000003.jpg").touch()
    (folder / "Annotations/000003.xml").unlink()
    assert refusal("voc07", root, "trainval", subset=Subset("few")).startswith(f"{folder}/Annotations/000003.xml: ")


@pytest.mark.parametrize("name", ["many", "../lists/few", "few/trainval.txt"])
def test_an_unknown_folder_of_lists_is_refused(root, lists, name):
    line = refusal("voc07", root, "trainval", subset=Subset(name))
    assert line.startswith(f"images.id_lists is {name}: ") and line.endswith("choose from few")


def test_a_split_without_a_list_is_refused(root, lists):
    line = refusal("voc07", root, "test", subset=Subset("few"))
    assert line.startswith(f"{lists}: has no list of the split test (there are trainval); ")


def test_lists_for_another_layout_are_refused(root, lists):
    line = refusal("minicoco", root, "trainval", subset=Subset("few"))
    assert line == "images.id_lists is few: minicoco is not in VOC layout; remove images.id_lists"


def test_an_unknown_category_is_refused_with_the_known_ones(root):
    line = refusal("voc07", root, "trainval", subset=Subset(categories=("car", "cars")))
    assert line.startswith("images.categories names cars, ") and "choose from aeroplane, bicycle, " in line


def test_relations_between_kept_objects_are_kept():
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
