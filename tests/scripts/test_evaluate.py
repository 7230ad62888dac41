import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from data.errors import run_command
from scripts.evaluate import main

RUN = "mini/20news/fan-sup/seed0"


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def evaluate(monkeypatch, capsys):
    """Runs the command in this process, as `python -m scripts.evaluate` would."""

    def run(*arguments) -> Done:
        monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, arguments)])
        try:
            run_command(main)
        except SystemExit as exit:
            return Done(exit.code, *capsys.readouterr())
        return Done(0, *capsys.readouterr())

    return run


def write_predictions(run: Path, **changes) -> None:
    arrays = {
        "ids": np.array(["a", "b", "c", "d"]),
        "labels": np.array([0, 1, 0, 0]),
        "probabilities": np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]], np.float32),
    }
    np.savez_compressed(run / "predictions.npz", **arrays | changes)


def write_center_mass(run: Path, values=(0.25, np.nan, 0.75), ids=("a", "b", "c")) -> None:
    np.savez_compressed(run / "center_mass.npz", ids=np.array(ids), center_mass=np.array(values, np.float32))


def test_both_kinds_of_predictions_are_merged_into_one_flat_file(evaluate, make_run):
    run = make_run(RUN, metrics={"kept": 1, "accuracy": 0.0})
    write_predictions(run)
    write_center_mass(run)
    classification, center_mass = evaluate("classification", run), evaluate("center-mass", run)
    assert json.loads((run / "metrics.json").read_text()) == {
        "kept": 1,
        "accuracy": 0.75,
        "class_accuracy": pytest.approx((2 / 3 + 1) / 2),
        "documents": 4,
        "center_mass": 0.5,
        "center_mass_items": 2,
        "center_mass_items_without_pair": 1,
    }
    assert classification.stdout == f"{run}: accuracy 75.00% of 4 documents, 83.33% as mean over the classes\n"
    assert center_mass.stdout == f"{run}: center-mass 0.5000 over 2 items with a pair, 1 without\n"


def test_several_runs_get_a_line_each(evaluate, make_run):
    runs = [make_run(f"mini/20news/hatt/seed{seed}") for seed in (0, 1)]
    for run in runs:
        write_predictions(run)
    done = evaluate("classification", *runs)
    assert [line.partition(": ")[0] for line in done.stdout.splitlines()] == [str(run) for run in runs]
    assert all((run / "metrics.json").exists() for run in runs)


def truncated_predictions(run: Path) -> None:
    write_predictions(run)
    path = run / "predictions.npz"
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    ("kind", "prepare", "message"),
    [
        ("classification", lambda run: None, "predictions.npz: no such prediction file"),
        ("center-mass", lambda run: None, "center_mass.npz: no such center-mass file"),
        ("classification", truncated_predictions, "predictions.npz: prediction file is damaged"),
        (
            "classification",
            lambda run: np.savez(run / "predictions.npz", ids=np.array(["a"])),
            "lacks the array",
        ),
        (
            "classification",
            lambda run: write_predictions(run, ids=np.array(["a", "b"])),
            "ids [2] and values [4] do not agree",
        ),
        (
            "classification",
            lambda run: write_predictions(run, ids=np.array(["a", "b", "c", "a"])),
            "some ids come twice",
        ),
        (
            "classification",
            lambda run: write_predictions(run, labels=np.array([0, 1, 2, 0])),
            "labels run from 0 to 2, with 2 classes",
        ),
        ("center-mass", lambda run: write_center_mass(run, [np.nan] * 3), "none of its 3 items holds a pair"),
        ("center-mass", lambda run: write_center_mass(run, ids=["a"]), "ids [1] and values [3] do not agree"),
    ],
)
def test_a_missing_damaged_or_mismatching_file_gets_one_line(evaluate, make_run, kind, prepare, message):
    run = make_run(RUN)
    prepare(run)
    done = evaluate(kind, run)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr and str(run) in done.stderr
    assert not (run / "metrics.json").exists()


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_damaged_metrics_are_not_overwritten(evaluate, make_run, content):
    run = make_run(RUN)
    write_predictions(run)
    (run / "metrics.json").write_text(content)
    done = evaluate("classification", run)
    assert done.returncode == 2 and "metrics.json: metrics file" in done.stderr
    assert (run / "metrics.json").read_text() == content


def test_an_unfinished_run_and_another_folder_are_refused(evaluate, make_run, tmp_path):
    unfinished = evaluate("classification", make_run(RUN, finished=False))
    other = evaluate("classification", tmp_path)
    assert (unfinished.returncode, other.returncode) == (2, 2)
    assert "training has not ended" in unfinished.stderr
    assert "not a run folder" in other.stderr
