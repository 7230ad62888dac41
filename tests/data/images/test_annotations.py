from pathlib import Path

import numpy as np
import pytest

from data.common.errors import UserError
from data.images.annotations import boxes_in_picture, refuse_any, splits_there


def test_boxes_are_cut_off_at_the_edges_of_their_own_pictures():
    corners = np.array([[-3, 2, 50, 9.5], [-3, 2, 50, 9.5]], np.float32)
    boxes, sized = boxes_in_picture(corners, np.array([[20, 10], [60, 8]]))

    assert boxes.tolist() == [[0, 2, 19, 9], [0, 2, 50, 7]] and boxes.dtype == np.float32
    assert sized.tolist() == [True, True]


def test_boxes_of_a_single_pixel_s_width_or_height_have_no_size():
    corners = np.array([[4, 4, 4, 9], [4, 4, 9, 4], [9, 4, 4, 9], [25, 4, 30, 9], [4, 4, 5, 5]], np.float32)

    assert boxes_in_picture(corners, np.array([20, 10]))[1].tolist() == [False, False, False, False, True]


def test_no_fault_is_no_error():
    assert refuse_any([], Path("a.json"), "boxes are wrong", "mend it") is None


@pytest.mark.parametrize(
    ("faults", "shown"), [(3, "3 boxes are wrong: 0, 1, 2;"), (4, "4 boxes are wrong: 0, 1, 2, …;")]
)
def test_faults_are_counted_and_the_first_named(faults, shown):
    with pytest.raises(UserError) as error:
        refuse_any([str(number) for number in range(faults)], Path("a.json"), "boxes are wrong", "mend it")
    assert str(error.value) == f"a.json: {shown} mend it"


def test_the_splits_that_are_there_are_named_the_shortest_first(tmp_path):
    assert splits_there(tmp_path / "absent", "", ".txt") == "there is none"
    for name in ("trainval.txt", "train.txt", "val.txt", "test.txt", "readme.md"):
        (tmp_path / name).touch()
    assert splits_there(tmp_path, "", ".txt") == "there are val, test, train, trainval"
