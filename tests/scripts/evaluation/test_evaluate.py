import json
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
    np.savez_compressed(run / f"{name}.npz", **arrays | {"uniform": arrays["center_mass"] / 2} | more)


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
        "uniform_center_mass": 0.25,
        "center_mass_items": 2,
        "center_mass_items_without_pair": 1,
    }
    assert classification.stdout == f"{run}: accuracy 75.00% of 4 items, 83.33% as mean over the classes\n"
    assert center_mass.stdout.startswith(f"{run}: center-mass 0.5000 (0.2500 for equal weights)")


def test_center_mass_of_training_images_has_its_own_names(evaluate, make_run):
    run = make_run(RUN)
    write_center_mass(run)
    write_center_mass(run, values=(0.75, np.nan), ids=("d", "e"), name="training_center_mass")
    (run / "log.jsonl").write_text(json.dumps({"epoch": 1, "seconds": 1.0, "center_mass": 0.125}) + "\n")
    assert evaluate("center-mass", run).returncode == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert (metrics["center_mass"], metrics["uniform_center_mass"]) == (0.5, 0.25)
    assert (metrics["training_center_mass"], metrics["training_uniform_center_mass"]) == (0.75, 0.375)
    assert metrics["training_center_mass_items"] == 1
    assert 0.125 not in metrics.values()  # the log's running mean is of a network that still changed


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
        ("center-mass", lambda run: write_center_mass(run, uniform=np.array([0.5])), "values [1] do not agree"),
        (
            "center-mass",
            lambda run: np.savez(run / "center_mass.npz", ids=np.array(["a"]), center_mass=np.array([0.5])),
            "lacks the array uniform",
        ),
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


# --- images ---------------------------------------------------------------------------------------------------------

OBJECTS = {"a": [(0, A), (1, B)], "b": [(1, A), (0, B), (1, C), (0, (60, 0, 69, 9), "difficult")], "c": [(0, A)]}


def test_detections_become_mean_and_category_precisions(evaluate, make_image_run):
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


def test_detections_by_hard_nms_have_their_own_names(evaluate, make_image_run):
    run = make_image_run(OBJECTS)
    write_detections(run, ("a", 3, A, 0.9))
    (run / "detections.json").rename(run / "detections.hard_nms.json")
    assert evaluate("detection", run, "--data", "somewhere").returncode == 2
    assert evaluate("detection", run, "--data", "somewhere", "--nms", "hard").returncode == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["hard_nms_detections"] == 1 and all(name.startswith("hard_nms_") for name in metrics)


def test_categories_without_objects_are_left_out_of_the_means(evaluate, make_image_run):
    run = make_image_run({"a": [(0, A), (1, B, "difficult")]})
    write_detections(run, ("a", 3, A, 0.9), ("a", 5, A, 0.9))
    assert evaluate("detection", run, "--data", "somewhere").returncode == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert (metrics["map"], metrics["voc_map_50"]) == pytest.approx((1, 1))
    assert not [name for name in metrics if "dog" in name]


def relation_run(make_image_run) -> Path:
    """Of image a its one relation is found at pair 1; of image b, one of its two (three by instance) at pair 3."""
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
    assert done.stdout.startswith(f"{run}: 3 relations in 2 images, 1 without\n")
    assert done.stderr == ""


OTHER_ORDERS = ("row_", "random_", "rpn_", "detector_")


def test_recall_is_measured_for_every_order_of_the_pairs(evaluate, make_image_run):
    run = relation_run(make_image_run)
    evaluate("relations", run, "--data", "somewhere", "--top-k", "1,2,3")
    metrics = json.loads((run / "metrics.json").read_text())
    recalls = {order: [metrics[f"{order}recall@{k}"] for k in (1, 2, 3)] for order in OTHER_ORDERS}
    # Image a has two pairs of ROIs, which both find its relation. Of image b's six, (0, 1) and (1, 0) find one of two
    # relations, and nothing finds the other.
    assert recalls["row_"] == [1 / 2, 1 / 2, 3 / 4]  # backwards: (2, 1), (1, 2), (0, 1)
    assert recalls["rpn_"] == [3 / 4, 3 / 4, 3 / 4]  # begins with (0, 1)
    assert recalls["detector_"] == [3 / 4, 3 / 4, 3 / 4]  # begins with the two ROIs of the best scores
    missed = [4 / 6, 4 * 3 / (6 * 5), 4 * 3 * 2 / (6 * 5 * 4)]
    assert recalls["random_"] == pytest.approx([(1 + (1 - each) / 2) / 2 for each in missed])


def test_a_network_without_pair_weights_has_the_references(evaluate, make_image_run):
    run = make_image_run(OBJECTS)
    write_relations(run, with_pairs=False, a=([A, B], []), b=([A, B, C], []), c=([], []))
    assert evaluate("relations", run, "--data", "somewhere", "--top-k", "2", "--distinct").returncode == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["rpn_recall@2"] == metrics["detector_recall@2"] == 3 / 4
    assert {"random_recall@2", "random_distinct_recall@2"} < metrics.keys()
    assert not {"recall@2", "row_recall@2", "distinct_recall@2"} & metrics.keys()


def test_duplicates_of_a_better_pair_are_passed_over(evaluate, make_image_run):
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


def test_recall_by_another_rule_has_names_of_its_own(evaluate, make_image_run):
    run = relation_run(make_image_run)
    evaluate("relations", run, "--data", "somewhere", "--top-k", "3")
    done = evaluate("relations", run, "--data", "somewhere", "--top-k", "3", "--rule", "different_instance")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["recall@3"] == pytest.approx((1 + 1 / 2) / 2)
    assert metrics["different_instance_recall@3"] == pytest.approx((1 + 1 / 3) / 2)
    assert metrics["different_instance_relations"] == 4
    assert done.stdout.startswith(f"{run}: 4 relations in 2 images, 1 without\n")


@pytest.fixture
def annotated_run(make_image_run, monkeypatch) -> Path:
    """Of image a, A is annotated to lead to B, and C to A; of image b, A to B. Image c has no relation."""
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
    """Gives the images of the data set that is read their annotated relations."""
    read = command.read_once

    def annotated(*arguments, **options):
        dataset = read(*arguments, **options)
        records = [replace(record, relations=np.array(relations[record.id])) for record in dataset.records]
        return replace(dataset, records=records)

    monkeypatch.setattr(command, "read_once", annotated)


ANNOTATED = ["--data", "somewhere", "--rule", "annotated", "--top-k", "1,2,3,4"]


def test_annotated_relations_are_found_from_subject_to_object(evaluate, annotated_run):
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


def test_annotated_relations_may_be_found_in_either_order_on_request(evaluate, annotated_run):
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
def test_annotated_recall_is_that_of_the_obvious_loop(evaluate, make_image_run, monkeypatch, unordered):
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
    """How many relations of an image the first k pairs find, and how many there are."""
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
    ("options", "line"),
    [
        (
            ["--rule", "annotated"],
            "somewhere: the test images have no annotated relations; give another --rule",
        ),
        (
            ["--unordered"],
            "--unordered: relations by the rule different_category have no order; leave it out, or --rule annotated",
        ),
    ],
)
def test_what_asks_for_annotations_that_are_not_there_gets_one_line(evaluate, make_image_run, options, line):
    done = evaluate("relations", relation_run(make_image_run), "--data", "somewhere", *options)
    assert (done.returncode, done.stderr) == (2, f"error: {line}\n")


def test_a_k_beyond_the_pairs_in_the_file_is_refused_and_the_remedy_named(evaluate, annotated_run):
    write_relations(annotated_run, a=([A, B, C], [[0, 1]]), b=([B, A], [[0, 1], [1, 0]]), c=([], []))
    done = evaluate("relations", annotated_run, *ANNOTATED)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "image a has 1 pairs of its 3 ROIs where recall@4 needs more, which vision.predict keeps with" in done.stderr
    assert "--pairs 4; " in done.stderr and "run the predict command again" in done.stderr


def test_the_default_list_reaches_5000(evaluate, make_image_run):
    run = relation_run(make_image_run)
    evaluate("relations", run, "--data", "somewhere")
    found = [name for name in json.loads((run / "metrics.json").read_text()) if name.startswith("recall@")]
    assert found == [f"recall@{k}" for k in (10, 50, 100, 200, 500, 1000, 2000, 5000)]


@pytest.mark.parametrize(
    ("kind", "prepare", "message"),
    [
        ("detection", lambda run: None, "detections.json: no such detection file"),
        ("detection", lambda run: (run / "detections.json").write_text("[{]"), "is not valid JSON"),
        ("detection", lambda run: write_detections(run, ("d", 3, A, 0.5)), "unknown image_id, 'd' for one"),
        ("detection", lambda run: write_detections(run, ("a", 1, A, 0.5)), "unknown category_id, 1 for one"),
        ("relations", lambda run: None, "relations.npz: no such relations file"),
        ("relations", lambda run: np.savez(run / "relations.npz", rois=np.zeros((1, 4))), "the array roi_labels"),
        ("relations", lambda run: write_relations(run, a=([A], [])), "lacks 2 of the data set's 3 images, b for one"),
        (
            "relations",
            lambda run: write_relations(run, a=([A], []), b=([A, B], [[0, 1], [1, 2]]), c=([], [])),
            "image b has pairs of ROIs 0 to 2 with 2 ROIs",
        ),
    ],
)
def test_bad_predictions_of_images_get_one_line(evaluate, make_image_run, kind, prepare, message):
    run = make_image_run(OBJECTS)
    prepare(run)
    done = evaluate(kind, run, "--data", "somewhere")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr and str(run) in done.stderr
    assert not (run / "metrics.json").exists()


@pytest.mark.parametrize(("kind", "message"), [("detection", "no object to find"), ("relations", "has a relation")])
def test_images_without_anything_to_find_are_refused(evaluate, make_image_run, kind, message):
    run = make_image_run({"a": [(0, A, "difficult"), (1, B, "crowd")]})
    write_detections(run)
    write_relations(run, a=([A, B], [[0, 1], [1, 0]]))
    done = evaluate(kind, run, "--data", "somewhere")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


@pytest.mark.parametrize("kind", ["detection", "relations"])
def test_a_run_on_documents_has_no_images(evaluate, make_run, kind):
    done = evaluate(kind, make_run(RUN))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "config.yaml: names no dataset and images.test_split" in done.stderr


@pytest.mark.parametrize("numbers", ["0", "10,-5", "1.5", "10,", "ten"])
def test_k_that_is_not_positive_is_refused(evaluate, make_image_run, numbers):
    done = evaluate("relations", make_image_run(OBJECTS), "--data", "somewhere", "--top-k", numbers)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(f"{numbers} is no list of whole numbers above 0, as 10,50,100")
