from pathlib import Path

import numpy as np
import pytest

from data.common.errors import UserError
from data.images.voc import CLASSES, read_voc

OBJECT = """
  <object>
    <name>{name}</name>
    <difficult>{difficult}</difficult>
    <bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox>
    <part><name>head</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>3</xmax><ymax>3</ymax></bndbox></part>
  </object>"""
ANNOTATION = """<annotation>
  <size><width>100</width><height>50</height><depth>3</depth></size>{objects}
</annotation>"""


def annotation(*objects: tuple[str, tuple, int]) -> str:
    return ANNOTATION.format(
        objects="".join(OBJECT.format(name=name, box=box, difficult=difficult) for name, box, difficult in objects)
    )


CAT = annotation(("cat", (1, 1, 100, 50), 0))
MIXED = annotation(("dog", (11, 6, 20, 15), 0), ("cat", (5, 5.5, 6, 8), 1))


def write(folder: Path, annotations: dict[str, str], **lists: list[str]) -> Path:
    """Writes a folder in VOC layout: annotations by image id, lists of ids, and empty image files."""
    for name in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (folder / name).mkdir(parents=True)
    for name, text in annotations.items():
        (folder / f"Annotations/{name}.xml").write_text(text)
        (folder / f"JPEGImages/{name}.jpg").touch()
    for split, ids in lists.items():
        (folder / f"ImageSets/Main/{split}.txt").write_text("".join(f"{name}\n" for name in ids))
    return folder


def error_of(folder: Path, split: str = "train", **options) -> str:
    with pytest.raises(UserError) as error:
        read_voc(folder, split, **options)
    return str(error.value)


def test_records_have_corners_from_0_labels_and_flags(tmp_path):
    dataset = read_voc(write(tmp_path, {"000007": MIXED}, test=["000007"]), "test", CLASSES)
    (record,) = dataset.records

    assert len(CLASSES) == 20 and list(CLASSES) == sorted(CLASSES)
    assert dataset.classes == CLASSES and dataset.category_ids == tuple(range(1, 21))
    assert (record.id, record.path) == ("000007", tmp_path / "JPEGImages/000007.jpg")
    assert (record.width, record.height) == (100, 50)
    assert record.boxes.tolist() == [[10, 5, 19, 14], [4, 4.5, 5, 7]] and record.boxes.dtype == np.float32
    assert [CLASSES[label] for label in record.labels] == ["dog", "cat"] and record.labels.dtype == np.int64
    assert record.difficult.tolist() == [False, True] and record.crowd.tolist() == [False, False]


def test_classes_default_to_those_of_all_splits_sorted(tmp_path):
    folder = write(tmp_path, {"a": CAT, "b": annotation(("ant", (1, 1, 9, 9), 0))}, train=["a"], test=["b"])
    (folder / "Annotations/._a.xml").write_bytes(b"\0")  # left by some systems next to a copied file

    assert read_voc(folder, "train").classes == read_voc(folder, "test").classes == ("ant", "cat")
    assert read_voc(folder, "train").records[0].labels.tolist() == [1]


def test_records_are_in_the_order_of_the_list(tmp_path):
    folder = write(tmp_path, {"a": CAT, "b.1": CAT, "c": CAT}, train=["c", "", "b.1 "])
    (folder / "JPEGImages/c.jpg").rename(folder / "JPEGImages/c.PNG")
    records = read_voc(folder, "train").records

    assert [record.id for record in records] == ["c", "b.1"]
    assert [record.path.name for record in records] == ["c.PNG", "b.1.jpg"]


def test_images_without_objects_are_kept(tmp_path):
    (record, _) = read_voc(write(tmp_path, {"a": annotation(), "b": CAT}, train=["a", "b"]), "train").records

    assert record.boxes.shape == (0, 4) and record.boxes.dtype == np.float32
    assert record.labels.shape == record.difficult.shape == record.crowd.shape == (0,)
    assert record.labels.dtype == np.int64 and record.crowd.dtype == bool


def test_boxes_are_clipped_and_empty_ones_dropped(tmp_path):
    objects = [
        ("cat", (0, 0, 101, 51), 0),
        ("cat", (5, 5, 5, 9), 0),
        ("dog", (5, 5, 9, 9), 1),
        ("cat", (100, 5, 101, 9), 0),
    ]
    dataset = read_voc(write(tmp_path, {"a": annotation(*objects)}, train=["a"]), "train")
    (record,) = dataset.records

    assert dataset.dropped == ("a cat (5, 5, 5, 9)", "a cat (100, 5, 101, 9)")
    assert record.boxes.tolist() == [[0, 0, 99, 49], [4, 4, 8, 8]]
    assert record.labels.tolist() == [0, 1] and record.difficult.tolist() == [False, True]


@pytest.mark.parametrize(
    "box", [(-1, 1, 9, 9), (1, -1, 9, 9), (1, 1, 102, 9), (1, 1, 9, 52), (9, 1, 5, 9), (1, 9, 9, 5)]
)
def test_boxes_outside_the_image_or_reversed_are_refused(tmp_path, box):
    folder = write(tmp_path, {"a": annotation(("cat", box, 0)), "b": CAT}, train=["a", "b"])

    assert error_of(folder).startswith(f"{folder}/Annotations: 1 boxes ")
    assert f": a cat ({', '.join(map(str, box))}); " in error_of(folder)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (CAT.replace("cat", "unicorn"), "'unicorn'"),
        (CAT.replace("cat", " "), "no name"),
        (CAT.replace("<xmin>1</xmin>", "<xmin>left</xmin>"), "object/bndbox/xmin is 'left'"),
        (CAT.replace("<ymax>50</ymax>", "<ymax>nan</ymax>"), "object/bndbox/ymax is 'nan'"),
        (CAT.replace("<xmin>1</xmin>", ""), "object/bndbox/xmin is ''"),
        (CAT.replace("bndbox", "polygon"), "object/bndbox/xmin is ''"),
        (CAT.replace("size", "extent"), "annotation/size/width is ''"),
        (CAT.replace("<width>100", "<width>0"), "size is 0 x 50"),
        (CAT[:-5], "XML"),
        ("", "XML"),
        ('<?xml version="1.0" encoding="klingon"?><annotation/>', "XML"),
    ],
)
def test_malformed_annotations_are_named(tmp_path, text, part):
    folder = write(tmp_path, {"a": text}, train=["a"])
    message = error_of(folder, classes=CLASSES)

    assert message.startswith(f"{folder}/Annotations/a.xml: ") and part in message


@pytest.mark.parametrize(("missing", "place"), [("JPEGImages/b.jpg", "JPEGImages"), ("Annotations/b.xml",) * 2])
def test_missing_images_and_annotations_are_named(tmp_path, missing, place):
    folder = write(tmp_path, {"a": CAT, "b": CAT}, train=["a", "b"])
    (folder / missing).unlink()
    message = error_of(folder, remedy="fix it")

    assert message.startswith(f"{folder}/{place}: ") and message.endswith("; fix it")


@pytest.mark.parametrize(("split", "part"), [("train", "image a twice"), ("val", "empty"), ("test", "val, train")])
def test_lists_must_exist_and_have_each_image_once(tmp_path, split, part):
    folder = write(tmp_path, {"a": CAT}, train=["a", "a"], val=[])

    assert error_of(folder, split).startswith(f"{folder}/ImageSets/Main/{split}.txt: ")
    assert part in error_of(folder, split)


def test_folders_without_any_object_are_refused(tmp_path):
    folder = write(tmp_path, {"a": annotation()}, train=["a"])

    assert error_of(folder).startswith(f"{folder}/Annotations: ")


def test_real_blood_cells_are_read(shared):
    trainval, test = (read_voc(shared / "bccd", split) for split in ("trainval", "test"))
    labels = np.concatenate([record.labels for record in (*trainval.records, *test.records)])

    assert (len(trainval.records), len(test.records)) == (292, 72)
    assert trainval.classes == test.classes == ("Platelets", "RBC", "WBC")
    assert len(trainval.dropped) == 2 and not test.dropped
    assert np.bincount(labels).tolist() == [361, 4155 - 2, 372]
    for record in (*trainval.records, *test.records):
        assert record.boxes.min() >= 0 and (record.boxes.max(axis=0) <= [639, 479, 639, 479]).all()
