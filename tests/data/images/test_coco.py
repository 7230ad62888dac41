import json
from pathlib import Path

import numpy as np
import pytest

from data.common.errors import UserError
from data.images.coco import read_coco

CATEGORIES = [{"id": 18, "name": "dog", "supercategory": "animal"}, {"id": 2, "name": "bicycle"}]


def image(number: int) -> dict:
    return {"id": number, "file_name": f"{number}.jpg", "width": 100, "height": 50}


def box(number: int, *bbox: float, category: int = 2, **more) -> dict:
    return {"id": 0, "image_id": number, "category_id": category, "bbox": list(bbox), "area": 1, **more}


GOOD = box(1, 0, 0, 9, 9)


def write(folder: Path, images: list[dict], annotations: list[dict], categories: list[dict] = CATEGORIES) -> Path:
    """Writes empty image files and `instances.json`, and returns the path of the latter."""
    contents = {"images": images, "annotations": annotations, "categories": categories}
    for each in images:
        (folder / each["file_name"]).parent.mkdir(parents=True, exist_ok=True)
        (folder / each["file_name"]).touch()
    path = folder / "instances.json"
    path.write_text(json.dumps(contents))
    return path


def error_of(path: Path, ids: list[int] | None = None) -> str:
    with pytest.raises(UserError) as error:
        read_coco(path.parent, path, ids, remedy="fix it")
    return str(error.value)


def test_records_have_corners_labels_and_crowd_flags(tmp_path):
    objects = [box(9, 10, 5, 20, 10), box(9, 0.5, 1, 3.25, 2, category=18, iscrowd=1), box(7, 0, 0, 9, 9, iscrowd=0)]
    path = write(tmp_path, [image(9), image(7)], objects)
    dataset = read_coco(tmp_path, path)
    first, second = dataset.records

    assert (dataset.classes, dataset.category_ids) == (("bicycle", "dog"), (2, 18))
    assert (first.id, second.id) == ("7", "9") and second.path == tmp_path / "9.jpg"
    assert (second.width, second.height) == (100, 50)
    assert second.boxes.tolist() == [[10, 5, 29, 14], [0.5, 1, 2.75, 2]] and second.boxes.dtype == np.float32
    assert second.labels.tolist() == [0, 1] and second.labels.dtype == np.int64
    assert second.crowd.tolist() == [False, True] and second.difficult.tolist() == [False, False]
    assert first.boxes.tolist() == [[0, 0, 8, 8]]


def test_only_requested_images_are_read_in_their_order(tmp_path):
    path = write(tmp_path, [image(1), image(2), image(3)], [box(1, 500, 0, 9, 9), box(3, 0, 0, 9, 9)])
    (tmp_path / "1.jpg").unlink()

    assert [record.id for record in read_coco(tmp_path, path, [3, 2]).records] == ["3", "2"]


def test_images_without_objects_are_kept(tmp_path):
    (record,) = read_coco(tmp_path, write(tmp_path, [image(1) | {"file_name": "sub/1.jpg"}], [])).records

    assert record.path == tmp_path / "sub/1.jpg"
    assert record.boxes.shape == (0, 4) and record.boxes.dtype == np.float32
    assert record.labels.shape == record.crowd.shape == record.difficult.shape == (0,)
    assert record.labels.dtype == np.int64 and record.crowd.dtype == bool


def test_boxes_are_clipped_and_empty_ones_dropped(tmp_path):
    objects = [
        box(1, -5, -5, 200, 200),
        box(1, 10, 10, 0, 5),
        box(1, 10, 10, 5, 1),
        box(1, 99.5, 10, 5, 5),  # half a pixel is inside
        box(1, 10, 10, -5, 5),
        box(1, 98, 48, 2, 2, category=18),
    ]
    dataset = read_coco(tmp_path, write(tmp_path, [image(1)], objects))

    assert dataset.records[0].boxes.tolist() == [[0, 0, 99, 49], [98, 48, 99, 49]]
    assert dataset.records[0].labels.tolist() == [0, 1]
    assert dataset.dropped == tuple(f"{each['bbox']} of image 1" for each in objects[1:5])


@pytest.mark.parametrize("bbox", [(100, 0, 9, 9), (0, 50, 9, 9), (-9, 0, 9, 9), (0, -20, 9, 9)])
def test_boxes_outside_their_image_are_refused(tmp_path, bbox):
    path = write(tmp_path, [image(1)], [box(1, *bbox), box(1, 0, 0, 9, 9)])

    assert error_of(path).startswith(f"{path}: 1 boxes ")
    assert f": {list(bbox)} of image 1; fix it" in error_of(path)


def test_missing_images_are_counted_and_the_first_named(tmp_path):
    path = write(tmp_path, [image(number) for number in range(1, 7)], [])
    for number in range(2, 7):
        (tmp_path / f"{number}.jpg").unlink()

    assert error_of(path).startswith(f"{tmp_path}: 5 images of {path} ")
    assert ": 2.jpg, 3.jpg, 4.jpg, …; fix it" in error_of(path)


@pytest.mark.parametrize(("ids", "part"), [([1, 8], ": 8;"), ([], "empty")])
def test_unknown_ids_and_empty_lists_are_refused(tmp_path, ids, part):
    path = write(tmp_path, [image(1)], [])

    assert error_of(path, ids).startswith(f"{path}: ") and part in error_of(path, ids)


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        *(
            ("annotations", entry)
            for entry in [
                {**GOOD, "image_id": 8},
                {**GOOD, "category_id": 8},
                {**GOOD, "bbox": [1, 2, 3]},
                {**GOOD, "bbox": [1, 2, 3, "4"]},
                {**GOOD, "bbox": [1, 2, 3, float("nan")]},
                {**GOOD, "image_id": "1"},
                {**GOOD, "iscrowd": 2},
                {"image_id": 1, "category_id": 2},
                "box",
            ]
        ),
        ("images", image(1)),
        ("images", image(2) | {"width": 0}),
        ("images", image(2) | {"height": 5.5}),
        ("images", {"id": 2, "file_name": "2.jpg"}),
        ("categories", CATEGORIES[0]),
        ("categories", {"id": 3}),
        ("categories", {"id": "3", "name": "car"}),
    ],
)
def test_malformed_entries_are_shown(tmp_path, name, entry):
    contents = {"images": [image(1)], "annotations": [GOOD], "categories": CATEGORIES}
    path = write(tmp_path, **contents)
    path.write_text(json.dumps(contents | {name: [*contents[name], entry]}))

    assert error_of(path).startswith(f"{path}: ") and error_of(path).endswith(f": {json.dumps(entry)}; fix it")


def test_long_malformed_entries_are_shortened(tmp_path):
    path = write(tmp_path, [image(1)], [{"segmentation": [0] * 100, **GOOD, "bbox": []}])

    assert error_of(path).endswith("0, 0…; fix it") and len(error_of(path)) < len(str(path)) + 160


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[]", "'categories'"),
        ('{"categories": [1]}', "'images'"),
        ('{"categories": [], "images": [], "annotations": []}', "'categories'"),
        ('{"categories": [1], "images": [], "annotations": []}', "'images'"),
        ('{"images": [', "line 1"),
        (None, "no such COCO annotations"),
    ],
)
def test_files_that_are_not_coco_annotations_are_refused(tmp_path, text, part):
    path = tmp_path / "instances.json"
    if text is not None:
        path.write_text(text)

    assert error_of(path).startswith(f"{path}: ") and part in error_of(path)


def test_real_coco128_images_are_read(shared):
    splits = {
        split: read_coco(shared / "coco128" / split, shared / f"coco128/annotations/instances_{split}.json")
        for split in ("train2017", "val2017")
    }

    for split, objects in {"train2017": 929, "val2017": 898}.items():
        dataset = splits[split]
        assert len(dataset.classes) == 80 and dataset.category_ids[-1] == 90 and dataset.classes[0] == "person"
        assert len(dataset.records) == 128 and not dataset.dropped
        assert sum(len(record.labels) for record in dataset.records) == objects
        for record in dataset.records:
            assert (record.boxes >= 0).all() and (record.boxes[:, 2] <= record.width - 1).all()
    assert sum(not len(record.labels) for record in splits["train2017"].records) == 2
