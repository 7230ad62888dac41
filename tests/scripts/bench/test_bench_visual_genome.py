import sys

import h5py
import numpy as np
import pytest

from data.images.datasets import read_images
from scripts.bench import visual_genome as bench_visual_genome
from scripts.bench.visual_genome import Reading, measure, memory_table, time_table, write_made_up

READING = Reading(
    images=1000,
    objects=11_000,
    relations=5_000,
    starting=0.25,
    going_through=0.5,
    single=0.000_13,
    threads=0.000_2,
    before=54.2,
    started=70.1,
    passed=70.4,
    start_peak=120.0,
    pass_peak=71.0,
    mapped=60.0,
)


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    root = tmp_path_factory.mktemp("made-up")
    write_made_up(root, 400)
    return root


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_what_is_made_up_has_the_shares_of_the_official_file(made_up):
    train, test = (read_images("visual_genome", made_up, split) for split in ("train", "test"))
    records = [*train.records, *test.records]

    assert (len(train.records), len(test.records)) == (280, 120)
    assert len(train.classes) == 150 and not train.dropped and not test.dropped
    with h5py.File(made_up / "visual_genome/VG-SGG.h5") as file:
        assert (len(file["boxes_1024"]), len(file["relationships"])) == (4441, 2221)
    assert 1000 < sum(len(record.relations) for record in records) <= 2221
    assert any(not len(record.relations) for record in records)


def test_what_is_there_is_taken(made_up):
    path = made_up / "visual_genome/VG-SGG.h5"
    before = path.stat().st_mtime_ns
    write_made_up(made_up, 400)

    assert path.stat().st_mtime_ns == before


def test_a_measurement_counts_what_it_reads(made_up, monkeypatch):
    monkeypatch.setattr(bench_visual_genome, "SINGLE", 20)
    reading = measure(made_up, "test")
    records = read_images("visual_genome", made_up, "test").records

    assert reading.images == len(records) == 120
    assert reading.objects == sum(len(record.labels) for record in records)
    assert reading.relations == sum(len(record.relations) for record in records)
    assert np.isfinite([reading.starting, reading.single, reading.threads, reading.pass_peak]).all()


def test_tables_show_seconds_records_a_second_and_memory():
    assert cells(time_table({"train": READING})) == [
        ["train", "1,000", "11,000", "5,000", "0.2 s", "0.5 s", "2,000", "130 µs", "200 µs"]
    ]
    assert cells(memory_table({"test": READING})) == [
        ["test", "54 MiB", "70 MiB", "120 MiB", "70 MiB", "71 MiB", "60 MiB"]
    ]


def test_a_number_of_images_that_is_none_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench_visual_genome", "--images", "0"])
    with pytest.raises(SystemExit):
        bench_visual_genome.main()
    assert "0 is no whole number from 1" in capsys.readouterr().err
