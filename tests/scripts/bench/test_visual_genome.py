import sys

import h5py
import numpy as np
import pytest

from data.images.datasets import read_images
from scripts.bench import visual_genome as bench_visual_genome
from scripts.bench.visual_genome import measure, write_made_up


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    root = tmp_path_factory.mktemp("made-up")
    write_made_up(root, 400)
    return root


def test_made_up_files_resemble_the_official_ones(made_up):
    train, test = (read_images("visual_genome", made_up, split) for split in ("train", "test"))
    records = [*train.records, *test.records]

    assert (len(train.records), len(test.records)) == (280, 120)
    assert len(train.classes) == 150 and not train.dropped and not test.dropped
    with h5py.File(made_up / "visual_genome/VG-SGG.h5") as file:
        assert (len(file["boxes_1024"]), len(file["relationships"])) == (4441, 2221)
    assert 1000 < sum(len(record.relations) for record in records) <= 2221
    assert any(not len(record.relations) for record in records)


def test_measurement_of_a_split(made_up, monkeypatch):
    monkeypatch.setattr(bench_visual_genome, "SINGLE", 20)
    reading = measure(made_up, "test")
    records = read_images("visual_genome", made_up, "test").records

    assert reading.images == len(records) == 120
    assert reading.objects == sum(len(record.labels) for record in records)
    assert reading.relations == sum(len(record.relations) for record in records)
    assert np.isfinite([reading.starting, reading.single, reading.threads, reading.pass_peak]).all()


def test_command_refuses_invalid_options(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["visual_genome", "--images", "0"])
    with pytest.raises(SystemExit) as exit:
        bench_visual_genome.main()
    assert exit.value.code == 2 and "--images" in capsys.readouterr().err
