import json
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from data.images.datasets import read_images
from data.images.voc import CLASSES
from data.mini import images as mini_images
from data.mini.images import write_images
from data.mini.scenes import CATEGORIES, COMPANIES, LANDSCAPE, LONERS, PORTRAIT, SHEEP, Scene, draw_scene
from data.records import ImageDataset


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    generator = np.random.default_rng(0)
    return [draw_scene(generator) for _ in range(150)]


@pytest.fixture(scope="module")
def miniature(tmp_path_factory) -> Path:
    """A fifth of the images."""
    folder = tmp_path_factory.mktemp("mini")
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        write_images(folder, seed=0)
    return folder


def shrink(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(mini_images, "VOC_IMAGES", {"trainval": 40, "test": 16})
    patch.setattr(mini_images, "COCO_IMAGES", 60)
    patch.setattr(mini_images, "COCO_MINIVAL", 16)


def objects(scenes: list[Scene]) -> list:
    return [each for scene in scenes for each in scene.objects]


# Scenes.


def test_most_images_are_landscape_and_some_portrait(scenes):
    sizes = Counter(scene.pixels.shape for scene in scenes)

    assert sizes.keys() == {(*LANDSCAPE[::-1], 3), (*PORTRAIT[::-1], 3)}
    assert 0.1 < sizes[(*PORTRAIT[::-1], 3)] / len(scenes) < 0.4
    assert all(scene.pixels.dtype == np.uint8 for scene in scenes)


def test_hosts_and_guests_occur_together_and_loners_alone(scenes):
    together = {frozenset({company.host, company.guest}) for company in COMPANIES}
    seen = Counter(frozenset(each.category for each in scene.objects) for scene in scenes)
    lonely = {frozenset({category}) for category in LONERS}

    assert {categories for categories in seen if categories & set(LONERS)} == lonely
    for categories in seen.keys() - lonely:
        assert any(categories == first | second for first in together for second in together)
    assert 0.6 < sum(count for categories, count in seen.items() if len(categories) > 1) / len(scenes) < 0.9
    counts = [Counter(each.category for each in scene.objects) for scene in scenes]
    assert sum(max(count.values()) > 1 for count in counts) > 0.25 * len(scenes)
    assert set().union(*counts) == set(CATEGORIES)


def test_riders_and_bottles_are_above_their_hosts(scenes):
    above = []
    for scene in scenes:
        middles = {each.category: (each.box[1] + each.box[3]) / 2 for each in scene.objects if not each.truncated}
        for company in COMPANIES[:2]:
            if len(scene.objects) == 2 and middles.keys() == {company.host, company.guest}:
                above.append(middles[company.guest] < middles[company.host])

    assert len(above) > 20 and all(above)


def test_objects_vary_in_size_overlap_truncation_and_difficulty(scenes):
    boxes = np.array([each.box for each in objects(scenes)])
    widths = boxes[:, 2] - boxes[:, 0] + 1
    overlapping = [
        not (a.box[2] < b.box[0] or b.box[2] < a.box[0] or a.box[3] < b.box[1] or b.box[3] < a.box[1])
        for scene in scenes
        for number, a in enumerate(scene.objects)
        for b in scene.objects[:number]
    ]

    assert np.percentile(widths, 90) > 4 * np.percentile(widths, 10)
    assert 0.2 < np.mean(overlapping) < 0.9
    flags = np.array([(each.truncated, each.difficult) for each in objects(scenes)])
    assert (flags.mean(axis=0) > 0.05).all() and (flags.mean(axis=0) < 0.25).all()


def test_boxes_are_within_the_image(scenes):
    for scene in scenes:
        height, width, _ = scene.pixels.shape
        for each in scene.objects:
            x1, y1, x2, y2 = each.box
            assert 0 <= x1 < x2 < width and 0 <= y1 < y2 < height


def test_colour_of_an_object_is_found_only_in_its_box(scenes):
    for scene in scenes:
        if {each.category for each in scene.objects} == {SHEEP}:
            inside = np.zeros(scene.pixels.shape[:2], bool)
            for x1, y1, x2, y2 in (each.box for each in scene.objects):
                inside[y1 : y2 + 1, x1 : x2 + 1] = True
            light = (scene.pixels[..., 0] > 210) & (scene.pixels[..., 1] > 205)
            assert light[inside].mean() > 0.1 and not light[~inside].any()


def test_only_guests_and_their_hosts_are_related(scenes):
    hosts = {company.guest: company.host for company in COMPANIES}
    for scene in scenes:
        related = [(scene.objects[guest].category, scene.objects[host].category) for guest, host in scene.relations]
        guests = [number for number, each in enumerate(scene.objects) if each.category in hosts]

        assert all(hosts[guest] is host for guest, host in related)
        assert sorted(guest for guest, _ in scene.relations) == guests


def test_groups_of_a_scene_can_be_given():
    generator = np.random.default_rng(0)
    empty = draw_scene(generator, groups=())
    assert empty.objects == [] and empty.relations == []
    for _ in range(10):
        scene = draw_scene(generator, (COMPANIES[0], SHEEP))
        counts = Counter(each.category for each in scene.objects)

        assert counts.keys() == {COMPANIES[0].host, COMPANIES[0].guest, SHEEP}
        assert counts[SHEEP] <= 4 and scene.relations == [(1, 0)]


# Files.


def check_images(dataset: ImageDataset) -> None:
    for record in dataset.records:
        with Image.open(record.path) as image:
            assert image.format == "JPEG" and image.size == (record.width, record.height)


def test_reader_of_voc07_reads_the_miniature(miniature):
    trainval, test = (read_images("voc07", miniature, *split) for split in (("trainval", 40), ("test", 16)))
    names = {category.voc for category in CATEGORIES}

    assert not {record.id for record in trainval.records} & {record.id for record in test.records}
    assert {CLASSES[label] for record in trainval.records for label in record.labels} == names
    assert any(record.difficult.any() for record in trainval.records)
    assert not trainval.dropped and not test.dropped
    check_images(trainval)


def test_voc_annotations_count_pixels_from_1(miniature):
    record = read_images("voc07", miniature, "test").records[0]
    root = ElementTree.parse(miniature / f"VOCdevkit/VOC2007/Annotations/{record.id}.xml").getroot()
    written = [
        [int(each.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")]
        for each in root.findall("object")
    ]

    assert [each.tag for each in root.find("object")] == ["name", "pose", "truncated", "difficult", "bndbox"]
    assert (record.boxes + 1).tolist() == written


def test_reader_of_minicoco_reads_the_miniature(miniature):
    minival = read_images("minicoco", miniature, "minival", 16)
    train = read_images("minicoco", miniature, "train", 30)
    everything = read_images("minicoco", miniature, "train")

    assert minival.classes == tuple(category.coco for category in CATEGORIES)
    assert minival.category_ids == (1, 2, 5, 17, 20, 44, 63, 67)
    drawn, rest = {record.id for record in train.records}, {record.id for record in everything.records}
    assert drawn < rest and len(rest) == 44 and not rest & {record.id for record in minival.records}
    assert any(record.crowd.any() for record in everything.records)
    assert any(not len(record.labels) for record in (*everything.records, *minival.records))
    check_images(minival)


def test_val2017_has_other_file_names_and_the_same_annotations(miniature):
    val2014, val2017 = (
        json.loads((miniature / f"coco/annotations/instances_{name}.json").read_text())
        for name in ("val2014", "val2017")
    )
    names = {each["id"]: each["file_name"] for each in val2014["images"]}

    assert all(names[each["id"]] == f"COCO_val2014_{each['file_name']}" for each in val2017["images"])
    assert all(each in val2014["annotations"] for each in val2017["annotations"])
