import json
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from data.images.datasets import read_images
from data.mini import visual_genome as mini_visual_genome
from data.mini.scenes import COMPANIES
from data.mini.visual_genome import write_visual_genome

SMALL = {"train": 100, "test": 30}
CLASSES = ("airplane", "bicycle", "bottle", "cat", "couch", "dining table", "person", "sheep")


@pytest.fixture(scope="module")
def miniature(tmp_path_factory) -> Path:
    """A third of the images."""
    folder = tmp_path_factory.mktemp("mini")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mini_visual_genome, "IMAGES", SMALL)
        write_visual_genome(folder, seed=0)
    return folder


@pytest.fixture(scope="module")
def graphs(miniature) -> dict[str, np.ndarray]:
    with h5py.File(miniature / "visual_genome/VG-SGG.h5") as file:
        return {name: values[()] for name, values in file.items()}


def test_reader_reads_it(miniature, capsys):
    for split, count in SMALL.items():
        dataset = read_images("visual_genome", miniature, split, count)

        assert dataset.classes == CLASSES and not dataset.dropped
        assert {path.parent.name for path in (each.path for each in dataset.records)} == {"VG_100K", "VG_100K_2"}
        for record in dataset.records:
            with Image.open(record.path) as image:
                assert image.format == "JPEG" and image.size == (record.width, record.height)
    assert "VG-SGG.h5: 1592" in capsys.readouterr().out


def test_only_guests_are_related_to_hosts(miniature):
    records = read_images("visual_genome", miniature, "train").records
    related = Counter(
        (CLASSES[each.labels[subject]], CLASSES[each.labels[host]])
        for each in records
        for subject, host in each.relations
    )

    assert related.keys() == {(company.guest.coco, company.host.coco) for company in COMPANIES}
    assert 0.1 < np.mean([not len(each.relations) for each in records]) < 0.6
    assert any(not len(each.labels) for each in records) and any(len(each.relations) > 1 for each in records)


def test_some_boxes_leave_the_image_and_pairs_have_2_predicates(miniature, graphs):
    entries = json.loads((miniature / "visual_genome/image_data.json").read_text())
    sizes = np.array([(each["width"], each["height"]) for each in entries if each["image_id"] != 1592])
    counts = graphs["img_to_last_box"] - graphs["img_to_first_box"] + (graphs["img_to_first_box"] >= 0)
    edges = np.repeat(sizes * 1024 // sizes.max(axis=1, keepdims=True), counts, axis=0)
    boxes = graphs["boxes_1024"]
    beyond = (boxes[:, :2] - boxes[:, 2:] // 2 + boxes[:, 2:] > edges).any(axis=1)
    _, pairs = np.unique(graphs["relationships"], axis=0, return_counts=True)

    assert 1 < beyond.sum() < 0.2 * len(boxes)
    assert set(pairs.tolist()) == {1, 2} and len(graphs["predicates"]) == pairs.sum()


def test_scales_of_boxes_and_directions_of_dictionaries_agree(miniature, graphs):
    assert graphs["boxes_512"].shape == graphs["boxes_1024"].shape
    assert abs(graphs["boxes_512"] - graphs["boxes_1024"] / 2).max() <= 1.5
    names = json.loads((miniature / "visual_genome/VG-SGG-dicts.json").read_text())
    for what in ("label", "predicate"):
        assert {name: int(number) for number, name in names[f"idx_to_{what}"].items()} == names[f"{what}_to_idx"]
    assert set(names["predicate_to_idx"]) == {"near", "on", "riding"}
