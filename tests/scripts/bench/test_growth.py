import re
import sys

import numpy as np
import pytest

from data.text.encoding import EncodedDocuments
from scripts.bench import growth
from scripts.bench.growth_measurements import spread


@pytest.mark.parametrize(("count", "taken"), [(1, 1), (100, 100), (250, 250), (300, 334), (1000, 1000), (5000, 1000)])
def test_documents_are_spread_over_the_split_and_stay_mapped(tmp_path, count, taken):
    np.save(tmp_path / "numbers.npy", np.arange(1000))
    numbers = np.load(tmp_path / "numbers.npy", mmap_mode="r")
    documents = spread(EncodedDocuments(numbers, numbers, numbers, numbers), count)
    assert len(documents) == taken
    assert np.shares_memory(documents.words, numbers)
    assert documents.words[-1] > 1000 - 2 * 1000 / taken - 1


@pytest.mark.slow
def test_growth_is_measured_at_two_sizes(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["growth", "--posts", "--sizes", "100", "200", "--steps", "1"])
    growth.main()
    ratios = re.findall(r"\| 200 .* ms +\| ([\d.]+) ", capsys.readouterr().out)
    assert len(ratios) == 2 and all(float(ratio) > 0 for ratio in ratios)  # of encoding and of training


@pytest.mark.parametrize("options", [["--sizes", "2005"], ["--sizes", "0"], ["--steps", "-3"], ["--keep"]])
def test_invalid_options_are_refused(monkeypatch, capsys, options):
    monkeypatch.setattr(sys, "argv", ["growth", *options])
    with pytest.raises(SystemExit) as exit:
        growth.main()
    assert exit.value.code == 2 and options[0] in capsys.readouterr().err
