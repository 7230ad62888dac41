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


def write(folder: Path, images: list[dict], annotations: list[dict], categories: list[dict] = CATEGORIES) -> Path:
    """Writes `instances.json` and, beside it, the empty image files; returns the former."""
    contents = {"images": images, "annotations": annotations, "categories": categories}
    for each in images:
        (folder / each["file_name"]).parent.mkdir(parents=True, exist_ok=True)
        (folder / each["file_name"]).touch()
    path = folder / "instances.json"
    path.write_text(json.dumps(contents))
    return path


def refusal(path: Path, ids: list[int] | None = None) -> str:
    with pytest.raises(UserError) as error:
        read_coco(path.parent, path, ids, remedy="mend it")
    return str(error.value)


def test_a_record_holds_corners_labels_and_crowd_flags(tmp_path):
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


def test_the_listed_images_are_read_in_their_order_and_nothing_of_the_others(tmp_path):
    path = write(tmp_path, [image(1), image(2), image(3)], [box(1, 500, 0, 9, 9), box(3, 0, 0, 9, 9)])
    (tmp_path / "1.jpg").unlink()

    assert [record.id for record in read_coco(tmp_path, path, [3, 2]).records] == ["3", "2"]


def test_an_image_without_objects_is_kept(tmp_path):
    (record,) = read_coco(tmp_path, write(tmp_path, [image(1)], [])).records

    assert record.boxes.shape == (0, 4) and record.boxes.dtype == np.float32
    assert record.labels.shape == record.crowd.shape == record.difficult.shape == (0,)
    assert record.labels.dtype == np.int64 and record.crowd.dtype == bool


def test_boxes_are_clipped_and_those_without_size_dropped_and_named(tmp_path):
    objects = [
        box(1, -5, -5, 200, 200),
        box(1, 10, 10, 0, 5),
        box(1, 10, 10, 5, 1),
        box(1, 99.5, 10, 5, 5),  # half a pixel is in the picture
        box(1, 10, 10, -5, 5),
        box(1, 98, 48, 2, 2, category=18),
    ]
    dataset = read_coco(tmp_path, write(tmp_path, [image(1)], objects))

    assert dataset.records[0].boxes.tolist() == [[0, 0, 99, 49], [98, 48, 99, 49]]
    assert dataset.records[0].labels.tolist() == [0, 1]
    assert dataset.dropped == tuple(f"{each['bbox']} of image 1" for each in objects[1:5])


@pytest.mark.parametrize("bbox", [(100, 0, 9, 9), (0, 50, 9, 9), (-9, 0, 9, 9), (0, -20, 9, 9)])
def test_boxes_outside_of_their_picture_are_named(tmp_path, bbox):
    path = write(tmp_path, [image(1)], [box(1, *bbox), box(1, 0, 0, 9, 9)])

    assert refusal(path) == (
        f"{path}: 1 boxes (x, y, width, height) lie outside their pictures: {list(bbox)} of image 1; mend it"
    )


def test_images_may_lie_in_folders_of_their_own(tmp_path):
    path = write(tmp_path, [image(1) | {"file_name": "sub/1.jpg"}], [])

    assert read_coco(tmp_path, path).records[0].path == tmp_path / "sub/1.jpg"


def test_missing_images_are_counted_and_named(tmp_path):
    path = write(tmp_path, [image(number) for number in range(1, 7)], [])
    for number in range(2, 7):
        (tmp_path / f"{number}.jpg").unlink()

    assert refusal(path) == f"{tmp_path}: 5 images of {path} are missing: 2.jpg, 3.jpg, 4.jpg, …; mend it"


def test_ids_that_are_not_in_the_file_or_none_at_all_are_refused(tmp_path):
    path = write(tmp_path, [image(1)], [])

    assert refusal(path, [1, 8]) == f"{path}: 1 images to read are not in it: 8; mend it"
    assert refusal(path, []) == f"{path}: the list of its images to read is empty; name some"


GOOD = box(1, 0, 0, 9, 9)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({**GOOD, "image_id": 8}, "an annotation is of an image that the file does not list"),
        ({**GOOD, "category_id": 8}, "an annotation is of a category that the file does not list"),
        ({**GOOD, "bbox": [1, 2, 3]}, "an annotation is malformed"),
        ({**GOOD, "bbox": [1, 2, 3, "4"]}, "an annotation is malformed"),
        ({**GOOD, "bbox": [1, 2, 3, float("nan")]}, "an annotation is malformed"),
        ({**GOOD, "image_id": "1"}, "an annotation is malformed"),
        ({**GOOD, "iscrowd": 2}, "an annotation is malformed"),
        ({"image_id": 1, "category_id": 2}, "an annotation is malformed"),
        ("box", "an annotation is malformed"),
    ],
)
def test_an_annotation_at_fault_is_shown(tmp_path, entry, says):
    path = write(tmp_path, [image(1)], [GOOD, entry])

    assert refusal(path) == f"{path}: {says}: {json.dumps(entry)}; mend it"


@pytest.mark.parametrize(
    "entry", [image(1), image(2) | {"width": 0}, image(2) | {"height": 5.5}, {"id": 2, "file_name": "2.jpg"}]
)
def test_an_image_at_fault_is_shown(tmp_path, entry):
    path = write(tmp_path, [image(1), entry], [])

    assert refusal(path) == f"{path}: an image is malformed or bears the id of another: {json.dumps(entry)}; mend it"


@pytest.mark.parametrize("entry", [CATEGORIES[0], {"id": 3}, {"id": "3", "name": "car"}])
def test_a_category_at_fault_is_shown(tmp_path, entry):
    path = write(tmp_path, [image(1)], [], [*CATEGORIES, entry])

    assert refusal(path) == f"{path}: a category is malformed or bears the id of another: {json.dumps(entry)}; mend it"


def test_a_long_entry_at_fault_is_cut(tmp_path):
    path = write(tmp_path, [image(1)], [{"segmentation": [0] * 100, **GOOD, "bbox": []}])

    assert refusal(path).endswith("0, 0…; mend it") and len(refusal(path)) < len(str(path)) + 160


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "holds no list 'categories', as COCO's annotations do"),
        ('{"categories": [1]}', "holds no list 'images', as COCO's annotations do"),
        ('{"categories": [], "images": [], "annotations": []}', "its list 'categories' is empty"),
        ('{"categories": [1], "images": [], "annotations": []}', "its list 'images' is empty"),
        ('{"images": [', "COCO annotations is not valid JSON"),
    ],
)
def test_a_file_that_is_no_coco_annotations_is_refused(tmp_path, text, says):
    path = tmp_path / "instances.json"
    path.write_text(text)

    assert refusal(path).startswith(f"{path}: {says}") and refusal(path).endswith("; mend it")


def test_an_absent_file_is_named(tmp_path):
    assert refusal(tmp_path / "instances.json") == f"{tmp_path}/instances.json: no such COCO annotations; mend it"


def test_the_real_128_images_are_read_whole(shared):
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
