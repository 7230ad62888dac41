from pathlib import Path

import numpy as np
import pytest

from data.common.errors import UserError
from scripts.figures.attended import (
    attended_columns,
    common_objects,
    names_of,
    read_attended,
    read_together,
    regions_at,
    weight_text,
)
from tests.attended_files import CAT, DOG, DOG_AGAIN, NOTHING, REGIONS, write_file, write_pair

IMAGES = [Path("one.jpg"), Path("two.jpg")]


@pytest.fixture(autouse=True)
def _in_a_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def networks():
    """The regions of an image in both networks."""
    return [file.regions[0] for file in read_together(write_pair(Path(), IMAGES))]


def test_files_are_split_by_image():
    file = read_attended(write_file(Path("sup.npz"), IMAGES, left_out=np.array(["c.jpg: not an image"])))
    assert (file.run, file.variant, file.classes) == ("mini/pets/fan-sup/seed0", "fan-sup", ("cat", "dog"))
    assert file.images == tuple(IMAGES) and file.left_out == ("c.jpg: not an image",)
    assert len(file.regions) == 2
    for regions in file.regions:
        assert regions.attended.tolist()[CAT] == [DOG, DOG_AGAIN, NOTHING]
        np.testing.assert_allclose(regions.weights[CAT], [0.6, 0.25, 0.05])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("images", np.array([], str)),
        ("sizes", np.ones((3, 2))),
        ("roi_offsets", np.array([0, 4, 9])),
        ("roi_offsets", np.array([0, 9, 8])),
        ("roi_offsets", np.array(8)),
        ("scores", np.ones(7)),
        ("weights", np.ones((8, 2))),
        ("weights", np.ones(8)),
        ("boxes", np.full((8, 4), np.nan)),
        ("boxes", np.full((8, 4), "x")),
        ("attended", np.full((8, 3), 4)),
        ("attended", np.full((8, 3), -2)),
        ("attended", np.full((8, 3), 1.5)),
        ("labels", np.full(8, 2)),
    ],
)
def test_inconsistent_arrays_are_refused(name, value):
    path = write_file(Path("sup.npz"), IMAGES, **{name: value})
    named = "attended" if name == "weights" else name  # which of two arrays of different width is wrong is unknown
    with pytest.raises(UserError, match=f"^sup.npz: .*{named}"):
        read_attended(path)


def test_files_of_different_images_or_categories_are_refused():
    first = write_file(Path("one.npz"), IMAGES)
    with pytest.raises(UserError, match="two.npz: .*images .*one.npz"):
        read_together([first, write_file(Path("two.npz"), IMAGES[:1])])
    with pytest.raises(UserError, match="two.npz: .*categories .*one.npz"):
        read_together([first, write_file(Path("two.npz"), IMAGES, classes=np.array(["cat", "cow"]))])


def test_objects_are_matched_between_networks(networks):
    objects = common_objects(networks, 0.3)
    assert objects.regions.tolist() == [[CAT, CAT], [DOG, DOG]]
    overlap = 36 * 40 / (2 * 1600 - 36 * 40)
    np.testing.assert_allclose(objects.overlaps[0], [1, overlap])


def test_the_best_objects_are_kept_despite_low_scores(networks):
    assert common_objects(networks, 1.0).regions.tolist() == [[CAT, CAT], [DOG, DOG]]  # the best three, less one repeat
    assert len(common_objects([network._replace(scores=network.scores / 100) for network in networks], 0.3).regions) > 1


def test_better_regions_of_the_category_take_precedence(networks):
    box = np.array(REGIONS[DOG_AGAIN][0])
    assert regions_at(box, networks[:1]).regions.tolist() == [DOG_AGAIN]
    assert regions_at(box, networks[:1], label=1).regions.tolist() == [DOG]
    assert regions_at(box, networks[:1], label=0).regions.tolist() == [DOG_AGAIN]


def test_networks_without_regions(networks):
    empty = type(networks[0])(*(column[:0] for column in networks[0]))
    objects = common_objects([networks[0], empty], 0.3)
    assert objects.regions.tolist() == [[CAT, -1], [DOG, -1]] and objects.overlaps[:, 1].tolist() == [0, 0]
    assert common_objects([empty], 0.3).regions.shape == (0, 1)


def test_regions_that_repeat_a_better_one(networks):
    assert attended_columns(networks[1], CAT, repeats=False).tolist() == [0, 2]
    assert attended_columns(networks[1], CAT, repeats=True).tolist() == [0, 1, 2]
    assert attended_columns(networks[0], DOG_AGAIN, repeats=False).tolist() == [0, 1]  # -1 is none


def test_images_are_named_relative_to_their_common_folder():
    assert names_of([Path("a/b/c.jpg")]) == ["c.jpg"]
    assert names_of([Path("a/b/c.jpg"), Path("a/d.jpg"), Path("a/b/d.jpg")]) == ["b/c.jpg", "d.jpg", "b/d.jpg"]


def test_weights_have_three_digits():
    assert [weight_text(weight) for weight in (0.12345, 0.001, 0.0009, 0)] == ["0.123", "0.001", "<0.001", "<0.001"]
