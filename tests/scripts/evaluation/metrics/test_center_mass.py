import numpy as np
import pytest

from data.common.errors import UserError
from scripts.evaluation.metrics.center_mass import mean_center_mass


def test_items_without_a_pair_are_counted_and_left_out_of_the_mean():
    assert mean_center_mass(np.array([0.2, np.nan, 0.6, 0.1, np.nan])) == (pytest.approx(0.3), 3, 2)


def test_float32_values_are_averaged_without_losing_digits():
    values = np.full(100_000, 0.1, np.float32)
    assert mean_center_mass(values).mean == pytest.approx(float(np.float32(0.1)), abs=1e-12)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([]), "none of its 0 items"),
        (np.array([np.nan, np.nan]), "none of its 2 items"),
        (np.array([0.5, 1.2]), "from 0.5 to 1.2"),
        (np.array([-0.1, 0.5]), "from -0.1 to 0.5"),
        (np.array([0.5, np.inf]), "to inf"),
        (np.array([[0.5]]), "one number an item"),
        (np.array([1, 0]), "int64"),
    ],
)
def test_bad_values_are_refused(values, message):
    with pytest.raises(UserError, match=message):
        mean_center_mass(values)
