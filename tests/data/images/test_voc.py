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
    """Writes a folder in VOC layout: annotations by image id, and lists of ids; image files are empty."""
    for name in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (folder / name).mkdir(parents=True)
    for name, text in annotations.items():
        (folder / f"Annotations/{name}.xml").write_text(text)
        (folder / f"JPEGImages/{name}.jpg").touch()
    for split, ids in lists.items():
        (folder / f"ImageSets/Main/{split}.txt").write_text("".join(f"{name}\n" for name in ids))
    return folder


def refusal(folder: Path, split: str = "train", **options) -> str:
    with pytest.raises(UserError) as error:
        read_voc(folder, split, **options)
    return str(error.value)


def test_a_record_holds_corners_from_0_labels_and_flags(tmp_path):
    dataset = read_voc(write(tmp_path, {"000007": MIXED}, test=["000007"]), "test", CLASSES)
    (record,) = dataset.records

    assert (record.id, record.path) == ("000007", tmp_path / "JPEGImages/000007.jpg")
    assert (record.width, record.height) == (100, 50)
    assert record.boxes.tolist() == [[10, 5, 19, 14], [4, 4.5, 5, 7]] and record.boxes.dtype == np.float32
    assert [CLASSES[label] for label in record.labels] == ["dog", "cat"] and record.labels.dtype == np.int64
    assert record.difficult.tolist() == [False, True] and record.crowd.tolist() == [False, False]


def test_the_classes_of_voc_are_twenty_in_alphabetical_order_with_ids_from_1(tmp_path):
    dataset = read_voc(write(tmp_path, {"a": CAT}, test=["a"]), "test", CLASSES)

    assert len(CLASSES) == 20 and list(CLASSES) == sorted(CLASSES)
    assert dataset.classes == CLASSES and dataset.category_ids == tuple(range(1, 21))


def test_classes_that_are_not_given_are_those_of_all_splits_sorted(tmp_path):
    folder = write(tmp_path, {"a": CAT, "b": annotation(("ant", (1, 1, 9, 9), 0))}, train=["a"], test=["b"])
    (folder / "Annotations/._a.xml").write_bytes(b"\0")  # as some systems leave beside a copied file

    assert read_voc(folder, "train").classes == read_voc(folder, "test").classes == ("ant", "cat")
    assert read_voc(folder, "train").records[0].labels.tolist() == [1]


def test_records_come_in_the_order_of_the_list(tmp_path):
    folder = write(tmp_path, {"a": CAT, "b.1": CAT, "c": CAT}, train=["c", "", "b.1 "])
    (folder / "JPEGImages/c.jpg").rename(folder / "JPEGImages/c.PNG")
    records = read_voc(folder, "train").records

    assert [record.id for record in records] == ["c", "b.1"]
    assert [record.path.name for record in records] == ["c.PNG", "b.1.jpg"]


def test_an_image_without_objects_is_kept(tmp_path):
    (record, _) = read_voc(write(tmp_path, {"a": annotation(), "b": CAT}, train=["a", "b"]), "train").records

    assert record.boxes.shape == (0, 4) and record.boxes.dtype == np.float32
    assert record.labels.shape == record.difficult.shape == record.crowd.shape == (0,)
    assert record.labels.dtype == np.int64 and record.crowd.dtype == bool


def test_a_pixel_out_of_the_picture_is_cut_off(tmp_path):
    folder = write(tmp_path, {"a": annotation(("cat", (0, 0, 101, 51), 0))}, train=["a"])

    assert read_voc(folder, "train").records[0].boxes.tolist() == [[0, 0, 99, 49]]


def test_a_box_without_size_is_dropped_and_named(tmp_path):
    objects = [("cat", (5, 5, 5, 9), 0), ("dog", (5, 5, 9, 9), 1), ("cat", (100, 5, 101, 9), 0)]
    dataset = read_voc(write(tmp_path, {"a": annotation(*objects)}, train=["a"]), "train")

    assert dataset.dropped == ("a cat (5, 5, 5, 9)", "a cat (100, 5, 101, 9)")
    assert dataset.records[0].labels.tolist() == [1] and dataset.records[0].difficult.tolist() == [True]


@pytest.mark.parametrize(
    "box", [(-1, 1, 9, 9), (1, -1, 9, 9), (1, 1, 102, 9), (1, 1, 9, 52), (9, 1, 5, 9), (1, 9, 9, 5)]
)
def test_boxes_out_of_the_picture_or_reversed_are_counted_and_named(tmp_path, box):
    folder = write(tmp_path, {"a": annotation(("cat", box, 0)), "b": CAT}, train=["a", "b"])

    assert refusal(folder, remedy="mend it") == (
        f"{folder}/Annotations: 1 boxes (xmin, ymin, xmax, ymax) are reversed or do not lie in their pictures: "
        f"a cat ({', '.join(map(str, box))}); mend it"
    )


def test_of_many_boxes_out_of_the_picture_the_first_are_named(tmp_path):
    folder = write(tmp_path, {"a": annotation(*[("cat", (1, 1, 200, 9), 0)] * 4)}, train=["a"])

    assert "4 boxes" in refusal(folder) and refusal(folder).count("a cat") == 3 and ", …; " in refusal(folder)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (CAT.replace("cat", "unicorn"), "'unicorn' is none of the 20 categories"),
        (CAT.replace("cat", " "), "an object has no name"),
        (CAT.replace("<xmin>1</xmin>", "<xmin>left</xmin>"), "object/bndbox/xmin is 'left' where a number is expected"),
        (CAT.replace("<ymax>50</ymax>", "<ymax>nan</ymax>"), "object/bndbox/ymax is 'nan' where"),
        (CAT.replace("<xmin>1</xmin>", ""), "object/bndbox/xmin is '' where a number is expected"),
        (CAT.replace("bndbox", "polygon"), "object/bndbox/xmin is '' where"),
        (CAT.replace("size", "extent"), "annotation/size/width is '' where"),
        (CAT.replace("<width>100", "<width>0"), "size is 0 x 50"),
        (CAT[:-5], "annotation is not valid XML"),
        ("", "annotation is not valid XML"),
        ('<?xml version="1.0" encoding="klingon"?><annotation/>', "annotation is not valid XML"),
    ],
)
def test_a_malformed_annotation_is_one_line_with_its_file(tmp_path, text, says):
    folder = write(tmp_path, {"a": text}, train=["a"])

    assert refusal(folder, classes=CLASSES).startswith(f"{folder}/Annotations/a.xml: {says}")


def test_an_annotation_without_image_and_an_image_without_annotation_are_named(tmp_path):
    folder = write(tmp_path, {"a": CAT, "b": CAT}, train=["a", "b"])
    (folder / "JPEGImages/b.jpg").unlink()
    assert (
        refusal(folder, remedy="mend it") == f"{folder}/JPEGImages: 1 images of the list train are missing: b; mend it"
    )

    (folder / "JPEGImages/b.jpg").touch()
    (folder / "Annotations/b.xml").unlink()
    assert (
        refusal(folder, remedy="mend it")
        == f"{folder}/Annotations/b.xml: no such annotation of a listed image; mend it"
    )


def test_a_list_that_is_absent_empty_or_names_an_image_twice_is_refused(tmp_path):
    folder = write(tmp_path, {"a": CAT}, train=["a", "a"], val=[])
    lists = folder / "ImageSets/Main"

    assert refusal(folder) == f"{lists}/train.txt: names the image a twice; remove one of the lines"
    assert refusal(folder, "val", remedy="mend it") == f"{lists}/val.txt: the list is empty; mend it"
    assert refusal(folder, "test", remedy="mend it") == (
        f"{lists}/test.txt: no such list of images (there are val, train); mend it"
    )


def test_annotations_of_nothing_at_all_are_refused(tmp_path):
    assert "Annotations: no object is annotated" in refusal(write(tmp_path, {"a": annotation()}, train=["a"]))


def test_the_blood_cells_are_read_whole(shared):
    trainval, test = (read_voc(shared / "bccd", split) for split in ("trainval", "test"))
    labels = np.concatenate([record.labels for record in (*trainval.records, *test.records)])

    assert (len(trainval.records), len(test.records)) == (292, 72)
    assert trainval.classes == test.classes == ("Platelets", "RBC", "WBC")
    assert len(trainval.dropped) == 2 and not test.dropped
    assert np.bincount(labels).tolist() == [361, 4155 - 2, 372]
    for record in (*trainval.records, *test.records):
        assert record.boxes.min() >= 0 and (record.boxes.max(axis=0) <= [639, 479, 639, 479]).all()
