import sys

import numpy as np
import pytest

from data.text.encoding import EncodedDocuments
from scripts.bench import growth as bench_growth
from scripts.bench.growth import (
    Encoding,
    Growth,
    Training,
    encoding_table,
    posts_table,
    spread,
    start_table,
    training_table,
)


@pytest.fixture
def measured() -> list[Growth]:
    """Ten times the rows, of which a document takes 1.5 times as long to encode and 1.1 times as long to train on."""
    return [
        Growth(
            rows,
            Encoding(documents=rows * 11 // 10, seconds=encoding, anonymous=80.0, worker=110.0, arrays=rows / 1000),
            Training(
                size=rows,
                vocabulary=rows // 2,
                opening=0.014,
                starting=6.04,
                documents=800,
                seconds=training,
                first=900.0,
                anonymous=1000.0,
                mapped=300.0,
                vectors=7.0,
            ),
            {"Rss": rows / 500, "Pss": rows / 1000},
        )
        for rows, encoding, training in ((10_000, 11.0, 4.0), (100_000, 165.0, 4.4))
    ]


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_a_document_s_time_is_compared_with_the_first_size_s(measured):
    assert [line[2:5] for line in cells(encoding_table(measured))] == [
        ["1,000", "1.00 ms", "1.00"],
        ["667", "1.50 ms", "1.50"],
    ]
    assert [line[3:5] for line in cells(training_table(measured))] == [["5.00 ms", "1.00"], ["5.50 ms", "1.10"]]
    posts = cells(posts_table([growth.training for growth in measured]))
    assert [line[:4] for line in posts] == [["800", "4.0 s", "5.00 ms", "1.00"], ["800", "4.4 s", "5.50 ms", "1.10"]]


def test_an_epoch_is_extrapolated_from_the_documents_trained_on(measured):
    assert [line[5] for line in cells(training_table(measured))] == ["0.8 min", "9.2 min"]


def test_memory_stands_beside_the_arrays(measured):
    assert cells(encoding_table(measured))[1][5:] == ["80 MiB", "110 MiB", "100 MiB"]
    assert cells(training_table(measured))[1][6:] == ["900 MiB", "1,000 MiB", "7 MiB", "300 MiB"]
    assert cells(start_table(measured))[1] == ["100,000", "0.01 s", "6.0 s", "100 MiB", "200 MiB", "100 MiB"]


@pytest.mark.parametrize(("count", "taken"), [(1, 1), (100, 100), (250, 250), (300, 334), (1000, 1000), (5000, 1000)])
def test_documents_are_spread_over_the_split_and_stay_mapped(tmp_path, count, taken):
    np.save(tmp_path / "numbers.npy", np.arange(1000))
    numbers = np.load(tmp_path / "numbers.npy", mmap_mode="r")
    documents = spread(EncodedDocuments(numbers, numbers, numbers, numbers), count)
    assert len(documents) == taken
    assert np.shares_memory(documents.words, numbers)
    assert documents.words[-1] > 1000 - 2 * 1000 / taken - 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sizes", "2005"], "2005 is no multiple of the 10 classes"),
        (["--sizes", "0"], "0 is no whole number from 1"),
        (["--steps", "-3"], "-3 is no whole number from 1"),
        (["--keep"], "--keep needs a folder to keep them in; give --work"),
    ],
)
def test_options_that_mean_nothing_are_refused(monkeypatch, capsys, options, message):
    monkeypatch.setattr(sys, "argv", ["bench_growth", *options])
    with pytest.raises(SystemExit):
        bench_growth.main()
    assert message in capsys.readouterr().err
