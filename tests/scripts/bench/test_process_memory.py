from pathlib import Path

import numpy as np
import pytest

from scripts.bench.process_memory import peak_resident, resident, resident_files

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


def test_anonymous_and_mapped_memory_are_told_apart():
    assert resident(STATUS) == {"anonymous": 100.0, "mapped": 50.0}


def test_only_the_files_of_the_folder_are_counted(tmp_path):
    smaps = SMAPS.replace("{folder}", str(tmp_path))
    assert resident_files(smaps, tmp_path) == {"Rss": 3.0, "Pss": 1.25}
    assert resident_files(smaps, tmp_path / "none") == {"Rss": 0.0, "Pss": 0.0}


def test_what_this_process_has_mapped_is_seen(tmp_path):
    np.save(tmp_path / "array.npy", np.ones(2**20, np.uint8))
    mapped = np.load(tmp_path / "array.npy", mmap_mode="r")
    mapped.sum()
    assert resident_files(Path("/proc/self/smaps").read_text(), tmp_path)["Rss"] == pytest.approx(1.0, abs=0.01)


def test_a_peak_outlives_the_memory_that_made_it():
    before = resident(Path("/proc/self/status").read_text())["anonymous"]
    with peak_resident() as peaks:
        memory = np.ones(100 * 2**20, np.uint8)
        for _ in range(3):
            memory += 1  # Takes a look's time.
        del memory
    after = resident(Path("/proc/self/status").read_text())["anonymous"]
    assert peaks["anonymous"] > before + 90
    assert after < before + 50
