import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from data.common.errors import run_command
from scripts import evaluate as command
from scripts.evaluate import main

RUN = "mini/20news/fan-sup/seed0"
IMAGE_RUN = "mini/voc07/fan-sup/seed0"
A, B, C = (0, 0, 9, 9), (20, 0, 29, 9), (40, 0, 49, 9)


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


def write_center_mass(run: Path, values=(0.25, np.nan, 0.75), ids=("a", "b", "c"), name="center_mass", **more) -> None:
    arrays = {"ids": np.array(ids), "center_mass": np.array(values, np.float32)}
    arrays |= {"uniform": arrays["center_mass"] / 2} | more
    np.savez_compressed(run / f"{name}.npz", **{key: each for key, each in arrays.items() if each is not None})


@pytest.fixture
def make_image_run(make_run, make_dataset, monkeypatch):
    """Makes a run on a data set whose test images have the objects given by id; returns its folder."""

    def make(images: dict[str, list[tuple]], **config) -> Path:
        dataset = make_dataset(images)
        asked = {("voc07", Path("somewhere"), "test"): dataset}
        monkeypatch.setattr(command, "read_once", lambda *arguments, **_: asked[arguments])
        return make_run(IMAGE_RUN, **{"images": {"test_split": "test"}} | config)

    return make


def write_detections(run: Path, *detections) -> None:
    """Detections are (image, category id, corner box, score)."""
    entries = [
        {"image_id": image, "category_id": category, "bbox": [x1, y1, x2 - x1 + 1, y2 - y1 + 1], "score": score}
        for image, category, (x1, y1, x2, y2), score in detections
    ]
    (run / "detections.json").write_text(json.dumps(entries))


def write_relations(run: Path, with_pairs: bool = True, **proposals) -> None:
    """Proposals are ROIs and pairs of them, by image; W_agg ranks the pairs backwards, scores fall from ROI to ROI."""
    offsets = {
        name: np.cumsum([0, *(len(each[column]) for each in proposals.values())])
        for column, name in enumerate(["roi_offsets", "pair_offsets"])
    }
    pairs, backwards = (
        np.array([pair for _, pairs in proposals.values() for pair in pairs[::step]]).reshape(-1, 2) for step in (1, -1)
    )
    rois = np.array([roi for rois, _ in proposals.values() for roi in rois], np.float32).reshape(-1, 4)
    arrays = {
        "image_ids": np.array(list(proposals)),
        "roi_offsets": offsets["roi_offsets"],
        "rois": rois,
        "roi_scores": np.linspace(1, 0.1, len(rois)),
        "roi_labels": np.zeros(len(rois), np.uint16),
    }
    if with_pairs:
        weights = np.linspace(1, 0, len(pairs))
        arrays |= {"pair_offsets": offsets["pair_offsets"], "pairs": pairs, "weights": weights}
        arrays |= {"row_pairs": backwards, "row_weights": weights}
    np.savez_compressed(run / "relations.npz", **arrays)


def test_metrics_are_merged_into_one_flat_file(evaluate, make_run):
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
        "uniform_center_mass": 0.25,
        "center_mass_items": 2,
        "center_mass_items_without_pair": 1,
    }
    assert classification.stdout.startswith(f"{run}: ") and "75.00%" in classification.stdout
    assert center_mass.stdout.startswith(f"{run}: ") and "0.5000" in center_mass.stdout


def test_center_mass_of_training_images_is_named_training(evaluate, make_run):
    run = make_run(RUN)
    write_center_mass(run)
    write_center_mass(run, values=(0.75, np.nan), ids=("d", "e"), name="training_center_mass")
    (run / "log.jsonl").write_text(json.dumps({"epoch": 1, "seconds": 1.0, "center_mass": 0.125}) + "\n")
    assert evaluate("center-mass", run).returncode == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert (metrics["center_mass"], metrics["uniform_center_mass"]) == (0.5, 0.25)
    assert (metrics["training_center_mass"], metrics["training_uniform_center_mass"]) == (0.75, 0.375)
    assert metrics["training_center_mass_items"] == 1
    assert 0.125 not in metrics.values()  # the running mean in the log is not used


def test_each_run_gets_one_line(evaluate, make_run):
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
    ("kind", "prepare", "file"),
    [
        ("classification", lambda run: None, "predictions.npz"),
        ("center-mass", lambda run: None, "center_mass.npz"),
        ("classification", truncated_predictions, "predictions.npz"),
        ("classification", lambda run: np.savez(run / "predictions.npz", ids=np.array(["a"])), "predictions.npz"),
        ("classification", lambda run: write_predictions(run, ids=np.array(["a", "b"])), "predictions.npz"),
        ("classification", lambda run: write_predictions(run, ids=np.array(["a", "b", "c", "a"])), "predictions.npz"),
        ("classification", lambda run: write_predictions(run, labels=np.array([0, 1, 2, 0])), "predictions.npz"),
        ("center-mass", lambda run: write_center_mass(run, [np.nan] * 3), "center_mass.npz"),
        ("center-mass", lambda run: write_center_mass(run, ids=["a"]), "center_mass.npz"),
        ("center-mass", lambda run: write_center_mass(run, uniform=np.array([0.5])), "center_mass.npz"),
        ("center-mass", lambda run: write_center_mass(run, uniform=None), "center_mass.npz"),
    ],
)
def test_a_missing_or_invalid_file_gets_one_line(evaluate, make_run, kind, prepare, file):
    run = make_run(RUN)
    prepare(run)
    assert_one_line(evaluate(kind, run), run / file)
    assert not (run / "metrics.json").exists()


def assert_one_line(done: Done, path) -> None:
    """The command ended with exit code 2 and one line that names the file."""
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {path}: ")


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_damaged_metrics_are_not_overwritten(evaluate, make_run, content):
    run = make_run(RUN)
    write_predictions(run)
    (run / "metrics.json").write_text(content)
    assert_one_line(evaluate("classification", run), run / "metrics.json")
    assert (run / "metrics.json").read_text() == content


def test_unfinished_runs_and_other_folders_are_refused(evaluate, make_run, tmp_path):
    unfinished = make_run(RUN, finished=False)
    for folder in (unfinished, tmp_path):
        assert_one_line(evaluate("classification", folder), folder)


# --- images ---------------------------------------------------------------------------------------------------------

OBJECTS = {"a": [(0, A), (1, B)], "b": [(1, A), (0, B), (1, C), (0, (60, 0, 69, 9), "difficult")], "c": [(0, A)]}


def test_detections_become_average_precisions(evaluate, make_image_run):
    run = make_image_run(OBJECTS)
    write_detections(run, ("a", 3, A, 0.9), ("b", 3, B, 0.8), ("c", 3, A, 0.7), ("a", 5, B, 0.6))  # 1 of 3 dogs
    done = evaluate("detection", run, "--data", "somewhere")
    assert json.loads((run / "metrics.json").read_text()) == {
        "map": pytest.approx((1 + 34 / 101) / 2),
        "map_50": pytest.approx((1 + 34 / 101) / 2),
        "voc_map": pytest.approx((1 + 4 / 11) / 2),
        "voc_map_50": pytest.approx((1 + 4 / 11) / 2),
        "voc_area_map_50": pytest.approx((1 + 1 / 3) / 2),
        "detections": 4,
        "images": 3,
        "ap/cat": pytest.approx(1),
        "ap/dog": pytest.approx(34 / 101),
        "ap_50/cat": pytest.approx(1),
        "ap_50/dog": pytest.approx(34 / 101),
        "voc_ap/cat": pytest.approx(1),
        "voc_ap/dog": pytest.approx(4 / 11),
        "voc_ap_50/cat": pytest.approx(1),
        "voc_ap_50/dog": pytest.approx(4 / 11),
        "voc_area_ap_50/cat": pytest.approx(1),
        "voc_area_ap_50/dog": pytest.approx(1 / 3),
    }
    assert done.stdout.startswith(f"{run}: mAP@0.50:0.95 66.83%") and done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_detections_with_hard_nms_have_a_prefix(evaluate, make_image_run):
    run = make_image_run(OBJECTS)
    write_detections(run, ("a", 3, A, 0.9))
    (run / "detections.json").rename(run / "detections.hard_nms.json")
    assert evaluate("detection", run, "--data", "somewhere").returncode == 2
    assert evaluate("detection", run, "--data", "somewhere", "--nms", "hard").returncode == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["hard_nms_detections"] == 1 and all(name.startswith("hard_nms_") for name in metrics)


def test_categories_without_objects_are_not_averaged(evaluate, make_image_run):
    run = make_image_run({"a": [(0, A), (1, B, "difficult")]})
    write_detections(run, ("a", 3, A, 0.9), ("a", 5, A, 0.9))
    assert evaluate("detection", run, "--data", "somewhere").returncode == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert (metrics["map"], metrics["voc_map_50"]) == pytest.approx((1, 1))
    assert not [name for name in metrics if "dog" in name]


def relation_run(make_image_run) -> Path:
    """Pair 1 finds the relation of image a; pair 3 finds one of the two (three by instance) of image b."""
    run = make_image_run(OBJECTS)
    on_difficult = (60, 0, 69, 9)
    write_relations(
        run,
        c=([A], []),
        a=([A, B], [[1, 0], [0, 1]]),
        b=([A, B, on_difficult], [[0, 2], [2, 0], [1, 0], [0, 1], [1, 2], [2, 1]]),
    )
    return run


def test_relations_become_recall_over_k(evaluate, make_image_run):
    run = relation_run(make_image_run)
    done = evaluate("relations", run, "--data", "somewhere", "--top-k", "3,1,2,3,5000")
    metrics = json.loads((run / "metrics.json").read_text())
    of_network = {name: value for name, value in metrics.items() if not name.startswith(OTHER_ORDERS)}
    assert of_network == {
        "recall@1": pytest.approx((1 + 0) / 2),
        "recall@2": pytest.approx((1 + 0) / 2),
        "recall@3": pytest.approx((1 + 1 / 2) / 2),
        "recall@5000": pytest.approx((1 + 1 / 2) / 2),
        "pooled_recall@1": pytest.approx(1 / 3),
        "pooled_recall@2": pytest.approx(1 / 3),
        "pooled_recall@3": pytest.approx(2 / 3),
        "pooled_recall@5000": pytest.approx(2 / 3),
        "relations": 3,
        "relation_images": 2,
        "images_without_relation": 1,
    }
    assert done.stdout.startswith(f"{run}: 3 relations in 2 images") and done.stderr == ""


OTHER_ORDERS = ("row_", "random_", "rpn_", "detector_")


def test_recall_is_measured_for_every_order(evaluate, make_image_run):
    run = relation_run(make_image_run)
    evaluate("relations", run, "--data", "somewhere", "--top-k", "1,2,3")
    metrics = json.loads((run / "metrics.json").read_text())
    recalls = {order: [metrics[f"{order}recall@{k}"] for k in (1, 2, 3)] for order in OTHER_ORDERS}
    # Both pairs of image a find its relation. Of the six pairs of image b, (0, 1) and (1, 0) find one of two
    # relations; no pair finds the other.
    assert recalls["row_"] == [1 / 2, 1 / 2, 3 / 4]  # backwards: (2, 1), (1, 2), (0, 1)
    assert recalls["rpn_"] == [3 / 4, 3 / 4, 3 / 4]  # begins with (0, 1)
    assert recalls["detector_"] == [3 / 4, 3 / 4, 3 / 4]  # begins with the two ROIs of the best scores
    missed = [4 / 6, 4 * 3 / (6 * 5), 4 * 3 * 2 / (6 * 5 * 4)]
    assert recalls["random_"] == pytest.approx([(1 + (1 - each) / 2) / 2 for each in missed])


def test_a_network_without_pair_weights_has_references_only(evaluate, make_image_run):
    run = make_image_run(OBJECTS)
    write_relations(run, with_pairs=False, a=([A, B], []), b=([A, B, C], []), c=([], []))
    assert evaluate("relations", run, "--data", "somewhere", "--top-k", "2", "--distinct").returncode == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["rpn_recall@2"] == metrics["detector_recall@2"] == 3 / 4
    assert {"random_recall@2", "random_distinct_recall@2"} < metrics.keys()
    assert not {"recall@2", "row_recall@2", "distinct_recall@2"} & metrics.keys()


def test_duplicates_of_a_better_pair_are_removed(evaluate, make_image_run):
    run = make_image_run({"a": [(0, A), (1, B), (1, C)]})
    near_a, near_b = (0, 1, 9, 10), (20, 1, 29, 10)
    pairs = [[0, 1], [2, 1], [0, 3], [2, 3], [1, 0], [0, 4], *ANY_OTHER_OF_5]
    write_relations(run, a=([A, B, near_a, near_b, C], pairs))
    evaluate("relations", run, "--data", "somewhere", "--top-k", "2,3,6,5000", "--distinct")
    metrics = json.loads((run / "metrics.json").read_text())
    assert [metrics[f"recall@{k}"] for k in (2, 3, 6)] == [1 / 2, 1 / 2, 1]
    # (0, 1) stays, (2, 1), (0, 3) and (2, 3) repeat it, (1, 0) is another order, and (0, 4) is the third.
    assert [metrics[f"distinct_recall@{k}"] for k in (2, 3, 6)] == [1 / 2, 1, 1]
    assert "distinct_recall@5000" not in metrics


FIRST_OF_5 = {(0, 1), (2, 1), (0, 3), (2, 3), (1, 0), (0, 4)}
ANY_OTHER_OF_5 = [[m, n] for m in range(5) for n in range(5) if m != n and (m, n) not in FIRST_OF_5]


def test_recall_by_another_rule_has_a_prefix(evaluate, make_image_run):
    run = relation_run(make_image_run)
    evaluate("relations", run, "--data", "somewhere", "--top-k", "3")
    evaluate("relations", run, "--data", "somewhere", "--top-k", "3", "--rule", "different_instance")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["recall@3"] == pytest.approx((1 + 1 / 2) / 2)
    assert metrics["different_instance_recall@3"] == pytest.approx((1 + 1 / 3) / 2)
    assert metrics["different_instance_relations"] == 4


@pytest.fixture
def annotated_run(make_image_run, monkeypatch) -> Path:
    """Annotated are A to B and C to A in image a, and A to B in image b; image c has no relation."""
    run = make_image_run({"a": [(0, A), (1, B), (0, C)], "b": [(1, A), (1, B)], "c": [(0, A), (1, B)]})
    relations = {"a": [[0, 1], [2, 0]], "b": [[0, 1]], "c": np.empty((0, 2), int)}
    annotate(monkeypatch, relations)
    write_relations(
        run,
        c=([A, B], [[0, 1], [1, 0]]),
        b=([B, A], [[0, 1], [1, 0]]),
        a=([A, B, C], [[1, 0], [0, 2], [0, 1], [2, 0], [1, 2], [2, 1]]),
    )
    return run


def annotate(monkeypatch, relations: dict[str, list]) -> None:
    """Adds annotated relations to the images of the dataset."""
    read = command.read_once

    def annotated(*arguments, **options):
        dataset = read(*arguments, **options)
        records = [replace(record, relations=np.array(relations[record.id])) for record in dataset.records]
        return replace(dataset, records=records)

    monkeypatch.setattr(command, "read_once", annotated)


ANNOTATED = ["--data", "somewhere", "--rule", "annotated", "--top-k", "1,2,3,4"]


def test_annotated_relations_are_directed(evaluate, annotated_run):
    evaluate("relations", annotated_run, *ANNOTATED)
    # Of image a, A to B is the third pair, and C to A the fourth; of image b, A to B is the second.
    metrics = json.loads((annotated_run / "metrics.json").read_text())
    assert {name: value for name, value in metrics.items() if not is_of_another_order(name)} == {
        "annotated_recall@1": 0,
        "annotated_recall@2": pytest.approx((0 + 1) / 2),
        "annotated_recall@3": pytest.approx((1 / 2 + 1) / 2),
        "annotated_recall@4": 1,
        "annotated_pooled_recall@1": 0,
        "annotated_pooled_recall@2": pytest.approx(1 / 3),
        "annotated_pooled_recall@3": pytest.approx(2 / 3),
        "annotated_pooled_recall@4": 1,
        "annotated_relations": 3,
        "annotated_relation_images": 2,
        "annotated_images_without_relation": 1,
    }


def is_of_another_order(name: str) -> bool:
    return any(order in name for order in OTHER_ORDERS)


def test_annotated_relations_can_match_in_either_order(evaluate, annotated_run):
    evaluate("relations", annotated_run, *ANNOTATED)
    evaluate("relations", annotated_run, *ANNOTATED, "--unordered")
    metrics = json.loads((annotated_run / "metrics.json").read_text())
    assert metrics["annotated_recall@2"] == pytest.approx(1 / 2)
    found = {name: value for name, value in metrics.items() if "unordered" in name and not is_of_another_order(name)}
    assert found == {
        "annotated_unordered_recall@1": pytest.approx((1 / 2 + 1) / 2),
        **{f"annotated_unordered_recall@{k}": 1 for k in (2, 3, 4)},
        "annotated_unordered_pooled_recall@1": pytest.approx(2 / 3),
        **{f"annotated_unordered_pooled_recall@{k}": 1 for k in (2, 3, 4)},
        "annotated_unordered_relations": 3,
        "annotated_unordered_relation_images": 2,
        "annotated_unordered_images_without_relation": 1,
    }


@pytest.mark.parametrize("unordered", [False, True])
def test_annotated_recall_agrees_with_a_loop(evaluate, make_image_run, monkeypatch, unordered):
    random = np.random.default_rng(4)
    objects, relations, proposals = {}, {}, {}
    for image in "abcdef":
        corners = random.integers(0, 30, (6, 2))
        boxes = np.hstack([corners, corners + random.integers(8, 30, (6, 2))])
        rois = boxes[random.integers(0, 6, 20)] + random.integers(-2, 3, (20, 4))
        pairs = random.permutation(np.argwhere(~np.eye(20, dtype=bool)))
        objects[image] = [(0, box) for box in boxes]
        relations[image] = random.permutation(np.argwhere(~np.eye(6, dtype=bool)))[: random.integers(0, 8)]
        proposals[image] = rois, pairs
    run = make_image_run(objects)
    annotate(monkeypatch, relations)
    write_relations(run, **proposals)
    evaluate("relations", run, *ANNOTATED[:-1], "5,20,380", *(["--unordered"] if unordered else []))
    metrics = json.loads((run / "metrics.json").read_text())
    prefix = "annotated_unordered" if unordered else "annotated"
    for k in (5, 20, 380):
        counts = [
            counted_by_loop(*proposals[image], [box for _, box in objects[image]], relations[image], k, unordered)
            for image in objects
        ]
        found, total = np.array([count for count in counts if count[1]]).T
        assert metrics[f"{prefix}_recall@{k}"] == pytest.approx((found / total).mean())
        assert metrics[f"{prefix}_pooled_recall@{k}"] == pytest.approx(found.sum() / total.sum())
        assert metrics[f"{prefix}_images_without_relation"] == 6 - len(total) > 0


def counted_by_loop(rois, pairs, boxes, relations, k: int, unordered: bool) -> tuple[int, int]:
    """Number of relations of an image that the first k pairs find, and number of all."""
    wanted = {tuple(sorted(relation) if unordered else relation) for relation in relations.tolist()}
    found = set()
    for m, n in pairs[:k].tolist():
        for g, first in enumerate(boxes):
            for h, second in enumerate(boxes):
                relation = tuple(sorted((g, h))) if unordered else (g, h)
                if relation in wanted and overlap(rois[m], first) > 0.5 and overlap(rois[n], second) > 0.5:
                    found.add(relation)
    return len(found), len(wanted)


def overlap(one, other) -> float:
    """IoU of two boxes."""
    width = max(min(one[2], other[2]) - max(one[0], other[0]) + 1, 0)
    height = max(min(one[3], other[3]) - max(one[1], other[1]) + 1, 0)
    areas = [(x2 - x1 + 1) * (y2 - y1 + 1) for x1, y1, x2, y2 in (one, other)]
    return width * height / (sum(areas) - width * height)


@pytest.mark.parametrize(
    ("options", "named"), [(["--rule", "annotated"], "somewhere"), (["--unordered"], "--unordered")]
)
def test_absent_annotations_get_one_line(evaluate, make_image_run, options, named):
    assert_one_line(evaluate("relations", relation_run(make_image_run), "--data", "somewhere", *options), named)


def test_k_beyond_the_stored_pairs_is_refused_with_the_remedy(evaluate, annotated_run):
    write_relations(annotated_run, a=([A, B, C], [[0, 1]]), b=([B, A], [[0, 1], [1, 0]]), c=([], []))
    done = evaluate("relations", annotated_run, *ANNOTATED)
    assert_one_line(done, annotated_run / "relations.npz")
    assert "image a" in done.stderr and "--pairs 4" in done.stderr


@pytest.mark.parametrize(
    ("kind", "prepare", "file"),
    [
        ("detection", lambda run: None, "detections.json"),
        ("detection", lambda run: write_detections(run, ("d", 3, A, 0.5)), "detections.json"),
        ("relations", lambda run: None, "relations.npz"),
        ("relations", lambda run: write_relations(run, a=([A], [])), "relations.npz"),
    ],
)
def test_invalid_predictions_of_images_get_one_line(evaluate, make_image_run, kind, prepare, file):
    run = make_image_run(OBJECTS)
    prepare(run)
    assert_one_line(evaluate(kind, run, "--data", "somewhere"), run / file)
    assert not (run / "metrics.json").exists()


@pytest.mark.parametrize("kind", ["detection", "relations"])
def test_images_without_anything_to_find_are_refused(evaluate, make_image_run, kind):
    run = make_image_run({"a": [(0, A, "difficult"), (1, B, "crowd")]})
    write_detections(run)
    write_relations(run, a=([A, B], [[0, 1], [1, 0]]))
    assert_one_line(evaluate(kind, run, "--data", "somewhere"), "somewhere")


@pytest.mark.parametrize("kind", ["detection", "relations"])
def test_a_run_on_documents_has_no_images(evaluate, make_run, kind):
    run = make_run(RUN)
    assert_one_line(evaluate(kind, run), run / "config.yaml")


@pytest.mark.parametrize("numbers", ["0", "10,-5", "1.5", "10,", "ten"])
def test_k_must_be_positive_integers(evaluate, make_image_run, numbers):
    done = evaluate("relations", make_image_run(OBJECTS), "--data", "somewhere", "--top-k", numbers)
    assert done.returncode == 2 and "--top-k" in done.stderr.splitlines()[-1]


# --- files outside a run folder -------------------------------------------------------------------------------------

OF_MINIVAL = ["--dataset", "minicoco", "--split", "minival", "--data", "somewhere"]


@pytest.fixture
def outside(tmp_path, monkeypatch, make_dataset) -> Path:
    """A folder with files as the original code writes them: numbers as ids, COCO's category ids, float64 boxes."""
    dataset = make_dataset({"139": [(0, A), (1, B)], "285": [(0, A)]})
    asked = {("minicoco", Path("somewhere"), "minival"): dataset}
    monkeypatch.setattr(command, "read_once", lambda *arguments: asked[arguments])
    write_detections(tmp_path, (139, 3, A, 0.9), (139, 5, B, 0.8))
    pairs = {"pairs": np.array([[1, 0], [0, 1]]), "weights": np.array([0.5, 0.25])}
    np.savez(
        tmp_path / "relations.npz",
        image_ids=np.array([139, 285]),
        roi_offsets=np.array([0, 2, 3]),
        rois=np.array([A, B, A], np.float64),
        roi_scores=np.array([0.9, 0.8, 0.7]),
        roi_labels=np.array([0, 1, 0]),
        pair_offsets=np.array([0, 2, 2]),
        **pairs,
        **{f"row_{name}": values for name, values in pairs.items()},
    )
    return tmp_path


def test_detections_outside_a_run_folder_are_evaluated(evaluate, outside):
    path, out = outside / "detections.json", outside / "metrics" / "rn.json"
    done = evaluate("detection", "--detections", path, *OF_MINIVAL, "--out", out)
    assert done.returncode == 0 and done.stdout.startswith(f"{path}: ")
    metrics = json.loads(out.read_text())
    # One of two cats is found, before any false detection: precision 1 up to a recall of 1/2, 51 of 101 points.
    assert (metrics["ap_50/cat"], metrics["ap_50/dog"]) == (pytest.approx(51 / 101), pytest.approx(1))


def test_relations_outside_a_run_folder_are_evaluated(evaluate, outside):
    path, out = outside / "relations.npz", outside / "relations.json"
    done = evaluate("relations", "--relations", path, *OF_MINIVAL, "--top-k", "1,2", "--out", out)
    assert done.returncode == 0 and done.stdout.startswith(f"{path}: 1 relations in 1 images")
    metrics = json.loads(out.read_text())
    assert metrics["recall@1"] == metrics["row_recall@2"] == metrics["detector_recall@1"] == 1


class Evil:
    """Fails the test when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(("kind", "option"), [("detection", "--detections"), ("relations", "--relations")])
def test_pickles_are_not_loaded(evaluate, outside, kind, option, protocol):
    for name in ("detections.pkl", "detections.json"):
        path = outside / name
        path.write_bytes(pickle.dumps(Evil(), protocol))
        assert_one_line(evaluate(kind, option, path, *OF_MINIVAL), path)


def test_object_arrays_are_not_unpickled(evaluate, outside):
    path = outside / "relations.npz"
    arrays = dict(np.load(path))
    for name in ("image_ids", "rois"):
        np.savez(path, **arrays | {name: np.array([Evil()] * len(arrays[name]), object)})
        assert_one_line(evaluate("relations", "--relations", path, *OF_MINIVAL), path)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["run", "--detections", "a.json"],
        ["run", "--split", "test"],
        ["--detections", "a.json", "--split", "test"],
        ["--detections", "a.json", *OF_MINIVAL],
    ],
)
def test_inconsistent_file_options_get_one_line(evaluate, outside, options):
    done = evaluate("detection", *options)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("error: ")
