import pytest

from scripts.evaluation.metrics.trials import paired_difference, summarize


def test_standard_deviation_is_that_of_a_sample():
    assert summarize([1.0, 2.0, 4.0]) == (pytest.approx(7 / 3), pytest.approx((7 / 3) ** 0.5), 3)
    assert summarize([0.5]) == (0.5, None, 1)


def test_differences_are_paired_by_seed():
    base = {0: 1.0, 1: 2.0, 2: 3.0, 7: 100.0}
    values = {0: 2.0, 1: 2.5, 2: 4.5, 8: -100.0}
    # Differences 1.0, 0.5, 1.5: mean 1, deviation 0.5. Student's t at 97.5% is 4.30265 with two degrees.
    mean, half_width, trials = paired_difference(values, base)
    assert (mean, trials) == (1.0, 3)
    assert half_width == pytest.approx(4.30265 * 0.5 / 3**0.5, rel=1e-5)


def test_differences_of_one_common_seed_and_of_none():
    assert paired_difference({3: 2.0, 4: 9.0}, {3: 1.5}) == (0.5, None, 1)
    assert paired_difference({0: 1.0}, {1: 1.0}) is None
