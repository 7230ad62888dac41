from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from data.common.options import count_from_1, data_folder, seed_number


@pytest.mark.parametrize(
    ("parse", "largest", "wrong"),
    [
        (count_from_1, 12, ["0", "-1", "1.5", "two", ""]),
        (seed_number, 2**31 - 1, ["-1", "2147483648", "1.0", "one", ""]),
    ],
)
def test_counts_and_seeds_are_integers_in_range(parse, largest, wrong):
    assert parse(str(largest)) == largest
    for text in wrong:
        with pytest.raises(ArgumentTypeError):
            parse(text)


@pytest.mark.parametrize(("value", "folder"), [("sets", "sets"), ("", "datasets"), (None, "datasets")])
def test_data_folder_is_fan_data_or_datasets(monkeypatch, value, folder):
    monkeypatch.delenv("FAN_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("FAN_DATA", value)
    assert data_folder() == Path(folder)
