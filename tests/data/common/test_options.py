import argparse

import pytest

from data.common.options import count_from_1, seed_number


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "two", ""])
def test_counts_must_be_positive_integers(text):
    with pytest.raises(argparse.ArgumentTypeError):
        count_from_1(text)
    assert count_from_1("12") == 12


@pytest.mark.parametrize("text", ["-1", "2147483648", "1.0", "one", ""])
def test_seeds_must_be_integers_below_2_31(text):
    with pytest.raises(argparse.ArgumentTypeError):
        seed_number(text)
    assert seed_number("2147483647") == 2**31 - 1
