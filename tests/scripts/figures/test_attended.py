"""Files of attended regions: how they are read, and which objects several networks have in common."""

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
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def networks():
    """The regions of an image in both networks."""
    return [file.regions[0] for file in read_together(write_pair(Path(), IMAGES))]


def test_a_file_is_read_by_image():
    file = read_attended(write_file(Path("sup.npz"), IMAGES, left_out=np.array(["c.jpg: is no image"])))
    assert (file.run, file.variant, file.classes) == ("mini/pets/fan-sup/seed0", "fan-sup", ("cat", "dog"))
    assert file.images == tuple(IMAGES) and file.left_out == ("c.jpg: is no image",)
    assert len(file.regions) == 2
    for regions in file.regions:
        assert regions.attended.tolist()[CAT] == [DOG, DOG_AGAIN, NOTHING]
        np.testing.assert_allclose(regions.weights[CAT], [0.6, 0.25, 0.05])


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("images", np.array([], str), "images and sizes do not belong together"),
        ("sizes", np.ones((3, 2)), "images and sizes do not belong together"),
        ("roi_offsets", np.array([0, 4, 9]), "roi_offsets do not cut 8 regions into 2 images"),
        ("roi_offsets", np.array([0, 9, 8]), "roi_offsets do not cut 8 regions into 2 images"),
        ("roi_offsets", np.array(8), "roi_offsets do not cut"),
        ("scores", np.ones(7), "scores is [7]; it must be [8]"),
        ("weights", np.ones((8, 2)), "attended is [8, 3]; it must be [8, 2]"),
        ("weights", np.ones(8), "attended is [8, 3]; it must be [8]"),
        ("boxes", np.full((8, 4), np.nan), "boxes holds what is no number"),
        ("boxes", np.full((8, 4), "x"), "boxes holds what is no number"),
        ("attended", np.full((8, 3), 4), "attended are no regions of the same image"),
        ("attended", np.full((8, 3), -2), "attended are no regions of the same image"),
        ("attended", np.full((8, 3), 1.5), "attended are no regions of the same image"),
        ("labels", np.full(8, 2), "labels are no categories"),
    ],
)
def test_arrays_that_do_not_belong_together_get_one_line(name, value, fault):
    path = write_file(Path("sup.npz"), IMAGES, **{name: value})
    with pytest.raises(UserError) as error:
        read_attended(path)
    assert str(error.value).startswith(f"sup.npz: not a file of attended regions ({fault}")


def test_files_of_other_images_or_categories_are_refused():
    first = write_file(Path("one.npz"), IMAGES)
    with pytest.raises(UserError, match="two.npz: its images are not those of one.npz; write both for the same"):
        read_together([first, write_file(Path("two.npz"), IMAGES[:1])])
    with pytest.raises(UserError, match="two.npz: its categories are not those"):
        read_together([first, write_file(Path("two.npz"), IMAGES, classes=np.array(["cat", "cow"]))])


def test_each_object_is_found_once_with_its_region_in_every_network(networks):
    objects = common_objects(networks, 0.3)
    assert objects.regions.tolist() == [[CAT, CAT], [DOG, DOG]]
    overlap = 36 * 40 / (2 * 1600 - 36 * 40)
    np.testing.assert_allclose(objects.overlaps[0], [1, overlap])


def test_a_few_objects_are_there_however_small_their_scores(networks):
    assert common_objects(networks, 1.0).regions.tolist() == [[CAT, CAT], [DOG, DOG]]  # the best three, less one repeat
    assert len(common_objects([network._replace(scores=network.scores / 100) for network in networks], 0.3).regions) > 1


def test_a_better_region_of_the_category_stands_for_an_object_before_a_nearer_one(networks):
    box = np.array(REGIONS[DOG_AGAIN][0])
    assert regions_at(box, networks[:1]).regions.tolist() == [DOG_AGAIN]
    assert regions_at(box, networks[:1], label=1).regions.tolist() == [DOG]
    assert regions_at(box, networks[:1], label=0).regions.tolist() == [DOG_AGAIN]


def test_a_network_without_regions_has_none_for_an_object(networks):
    empty = type(networks[0])(*(column[:0] for column in networks[0]))
    objects = common_objects([networks[0], empty], 0.3)
    assert objects.regions.tolist() == [[CAT, -1], [DOG, -1]] and objects.overlaps[:, 1].tolist() == [0, 0]
    assert common_objects([empty], 0.3).regions.shape == (0, 1)


def test_regions_that_repeat_a_better_one_are_left_out_unless_wanted(networks):
    assert attended_columns(networks[1], CAT, repeats=False).tolist() == [0, 2]
    assert attended_columns(networks[1], CAT, repeats=True).tolist() == [0, 1, 2]
    assert attended_columns(networks[0], DOG_AGAIN, repeats=False).tolist() == [0, 1]  # -1 is none


def test_images_are_named_below_their_common_folder():
    assert names_of([Path("a/b/c.jpg")]) == ["c.jpg"]
    assert names_of([Path("a/b/c.jpg"), Path("a/d.jpg"), Path("a/b/d.jpg")]) == ["b/c.jpg", "d.jpg", "b/d.jpg"]


def test_weights_have_three_digits():
    assert [weight_text(weight) for weight in (0.12345, 0.001, 0.0009, 0)] == ["0.123", "0.001", "<0.001", "<0.001"]
