"""Files of others: what the authors' code of Relation Networks writes, and how mistakes are answered."""

import json
import pickle
import sys

import numpy as np
import pytest

from data.common.errors import run_command
from scripts import evaluate

A, B = (0, 0, 9, 9), (20, 0, 29, 9)
OF_MINIVAL = ["--dataset", "minicoco", "--split", "minival", "--data", "somewhere"]


@pytest.fixture
def call(monkeypatch, capsys, make_dataset):
    """Runs the command on two images, 139 and 285, of which the first holds a relation."""
    dataset = make_dataset({"139": [(0, A), (1, B)], "285": [(0, A)]})
    asked = {("minicoco", "somewhere", "minival"): dataset}
    monkeypatch.setattr(evaluate, "read_once", lambda name, data, split: asked[name, str(data), split])
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, arguments)])
        try:
            run_command(evaluate.main)
        except SystemExit as ended:
            return ended.code, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return run


@pytest.fixture
def results(tmp_path):
    """What the original code writes: numbers for ids, COCO's for categories, boxes as x, y, width and height."""
    path = tmp_path / "detections_minival2014_results.json"
    found = [
        {"image_id": 139, "category_id": 3, "bbox": [0.0, 0.0, 10.0, 10.0], "score": 0.9},
        {"image_id": 139, "category_id": 5, "bbox": [20.0, 0.0, 10.0, 10.0], "score": 0.8},
    ]
    path.write_text(json.dumps(found))
    return path


@pytest.fixture
def relations(tmp_path):
    path = tmp_path / "relations.npz"
    np.savez(
        path,
        image_ids=np.array([139, 285]),
        roi_offsets=np.array([0, 2, 3]),
        rois=np.array([A, B, A], np.float64),
        roi_scores=np.array([0.9, 0.8, 0.7]),
        roi_labels=np.array([0, 1, 0]),
        pair_offsets=np.array([0, 2, 2]),
        pairs=np.array([[1, 0], [0, 1]]),
        weights=np.array([0.5, 0.25]),
        row_pairs=np.array([[1, 0], [0, 1]]),
        row_weights=np.array([0.5, 0.25]),
    )
    return path


def test_detections_of_the_original_code_are_evaluated_without_a_run(call, results, tmp_path):
    out = tmp_path / "numbers" / "rn.json"
    code, printed, errors = call("detection", "--detections", results, *OF_MINIVAL, "--out", out)
    # Of two cats one is found, before any false one: precision 1 up to recall 1/2, 51 of 101 points.
    ap = 51 / 101
    assert (code, errors) == (0, "")
    assert printed.startswith(f"{results}: mAP@0.50:0.95 {(1 + ap) / 2:.2%}, mAP@0.50 {(1 + ap) / 2:.2%}; ")
    assert printed.endswith("; 2 detections in 2 images\n")
    metrics = json.loads(out.read_text())
    assert (metrics["ap_50/cat"], metrics["ap_50/dog"]) == (pytest.approx(ap), pytest.approx(1))
    assert sorted(path.name for path in tmp_path.iterdir()) == [results.name, "numbers"]


def test_relation_weights_of_the_original_code_are_evaluated_without_a_run(call, relations):
    out = relations.with_suffix(".json")
    code, printed, _ = call("relations", "--relations", relations, *OF_MINIVAL, "--top-k", "1,2", "--out", out)
    assert code == 0 and printed.startswith(f"{relations}: 1 relations in 1 images, 1 without\n")
    metrics = json.loads(out.read_text())
    assert metrics["recall@1"] == metrics["row_recall@2"] == metrics["detector_recall@1"] == 1


class Evil:
    """Is noticed when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("it has been opened",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ["detection", "relations"])
def test_a_pickle_is_not_opened(call, tmp_path, kind, protocol):
    option, instead = {
        "detection": ("--detections", "the COCO results JSON that is written beside it"),
        "relations": ("--relations", "a relations.npz"),
    }[kind]
    for name in ("detections.pkl", "detections.json"):
        path = tmp_path / name
        path.write_bytes(pickle.dumps(Evil(), protocol))
        code, printed, error = call(kind, option, path, *OF_MINIVAL)
        assert (code, printed, error.count("\n")) == (2, "", 1)
        if protocol > 1 or path.suffix == ".pkl":  # The oldest are text, and of no JSON.
            reason = "is a pickle, which may do anything when it is opened, so it is not"
            assert error == f"error: {path}: {reason}; give {instead}\n"


def test_arrays_of_objects_are_not_unpickled(call, relations):
    arrays = dict(np.load(relations))
    for name in ("image_ids", "rois"):
        np.savez(relations, **arrays | {name: np.array([Evil()] * len(arrays[name]), object)})
        code, printed, error = call("relations", "--relations", relations, *OF_MINIVAL)
        assert (code, printed, error.count("\n")) == (2, "", 1)
        assert error.startswith(f"error: {relations}: ")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "no run to evaluate; give the folder of one, or --detections FILE"),
        (["run", "--detections", "a.json"], "--detections a.json: lies in no run folder; leave run out, or the file"),
        (["run", "--split", "test"], "--dataset, --split, --out: belong to --detections FILE; leave them out, a run"),
        (["--detections", "a.json", "--split", "test"], "--detections a.json: of which images does not stand in it;"),
        (["--detections", "a.json", *OF_MINIVAL], "a.json: no such detection file"),
    ],
)
def test_a_mistake_gets_one_line(call, options, line):
    code, printed, error = call("detection", *options)
    assert (code, printed, error.count("\n")) == (2, "", 1)
    assert error.startswith(f"error: {line}")


def test_detections_of_other_images_or_categories_get_one_line(call, results):
    found = json.loads(results.read_text())
    for key, value in (("image_id", 140), ("category_id", 91)):
        results.write_text(json.dumps([found[0] | {key: value}]))
        code, _, error = call("detection", "--detections", results, *OF_MINIVAL)
        assert code == 2 and f"unknown {key}, {value} for one" in error
