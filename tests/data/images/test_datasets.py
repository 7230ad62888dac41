import json
from pathlib import Path

import pytest

from data.common.errors import UserError
from data.images.datasets import read_images
from data.images.voc import CLASSES

ANNOTATION = """<annotation><size><width>20</width><height>10</height></size><object><name>cat</name>
<difficult>1</difficult><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>{ymax}</ymax></bndbox></object>
</annotation>"""


def write_voc(folder: Path, **lists: list[str]) -> None:
    """Writes a folder in VOC layout, an object an image; in the image `flat` the object has no size."""
    for name in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (folder / name).mkdir(parents=True)
    for split, ids in lists.items():
        (folder / f"ImageSets/Main/{split}.txt").write_text("\n".join(ids))
        for name in ids:
            (folder / f"Annotations/{name}.xml").write_text(ANNOTATION.format(ymax=2 if name == "flat" else 9))
            (folder / f"JPEGImages/{name}.jpg").touch()


def write_instances(path: Path, ids: list[int], prefix: str) -> None:
    """Writes an annotation file; every image but the first has a crowd in it."""
    images = [{"id": each, "file_name": f"{prefix}{each:012}.jpg", "width": 20, "height": 10} for each in ids]
    boxes = [{"image_id": each, "category_id": 3, "bbox": [1, 1, 5, 5], "iscrowd": 1} for each in ids[1:]]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": boxes, "categories": [{"id": 3, "name": "car"}]}))


def write_coco(root: Path, val2014: range = range(10, 20), minival: tuple[int, ...] = (17, 12)) -> Path:
    """Writes COCO's val2014 and the annotations of val2017 below `root`."""
    annotations = root / "coco/annotations"
    write_instances(annotations / "instances_val2014.json", list(val2014), "COCO_val2014_")
    write_instances(annotations / "instances_val2017.json", list(minival), "")
    (root / "coco/val2014").mkdir()
    for number in val2014:
        (root / f"coco/val2014/COCO_val2014_{number:012}.jpg").touch()
    return root


def ids(dataset) -> list[str]:
    return [record.id for record in dataset.records]


def refusal(name: str, root: Path, split: str, images: int | None = None) -> str:
    with pytest.raises(UserError) as error:
        read_images(name, root, split, images)
    return str(error.value)


def get(name: str, root: Path) -> str:
    miniature = f"or the miniature with: python -m data.mini --out {root}"
    return f"get it with: scripts/get_data.sh {name} --data {root}, {miniature}"


def test_voc07_is_read_from_the_official_folder_with_its_twenty_classes(tmp_path, capsys):
    write_voc(tmp_path / "VOCdevkit/VOC2007", trainval=["000005", "flat"], test=["000001"])
    dataset = read_images("voc07", tmp_path, "trainval", 2)

    assert ids(dataset) == ["000005", "flat"] and dataset.classes == CLASSES
    assert capsys.readouterr().out == (
        "voc07 trainval: 2 images, 20 categories, 1 objects, 1 difficult, 1 images without an object, "
        "boxes of no size left out: 1 (flat cat (2, 2, 9, 2))\n"
    )


def test_a_split_of_another_size_is_refused(tmp_path):
    write_voc(tmp_path / "VOCdevkit/VOC2007", test=["000001"])

    assert refusal("voc07", tmp_path, "test", 4952).startswith(
        f"{tmp_path}: voc07 test holds 1 images where 4,952 are expected; "
    )


def test_minival_is_read_from_val2014_by_the_ids_of_val2017(tmp_path, capsys):
    dataset = read_images("minicoco", write_coco(tmp_path), "minival", 2)

    assert ids(dataset) == ["12", "17"] and dataset.classes == ("car",) and dataset.category_ids == (3,)
    assert dataset.records[0].path == tmp_path / "coco/val2014/COCO_val2014_000000000012.jpg"
    assert capsys.readouterr().out == "minicoco minival: 2 images, 1 categories, 2 objects, 2 crowds\n"


def test_minival_may_be_named_by_a_file_of_its_own(tmp_path):
    folder = write_coco(tmp_path) / "coco/annotations"
    (folder / "instances_val2017.json").rename(folder / "instances_minival2014.json")

    assert ids(read_images("minicoco", tmp_path, "minival")) == ["12", "17"]


def test_the_training_images_are_the_others_of_val2014(tmp_path):
    assert ids(read_images("minicoco", write_coco(tmp_path), "train")) == [
        str(number) for number in range(10, 20) if number not in (12, 17)
    ]


def test_a_number_of_training_images_is_drawn_always_the_same_and_written_out(tmp_path):
    root, lists = write_coco(tmp_path), tmp_path / "runs/cache"
    drawn = ids(read_images("minicoco", root, "train", 5, lists))

    assert len(drawn) == 5 and drawn == sorted(drawn, key=int) and not set(drawn) & {"12", "17"}
    assert drawn == ids(read_images("minicoco", root, "train", 5)) == ["11", "13", "14", "15", "19"]
    assert (lists / "minicoco-train-5.txt").read_text().split("\n") == [*drawn, ""]


def test_more_training_images_than_there_are_cannot_be_drawn(tmp_path):
    root = write_coco(tmp_path)

    assert refusal("minicoco", root, "train", 9) == (
        f"{root}/coco/annotations/instances_val2014.json: 8 images are not in minival, 9 are to be drawn; "
        + get("coco", root)
    )


def test_minival_outside_of_val2014_is_refused(tmp_path):
    root = write_coco(tmp_path, minival=(5, 12))

    assert refusal("minicoco", root, "minival").startswith(
        f"{root}/coco/annotations/instances_val2014.json: 1 images to read are not in it: 5; "
    )


def test_a_split_that_minicoco_has_not_is_refused_before_anything_is_read(tmp_path):
    assert refusal("minicoco", tmp_path, "test") == "minicoco: has no split 'test'; it has train and minival"


def test_where_nothing_lies_the_command_that_gets_it_is_named(tmp_path):
    voc, coco = tmp_path / "VOCdevkit/VOC2007", tmp_path / "coco/annotations"

    assert refusal("voc07", tmp_path, "test") == (
        f"{voc}/ImageSets/Main/test.txt: no such list of images (there is none); {get('voc07', tmp_path)}"
    )
    for split in ("train", "minival"):
        assert refusal("minicoco", tmp_path, split) == (
            f"{coco}/instances_val2017.json: no such COCO annotations; {get('coco', tmp_path)}"
        )


def test_a_folder_in_voc_layout_is_a_data_set_by_its_name(tmp_path, capsys):
    write_voc(tmp_path / "cells", mine=["b", "a"])

    assert ids(read_images("cells", tmp_path, "mine")) == ["b", "a"]
    assert capsys.readouterr().out == "cells mine: 2 images, 1 categories, 2 objects, 2 difficult\n"


def test_a_folder_in_coco_layout_is_a_data_set_by_its_name(tmp_path):
    write_instances(tmp_path / "cars/annotations/instances_mine.json", [4, 2], "")
    (tmp_path / "cars/mine").mkdir()
    for number in (4, 2):
        (tmp_path / f"cars/mine/{number:012}.jpg").touch()

    assert ids(read_images("cars", tmp_path, "mine", 2)) == ["2", "4"]
    assert refusal("cars", tmp_path, "yours") == (
        f"{tmp_path}/cars/annotations/instances_yours.json: no such annotations (there are mine); "
        "name one of the splits that there are"
    )


NAME = "name a folder in VOC or COCO layout, or voc07, minicoco or visual_genome"


def test_a_folder_in_neither_layout_is_told_what_they_are(tmp_path):
    (tmp_path / "cells").mkdir()

    assert refusal("cells", tmp_path, "train") == (
        f"{tmp_path}/cells: holds no data set in VOC layout (Annotations/, ImageSets/Main/, JPEGImages/) or COCO "
        f"layout (annotations/instances_<split>.json, <split>/); {NAME}"
    )


def test_a_folder_that_is_not_there_is_named(tmp_path):
    assert refusal("cells", tmp_path, "train") == f"{tmp_path}/cells: no such folder; {NAME}"
