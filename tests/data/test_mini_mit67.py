from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from data import mini_mit67
from data.mini_mit67 import CLASSES, PER_CLASS, write_mit67
from data.mit67 import read_scenes
from data.pixels import read_pixels

SMALL = {"train": 3, "test": 2}


@pytest.fixture(scope="module")
def miniature(tmp_path_factory) -> Path:
    """An eighth of the miniature's images."""
    folder = tmp_path_factory.mktemp("mini")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mini_mit67, "PER_CLASS", SMALL)
        write_mit67(folder, seed=0)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(miniature, tmp_path, monkeypatch):
    monkeypatch.setattr(mini_mit67, "PER_CLASS", SMALL)
    write_mit67(tmp_path / "same", seed=0)
    write_mit67(tmp_path / "other", seed=1)

    assert contents(tmp_path / "same") == contents(miniature)
    assert contents(tmp_path / "other").keys() == contents(miniature).keys()
    assert contents(tmp_path / "other") != contents(miniature)


def test_the_sizes_are_those_that_the_miniature_s_configs_name():
    assert PER_CLASS == {"train": 20, "test": 20} and len(CLASSES) == 6


def test_the_reader_reads_it(miniature):
    train, test = (read_scenes(miniature, split, count) for split, count in SMALL.items())

    assert train.classes == test.classes == tuple(sorted(CLASSES))
    assert Counter(each.label for each in train.records) == dict.fromkeys(range(6), 3)
    assert not {each.id for each in train.records} & {each.id for each in test.records}
    assert all(
        read_pixels(each.path).shape in ((128, 160, 3), (160, 128, 3)) for each in (*train.records, *test.records)
    )


def test_one_of_the_images_is_a_gif_by_the_name_of_a_jpeg(miniature):
    formats = Counter()
    for path in (miniature / "mit67/Images").rglob("*.jpg"):
        with Image.open(path) as image:
            formats[image.format] += 1

    assert formats == {"GIF": 1, "JPEG": 29}


def test_no_category_tells_the_class_and_two_of_different_groups_do():
    groups = Counter(group for members in CLASSES.values() for group in members)

    assert set(groups.values()) == {3} and len(groups) == 4
    assert len({frozenset(members) for members in CLASSES.values()}) == len(CLASSES)
