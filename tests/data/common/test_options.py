import argparse

import pytest

from data.common.options import count_from_1, seed_number


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "two", ""])
def test_what_is_no_count_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is no whole number from 1"):
        count_from_1(text)
    assert count_from_1("12") == 12


@pytest.mark.parametrize("text", ["-1", "2147483648", "1.0", "one", ""])
def test_what_is_no_seed_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is no whole number from 0 to 2147483647"):
        seed_number(text)
    assert seed_number("2147483647") == 2**31 - 1
