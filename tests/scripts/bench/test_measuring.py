import numpy as np
import pytest

from scripts.bench.measuring import (
    median_and_range,
    own_resident,
    peak_resident,
    ratio,
    resident,
    resident_files,
    take_turns,
)


def test_turns_alternate_and_the_first_round_is_not_counted():
    order = []

    def turn(name):
        order.append(name)
        return float(len(order))

    values = take_turns({"one": lambda: turn("one"), ("a", "tuple"): lambda: turn("other")}, rounds=2)
    assert order == ["one", "other"] * 3
    assert values == {"one": [3, 5], ("a", "tuple"): [4, 6]}


def test_ratios_are_computed_per_round():
    # The machine is ten times slower in the second round, which the ratios do not show.
    assert ratio("new", [2.0, 20.0, 3.0], "old", [1.0, 10.0, 1.0]) == "new : old = 2.00 (2.00 to 3.00)"


@pytest.mark.parametrize(
    ("values", "figures", "text"),
    [
        ([1.0194, 0.9876, 1.1], 4, "1.019 (0.988 to 1.100)"),
        ([812.3, 790.1, 1000.0], 4, "812.3 (790.1 to 1,000.0)"),
        ([23456.0], 3, "23,456 (23,456 to 23,456)"),
        ([0.00123], 3, "0.00123 (0.00123 to 0.00123)"),
    ],
)
def test_figures_of_median_and_range(values, figures, text):
    assert median_and_range(values, figures) == text


STATUS = """\
Name:	python
VmHWM:	  204800 kB
VmRSS:	  153600 kB
RssAnon:	  102400 kB
RssFile:	   51200 kB
RssShmem:	       0 kB
"""
SMAPS = """\
55d0c0a00000-55d0c0b00000 r--p 00000000 fe:00 12 /usr/bin/python3
Size:               1024 kB
Rss:                1024 kB
Pss:                 512 kB
7f0000000000-7f0000400000 r--s 00000000 fe:00 34 {folder}/train.words.npy
Size:               4096 kB
Rss:                2048 kB
Pss:                1024 kB
Pss_Dirty:             0 kB
7f0000400000-7f0000500000 r--s 00000000 fe:00 35 {folder}/train.labels.npy
Rss:                1024 kB
Pss:                 256 kB
7f0000500000-7f0000600000 r--s 00000000 fe:00 36 {folder}-other/train.words.npy
Rss:                1024 kB
Pss:                1024 kB
7f0000600000-7f0000700000 rw-p 00000000 00:00 0
Rss:                1024 kB
Pss:                1024 kB
"""


def test_anonymous_and_mapped_memory():
    assert resident(STATUS) == {"anonymous": 100.0, "mapped": 50.0}


def test_resident_memory_of_files_in_a_folder(tmp_path):
    smaps = SMAPS.replace("{folder}", str(tmp_path))
    assert resident_files(smaps, tmp_path) == {"Rss": 3.0, "Pss": 1.25}
    assert resident_files(smaps, tmp_path / "none") == {"Rss": 0.0, "Pss": 0.0}


def test_peak_memory_includes_freed_memory():
    before = own_resident()["anonymous"]
    with peak_resident() as peaks:
        memory = np.ones(100 * 2**20, np.uint8)
        for _ in range(3):
            memory += 1  # long enough to be measured
        del memory
    after = own_resident()["anonymous"]
    assert peaks["anonymous"] > before + 90
    assert after < before + 50
