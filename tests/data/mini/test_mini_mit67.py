from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.images.mit67 import read_mit67
from data.images.pixels import read_pixels
from data.mini import mit67 as mini_mit67
from data.mini.mit67 import CLASSES, _groups, write_mit67
from data.mini.scenes import draw_scene

SMALL = {"train": 3, "test": 2}


@pytest.fixture(scope="module")
def miniature(tmp_path_factory) -> Path:
    """Some of the miniature's images."""
    folder = tmp_path_factory.mktemp("mini")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mini_mit67, "PER_CLASS", SMALL)
        write_mit67(folder, seed=0)
    return folder


def test_reader_reads_it(miniature):
    train, test = (read_mit67(miniature, split, count) for split, count in SMALL.items())

    assert train.classes == test.classes == tuple(sorted(CLASSES))
    assert Counter(each.label for each in train.records) == dict.fromkeys(range(3), 3)
    assert not {each.id for each in train.records} & {each.id for each in test.records}
    shapes = {read_pixels(each.path).shape for each in (*train.records, *test.records)}
    assert shapes <= {(128, 160, 3), (160, 128, 3)}


def test_one_image_is_a_gif_named_jpg(miniature):
    formats = Counter()
    for path in (miniature / "mit67/Images").rglob("*.jpg"):
        with Image.open(path) as image:
            formats[image.format] += 1

    assert formats == {"GIF": 1, "JPEG": 14}


@pytest.mark.parametrize("name", CLASSES)
def test_host_and_guest_occur_together_only_in_their_class(name):
    generator = np.random.default_rng(0)
    seen = Counter()
    for _ in range(20):
        shown = {each.category for each in draw_scene(generator, _groups(generator, CLASSES[name])).objects}
        seen.update(shown)
        assert [key for key, each in CLASSES.items() if {each.host, each.guest} <= shown] == [name]
    members = {member for each in CLASSES.values() for member in (each.host, each.guest)}
    assert members == seen.keys(), "the presence of a category reveals the class"
