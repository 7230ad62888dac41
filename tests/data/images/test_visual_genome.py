import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest

from data.common.errors import UserError
from data.images import visual_genome
from data.images.datasets import read_images
from data.images.visual_genome import read_visual_genome
from data.records import ImageRecord

NAMES = {"1": "cat", "2": "dog", "3": "mat"}


class Image(NamedTuple):
    """An image of a test. Objects are (label, (cx, cy, w, h)), relations (subject, object)."""

    number: int
    objects: list = []
    relations: list = []
    split: int = 0
    size: tuple[int, int] = (1024, 512)


def arrays_of(images: list[Image]) -> dict[str, np.ndarray]:
    """The contents of the file of scene graphs."""
    objects = [each for image in images for each in image.objects]
    starts = np.cumsum([0, *(len(image.objects) for image in images)])
    pairs = [start + np.array(pair) for image, start in zip(images, starts, strict=False) for pair in image.relations]
    arrays = {
        "split": [image.split for image in images],
        "boxes_1024": np.array([box for _, box in objects]).reshape(-1, 4),
        "labels": np.array([label for label, _ in objects]).reshape(-1, 1),
        "relationships": np.array(pairs).reshape(-1, 2),
    }
    for what, counts in (("box", map(len, (i.objects for i in images))), ("rel", (len(i.relations) for i in images))):
        ends = np.cumsum([0, *counts])
        there = ends[1:] > ends[:-1]
        arrays[f"img_to_first_{what}"] = np.where(there, ends[:-1], -1)
        arrays[f"img_to_last_{what}"] = np.where(there, ends[1:] - 1, -1)
    return {name: np.array(values, np.int32) for name, values in arrays.items()}


def write_graphs(path: Path, arrays: dict, **options) -> None:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values, **options)


def write(root: Path, images: list[Image], listed: tuple[int, ...] = ()) -> Path:
    """Writes a data set, with additional ids `listed` before the images, and returns its folder."""
    folder = root / "visual_genome"
    for name in ("VG_100K", "VG_100K_2"):
        (folder / name).mkdir(parents=True)
    for image in images:
        (folder / ("VG_100K_2" if image.number % 2 else "VG_100K") / f"{image.number}.jpg").touch()
    entries = [{"image_id": number, "width": 9, "height": 9} for number in listed]
    entries += [{"image_id": each.number, "width": each.size[0], "height": each.size[1]} for each in images]
    (folder / "image_data.json").write_text(json.dumps(entries))
    (folder / "VG-SGG-dicts.json").write_text(json.dumps({"idx_to_label": NAMES}))
    write_graphs(folder / "VG-SGG.h5", arrays_of(images))
    return folder


def error_of(function: Callable, *arguments) -> str:
    with pytest.raises(UserError) as error:
        function(*arguments)
    return str(error.value)


def fields(record: ImageRecord) -> tuple:
    boxes, labels, relations = (values.tolist() for values in (record.boxes, record.labels, record.relations))
    return record.id, record.path.name, record.width, record.height, boxes, labels, relations


CAT, DOG, MAT = (1, (100, 50, 40, 20)), (2, (101, 51, 41, 21)), (3, (512, 500, 30, 6))
EMPTY = (2, (300, 300, 1, 40))  # one pixel wide


def draw_images(count: int) -> list[Image]:
    """Draws images with up to four objects and three relations each."""
    generator = np.random.default_rng(5)
    images = []
    for number in range(1, count + 1):
        boxes = generator.integers([0, 0, 1, 1], [1024, 512, 400, 300], (generator.integers(5), 4)).tolist()
        objects = [(int(generator.integers(1, 4)), tuple(box)) for box in boxes]
        relations = generator.integers(max(len(boxes), 1), size=(generator.integers(4), 2)).tolist() if boxes else []
        images.append(Image(number, objects, relations))
    return images


def test_records_have_corners_labels_and_relations(tmp_path):
    images = [Image(7), Image(8, [CAT, DOG, MAT], [(1, 0), (2, 1)], size=(512, 256)), Image(9, [CAT])]
    folder = write(tmp_path, images)
    dataset = read_visual_genome(folder, "train")
    first, second, third = dataset.records

    assert (dataset.classes, dataset.category_ids, dataset.dropped) == (("cat", "dog", "mat"), (1, 2, 3), ())
    assert (first.id, first.path) == ("7", folder / "VG_100K_2/7.jpg")
    assert (second.id, second.path) == ("8", folder / "VG_100K/8.jpg")
    assert (second.width, second.height) == (512, 256)
    assert second.boxes.tolist() == [[40, 20, 59, 29], [40.5, 20.5, 60, 30], [248.5, 248.5, 262.5, 250.5]]
    assert second.labels.tolist() == [0, 1, 2] and second.relations.tolist() == [[1, 0], [2, 1]]
    assert [second.boxes.dtype, second.labels.dtype, second.relations.dtype] == [np.float32, np.int64, np.int64]
    assert second.difficult.tolist() == second.crowd.tolist() == [False] * 3
    assert first.boxes.shape == (0, 4) and first.relations.shape == third.relations.shape == (0, 2)
    assert len(third.labels) == 1


def test_boxes_are_decoded_exactly_and_clipped(tmp_path):
    generator = np.random.default_rng(2)
    width, height = 500, 333
    stored = generator.integers([0, 0, 1, 1], [1024, 700, 60, 60], (200, 4)).tolist()
    folder = write(tmp_path, [Image(2, [(1, tuple(box)) for box in stored], size=(width, height))])
    dataset = read_visual_genome(folder, "train")

    expected = []
    for cx, cy, w, h in stored:
        corners = [Fraction(edge * width, 1024) for edge in (cx - w // 2, cy - h // 2)]
        corners += [Fraction(edge * width, 1024) - 1 for edge in (cx - w // 2 + w, cy - h // 2 + h)]
        x1, y1, x2, y2 = (min(max(edge, 0), last - 1) for edge, last in zip(corners, (width, height) * 2, strict=True))
        if x1 < x2 and y1 < y2:
            expected.append([x1, y1, x2, y2])
    boxes = dataset.records[0].boxes
    assert [[Fraction(float(edge)) for edge in box] for box in boxes] == expected
    assert 100 < len(expected) < 200 and len(dataset.dropped) == 200 - len(expected)


def test_decoding_inverts_the_encoding_of_xu_et_al(tmp_path):
    """They round outwards to pixels of the scaled image."""
    width, height, scale = 500, 375, 1024 / 500
    annotated = np.random.default_rng(3).integers([1, 1, 5, 5], [200, 150, 200, 150], (100, 4))  # x, y from 1; w, h
    first, sides = np.floor(scale * (annotated[:, :2] - 1)), np.ceil(scale * annotated[:, 2:])
    stored = np.concatenate([first + sides // 2, sides], axis=1).astype(int).tolist()
    folder = write(tmp_path, [Image(2, [(1, tuple(box)) for box in stored], size=(width, height))])
    boxes = read_visual_genome(folder, "train").records[0].boxes

    last = annotated[:, :2] + annotated[:, 2:] - 2
    assert np.abs(boxes - np.concatenate([annotated[:, :2] - 1, last], axis=1)).max() < 0.5


def test_empty_boxes_are_dropped_with_their_relations(tmp_path):
    outside = (3, (900, 700, 60, 60))  # below the image
    pairs = [(0, 1), (2, 3), (3, 1), (4, 2), (3, 2)]
    folder = write(tmp_path, [Image(4, [CAT]), Image(6, [EMPTY, CAT, DOG, outside, MAT], pairs), Image(8, [EMPTY])])
    dataset = read_visual_genome(folder, "train")
    record = dataset.records[1]

    assert record.labels.tolist() == [0, 1, 2] and record.relations.tolist() == [[2, 1]]
    assert dataset.dropped == (
        "[300, 300, 1, 40] of image 6 with 1 relations",
        "[900, 700, 60, 60] of image 6 with 3 relations",
        "[300, 300, 1, 40] of image 8",
    )
    assert dataset.records[2].boxes.shape == (0, 4)


def test_pairs_appear_once_per_direction(tmp_path):
    pairs = [(1, 0), (0, 1), (1, 0), (2, 2), (1, 0), (0, 2)]
    (record,) = read_visual_genome(write(tmp_path, [Image(4, [CAT, DOG, MAT], pairs)]), "train").records

    assert record.relations.tolist() == [[0, 1], [0, 2], [1, 0]]


def test_splits_have_their_own_images(tmp_path):
    images = [Image(1, [CAT], split=2), Image(2, [DOG]), Image(3, [MAT], split=1), Image(4, [CAT], split=2)]
    folder = write(tmp_path, images)

    assert [record.id for record in read_visual_genome(folder, "train").records] == ["2"]
    assert [record.id for record in read_visual_genome(folder, "test").records] == ["1", "4"]
    assert [record.labels.tolist() for record in read_visual_genome(folder, "test").records] == [[0], [0]]


def test_damaged_images_are_skipped(tmp_path, capsys):
    folder = write(tmp_path, [Image(7, [CAT]), Image(8, [DOG, MAT])], listed=(1592, 4616))
    records = read_visual_genome(folder, "train").records

    assert [(record.id, len(record.labels)) for record in records] == [("7", 1), ("8", 2)]
    message = capsys.readouterr().out
    assert message.startswith(f"{folder}/image_data.json: ") and message.endswith(": 1592, 4616\n")


def test_records_are_equal_by_index_slice_and_iteration(tmp_path, monkeypatch):
    monkeypatch.setattr(visual_genome, "BLOCK", 7)
    records = read_visual_genome(write(tmp_path, draw_images(40)), "train").records
    in_turn = [fields(record) for record in records]

    assert len(records) == 40 and [fields(records[number]) for number in range(40)] == in_turn
    assert sum(bool(relations) for *_, relations in in_turn) > 5
    assert fields(records[-1]) == in_turn[-1] and [fields(each) for each in records[3:9:2]] == in_turn[3:9:2]
    assert fields(records[np.int64(5)]) == in_turn[5]
    with pytest.raises(IndexError):
        records[40]


def test_threads_may_share_the_records(tmp_path):
    records = read_visual_genome(write(tmp_path, draw_images(40)), "train").records
    expected = [fields(record) for record in records]
    places = np.random.default_rng(0).integers(40, size=400).tolist()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda place: fields(records[place]), places))

    assert found == [expected[place] for place in places]


def test_annotations_are_memory_mapped(tmp_path):
    records = read_visual_genome(write(tmp_path, [Image(4, [CAT, DOG], [(0, 1)])]), "train").records
    arrays = [values for values in records._graphs if isinstance(values, np.ndarray)]

    assert len(arrays) == 8 and all(isinstance(values.base, np.memmap) for values in arrays)


def test_chunked_files_give_the_same_records(tmp_path):
    images = draw_images(20)
    folder = write(tmp_path, images)
    expected = [fields(record) for record in read_visual_genome(folder, "train").records]
    write_graphs(folder / "VG-SGG.h5", arrays_of(images), chunks=True, compression="gzip")

    assert [fields(record) for record in read_visual_genome(folder, "train").records] == expected


def test_read_images_prints_a_summary(tmp_path, capsys):
    write(tmp_path, [Image(1), Image(2, [CAT, DOG, EMPTY], [(0, 1), (2, 1)]), Image(3, [MAT])])
    dataset = read_images("visual_genome", tmp_path, "train", 3)

    assert len(dataset.records) == 3
    summary = capsys.readouterr().out
    assert summary.startswith("visual_genome train: 3 images, 3 categories, 3 objects, 1 related pairs, 1 images ")
    assert "2 images without a related pair" in summary
    assert "1 ([300, 300, 1, 40] of image 2 with 1 relations)" in summary


def test_unknown_and_empty_splits_are_refused(tmp_path):
    folder = write(tmp_path, [Image(1, [CAT])])

    assert error_of(read_visual_genome, folder, "trainval").startswith(f"{folder}: ")
    assert error_of(read_visual_genome, folder, "test").startswith(f"{folder}/VG-SGG.h5: ")


def test_missing_images_of_the_split_are_named(tmp_path):
    folder = write(tmp_path, [Image(1, [CAT]), Image(2, [CAT]), Image(3, [CAT], split=2)])
    for name in ("VG_100K_2/1", "VG_100K_2/3", "VG_100K/2"):
        (folder / f"{name}.jpg").unlink()
    message = error_of(read_visual_genome, folder, "train", "fix it")

    assert message.startswith(f"{folder}: 2 images ") and message.endswith(": 1.jpg, 2.jpg; fix it")


@pytest.mark.parametrize(
    ("name", "contents", "part"),
    [
        ("image_data.json", "[{", "line 1"),
        ("image_data.json", "{}", ""),
        ("image_data.json", '[{"image_id": 1, "width": 9}]', ": 1 entries "),
        ("image_data.json", json.dumps([{"image_id": 4, "width": 9, "height": 9}] * 2), "twice"),
        ("VG-SGG-dicts.json", "[]", "idx_to_label"),
        ("VG-SGG-dicts.json", '{"idx_to_label": {"1": ""}}', "idx_to_label"),
        ("VG-SGG-dicts.json", '{"idx_to_label": {"1": "a", "3": "b"}}', " 2 names but none for 2"),
        ("VG-SGG.h5", "<html>", "HDF5"),
        ("VG-SGG.h5", None, "no such file"),
    ],
)
def test_malformed_files_are_named(tmp_path, name, contents, part):
    folder = write(tmp_path, [Image(4, [CAT]), Image(6, [DOG])])
    (folder / name).unlink() if contents is None else (folder / name).write_text(contents)
    message = error_of(read_visual_genome, folder, "train", "fix it")

    assert message.startswith(f"{folder}/{name}: ") and part in message and message.endswith("; fix it")


@pytest.mark.parametrize(
    ("name", "contents"),
    [
        ("image_data.json", '[{"image_id": 4, "width": 9, "height": 9}]'),
        ("VG-SGG-dicts.json", '{"idx_to_label": {"1": "a"}}'),
    ],
)
def test_files_must_match_the_scene_graphs(tmp_path, name, contents):
    folder = write(tmp_path, [Image(4, [CAT]), Image(6, [DOG])])
    (folder / name).write_text(contents)

    assert error_of(read_visual_genome, folder, "train").startswith(f"{folder}/VG-SGG.h5: ")


def test_truncated_scene_graphs_are_refused(tmp_path):
    path = write(tmp_path, [Image(4, [CAT]), Image(6, [DOG])]) / "VG-SGG.h5"
    path.write_bytes(path.read_bytes()[:-500])

    assert error_of(read_visual_genome, path.parent, "train").startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("name", "values", "part"),
    [
        ("labels", None, "'labels'"),
        ("labels", [1, 2], "labels is int64 [2], "),
        ("labels", [[1.0], [2.0]], "labels is float64 [2, 1], "),
        ("labels", [[1]], "labels has 1 rows, "),
        ("labels", [[0], [1]], "a label is 0, "),
        ("labels", [[1], [4]], "a label is 4, "),
        ("boxes_1024", [[1, 2, 3]] * 2, "boxes_1024 is int64 [2, 3], "),
        ("split", [0, 0, 0], "img_to_first_box has 2 rows, "),
        ("img_to_last_box", [0, 2], "image row 1 has the boxes 1 to 2, "),
        ("img_to_last_box", [-1, 1], "image row 0 has the boxes 0 to -1, "),
        ("img_to_last_rel", [0, 0], "image row 0 has the relations 0 to 0, "),
    ],
)
def test_inconsistent_scene_graphs_are_refused(tmp_path, name, values, part):
    images = [Image(4, [CAT]), Image(6, [DOG])]
    folder = write(tmp_path, images)
    arrays = arrays_of(images)
    if name == "img_to_last_rel":
        arrays["img_to_first_rel"] = np.array([0, -1])
    arrays.pop(name)
    write_graphs(folder / "VG-SGG.h5", arrays if values is None else arrays | {name: np.array(values)})
    message = error_of(read_visual_genome, folder, "train", "fix it")

    assert message.startswith(f"{folder}/VG-SGG.h5: ") and part in message and message.endswith("; fix it")


@pytest.mark.parametrize("pair", [(0, 1), (1, 3), (-1, 1), (1, 99)])
def test_relations_with_a_box_of_another_image_are_refused(tmp_path, pair):
    images = [Image(4, [CAT], [(0, 0)]), Image(6, [DOG, MAT], [(0, 1), (0, 1)]), Image(8, [CAT])]
    folder, arrays = write(tmp_path, images), arrays_of(images)
    arrays["relationships"][-1] = pair
    write_graphs(folder / "VG-SGG.h5", arrays)
    message = error_of(read_visual_genome, folder, "train", "fix it")

    assert message.startswith(f"{folder}/VG-SGG.h5: 1 relations ") and message.endswith(": of image 6; fix it")
