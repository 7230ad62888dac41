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
    """Writes a folder in VOC layout with one object per image, which is empty in the image `flat`."""
    for name in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (folder / name).mkdir(parents=True)
    for split, ids in lists.items():
        (folder / f"ImageSets/Main/{split}.txt").write_text("\n".join(ids))
        for name in ids:
            (folder / f"Annotations/{name}.xml").write_text(ANNOTATION.format(ymax=2 if name == "flat" else 9))
            (folder / f"JPEGImages/{name}.jpg").touch()


def write_instances(path: Path, ids: list[int], prefix: str) -> None:
    """Writes an annotation file with one crowd in every image except the first."""
    images = [{"id": each, "file_name": f"{prefix}{each:012}.jpg", "width": 20, "height": 10} for each in ids]
    boxes = [{"image_id": each, "category_id": 3, "bbox": [1, 1, 5, 5], "iscrowd": 1} for each in ids[1:]]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": boxes, "categories": [{"id": 3, "name": "car"}]}))


def write_coco(root: Path, val2014: range = range(10, 20), minival: tuple[int, ...] = (17, 12)) -> Path:
    """Writes COCO's val2014 and the annotations of val2017, and returns the data folder `root`."""
    annotations = root / "coco/annotations"
    write_instances(annotations / "instances_val2014.json", list(val2014), "COCO_val2014_")
    write_instances(annotations / "instances_val2017.json", list(minival), "")
    (root / "coco/val2014").mkdir()
    for number in val2014:
        (root / f"coco/val2014/COCO_val2014_{number:012}.jpg").touch()
    return root


def ids(dataset) -> list[str]:
    return [record.id for record in dataset.records]


def error_of(name: str, root: Path, split: str, images: int | None = None) -> str:
    with pytest.raises(UserError) as error:
        read_images(name, root, split, images)
    return str(error.value)


def test_voc07_is_read_from_its_official_folder(tmp_path, capsys):
    write_voc(tmp_path / "VOCdevkit/VOC2007", trainval=["000005", "flat"], test=["000001"])
    dataset = read_images("voc07", tmp_path, "trainval", 2)

    assert ids(dataset) == ["000005", "flat"] and dataset.classes == CLASSES
    summary = capsys.readouterr().out
    assert summary.startswith("voc07 trainval: 2 images, 20 categories, 1 objects, 1 difficult, 1 images without ")
    assert "1 (flat cat (2, 2, 9, 2))" in summary


def test_another_number_of_images_is_refused(tmp_path):
    write_voc(tmp_path / "VOCdevkit/VOC2007", test=["000001"])
    message = error_of("voc07", tmp_path, "test", 4952)

    assert message.startswith(f"{tmp_path}: voc07 test has 1 images") and "4,952" in message


@pytest.mark.parametrize("name", ["instances_val2017.json", "instances_minival2014.json"])
def test_minival_is_read_from_val2014(tmp_path, capsys, name):
    folder = write_coco(tmp_path) / "coco/annotations"
    (folder / "instances_val2017.json").rename(folder / name)
    dataset = read_images("minicoco", tmp_path, "minival", 2)

    assert ids(dataset) == ["12", "17"] and dataset.classes == ("car",) and dataset.category_ids == (3,)
    assert dataset.records[0].path == tmp_path / "coco/val2014/COCO_val2014_000000000012.jpg"
    assert capsys.readouterr().out == "minicoco minival: 2 images, 1 categories, 2 objects, 2 crowds\n"


def test_training_images_of_minicoco_are_not_in_minival(tmp_path):
    assert ids(read_images("minicoco", write_coco(tmp_path), "train")) == [
        str(number) for number in range(10, 20) if number not in (12, 17)
    ]


def test_sampled_training_images_are_fixed_and_written(tmp_path):
    root, lists = write_coco(tmp_path), tmp_path / "runs/cache"

    assert ids(read_images("minicoco", root, "train", 5, lists)) == ["11", "13", "14", "15", "19"]
    assert ids(read_images("minicoco", root, "train", 5)) == ["11", "13", "14", "15", "19"]
    assert (lists / "minicoco-train-5.txt").read_text() == "11\n13\n14\n15\n19\n"


def test_minicoco_refuses_what_val2014_does_not_have(tmp_path):
    path = write_coco(tmp_path, minival=(5, 12)) / "coco/annotations/instances_val2014.json"

    assert error_of("minicoco", tmp_path, "train", 10).startswith(f"{path}: ")
    assert error_of("minicoco", tmp_path, "minival").startswith(f"{path}: ")


def test_unknown_splits_of_minicoco_are_refused(tmp_path):
    assert "'test'" in error_of("minicoco", tmp_path, "test")


@pytest.mark.parametrize(
    ("name", "split", "path", "download"),
    [
        ("voc07", "test", "VOCdevkit/VOC2007/ImageSets/Main/test.txt", "voc07"),
        ("minicoco", "train", "coco/annotations/instances_val2017.json", "coco"),
        ("minicoco", "minival", "coco/annotations/instances_val2017.json", "coco"),
        ("visual_genome", "test", "visual_genome/VG-SGG-dicts.json", "visual-genome"),
    ],
)
def test_errors_for_missing_data_name_the_download(tmp_path, name, split, path, download):
    message = error_of(name, tmp_path, split)

    assert message.startswith(f"{tmp_path}/{path}: ")
    assert f"scripts/get_data.sh {download} --data {tmp_path}" in message


def test_folders_in_voc_layout_are_data_sets(tmp_path, capsys):
    write_voc(tmp_path / "cells", mine=["b", "a"])

    assert ids(read_images("cells", tmp_path, "mine")) == ["b", "a"]
    assert capsys.readouterr().out == "cells mine: 2 images, 1 categories, 2 objects, 2 difficult\n"


def test_folders_in_coco_layout_are_data_sets(tmp_path):
    write_instances(tmp_path / "cars/annotations/instances_mine.json", [4, 2], "")
    (tmp_path / "cars/mine").mkdir()
    for number in (4, 2):
        (tmp_path / f"cars/mine/{number:012}.jpg").touch()

    assert ids(read_images("cars", tmp_path, "mine", 2)) == ["2", "4"]
    message = error_of("cars", tmp_path, "yours")
    assert message.startswith(f"{tmp_path}/cars/annotations/instances_yours.json: ") and "mine" in message


def test_missing_folders_and_other_layouts_are_refused(tmp_path):
    (tmp_path / "cells").mkdir()

    for name in ("cells", "absent"):
        assert error_of(name, tmp_path, "train").startswith(f"{tmp_path}/{name}: ")
