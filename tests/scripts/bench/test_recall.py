import re
import sys

import numpy as np
import pytest

from data.common.errors import run_command
from scripts.bench import recall as bench_recall
from scripts.bench.recall import MadeUpRecords, evaluate_files, write_files
from scripts.bench.relation_loops import ROIS
from scripts.evaluation.predictions import read_relations


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The files of 30 images with 400 pairs each."""
    folder = tmp_path_factory.mktemp("recall") / "work"
    write_files(folder, images=30, pairs=400)
    return folder


def test_images_have_objects_and_relations(work):
    records = list(MadeUpRecords(work))
    assert [record.id for record in records] == [str(number) for number in range(30)]
    for record in records:
        first, second = record.relations.T
        assert (first != second).all() and record.relations.max() < len(record.boxes) == len(record.labels)
        assert len(np.unique(record.relations, axis=0)) == len(record.relations) > 0
        assert (record.boxes[:, 2:] < [record.width, record.height]).all() and (record.boxes[:, :2] >= 0).all()
    assert 8 < np.mean([len(record.boxes) for record in records]) < 14
    assert 4 < np.mean([len(record.relations) for record in records]) < 8


def test_images_have_the_given_number_of_pairs(work):
    found = dict(read_relations(work / "relations.npz", [str(number) for number in range(30)], pairs_needed=400))
    assert {(len(each.rois), len(each.by_matrix.pairs), len(each.by_row.pairs)) for each in found.values()} == {
        (ROIS, 400, 400)
    }
    assert not np.array_equal(found["0"].by_matrix.pairs, found["1"].by_matrix.pairs)


def test_evaluation_prints_recall_time_and_memory(work, capsys):
    evaluate_files(work, pairs=400, distinct=True)
    time, images, *orders, with_duplicates = capsys.readouterr().out.splitlines()
    assert images.startswith("30 images, 400 pairs per ranking, ") and len(orders) == 5
    for order in orders:
        recalls = [float(value) for value in re.findall(r"@\d+ ([\d.]+)%", order)]
        assert len(recalls) == 4 and recalls == sorted(recalls) and recalls[0] < recalls[-1]
    for line in (time, with_duplicates):
        assert re.search(r"[\d.]+ s, \d+ images/s, .* [\d,]+ MiB", line)


@pytest.mark.parametrize("options", [["--images", "0"], ["--pairs", "89701"]])
def test_invalid_options_are_refused(tmp_path, monkeypatch, capsys, options):
    monkeypatch.setattr(sys, "argv", ["bench_recall", "--work", str(tmp_path / "work"), *options])
    with pytest.raises(SystemExit) as exit:
        run_command(bench_recall.main)
    assert exit.value.code == 2 and options[0] in capsys.readouterr().err
    assert not (tmp_path / "work").exists()
