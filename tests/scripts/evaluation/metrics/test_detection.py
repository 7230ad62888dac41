import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from scripts.evaluation.metrics.detection import (
    Detections,
    Objects,
    average_precisions,
    coco_average_precisions,
    objects_of,
    voc_average_precisions,
)

CATEGORIES = 3
A, B, FAR = (0, 0, 9, 9), (20, 0, 29, 9), (100, 100, 109, 109)  # 10 x 10 pixels each


def objects(*rows) -> Objects:
    """Objects of one category: (image, box) or (image, box, True) for one to be ignored."""
    return Objects(
        np.array([image for image, *_ in rows], int),
        np.zeros(len(rows), int),
        np.array([box for _, box, *_ in rows], np.float32).reshape(-1, 4),
        np.array([bool(ignored) for _, _, *ignored in rows], bool),
    )


def detections(*rows) -> Detections:
    """Detections of one category: (image, box), the best first."""
    boxes = np.array([box for _, box in rows], float).reshape(-1, 4)
    scores = np.linspace(0.9, 0.1, len(rows))
    return Detections(np.array([image for image, _ in rows], int), np.zeros(len(rows), int), boxes, scores)


# --- worked by hand ---------------------------------------------------------------------------------------------------


def test_voc_by_hand():
    wanted = objects((0, A), (0, B), (1, A), (1, B, True))
    found = detections(
        (0, A),  # correct: precision 1, recall 1/3
        (0, A),  # false, the object has been found: 1/2, 1/3
        (1, B),  # on an ignored object, does not count
        (1, (0, 0, 9, 4)),  # correct, half of the pixels are enough: 2/3, 2/3
        (0, FAR),  # false: 2/4, 2/3
        (2, A),  # false, this image has no object: 2/5, 2/3
    )
    # The best precision is 1 at the levels 0 to 0.3, 2/3 at 0.4 to 0.6, and 0 beyond.
    # From an IoU of 0.55 on, the half is false, which leaves precision 1 at the levels 0 to 0.3.
    points, others = (4 + 3 * 2 / 3) / 11, 4 / 11
    expected = (points + 9 * others) / 10, points, (1 + 2 / 3) / 3
    assert voc_average_precisions(found, wanted) == pytest.approx(expected)


def test_voc_assigns_detections_to_the_largest_overlap():
    wanted = objects((0, A), (0, (0, 0, 9, 7)))
    found = detections((0, A), (0, (0, 0, 9, 8.9)))  # the second overlaps both by more than 0.5
    assert voc_average_precisions(found, wanted) == pytest.approx((6 / 11, 6 / 11, 1 / 2))
    assert coco_average_precisions(found, wanted)[1] == pytest.approx(1)  # COCO assigns the other object


def test_voc_recall_levels_are_exact():
    wanted = objects(*((image, A) for image in range(10)))
    found = detections(*((image, A) for image in range(3)))  # recall 0.3 reaches the levels 0, 0.1, 0.2 and 0.3
    assert voc_average_precisions(found, wanted) == pytest.approx((4 / 11, 4 / 11, 0.3))


def test_coco_by_hand():
    large = (0, 0, 99, 99)
    found = detections((0, (0, 0, 99, 76)))  # an IoU of 0.77, above 6 of the 10 thresholds
    assert coco_average_precisions(found, objects((0, large))) == (pytest.approx(0.6), pytest.approx(1))
    # One of two objects: a recall of 0.5 reaches 51 of the 101 levels.
    assert coco_average_precisions(found, objects((0, large), (1, A)))[1] == pytest.approx(51 / 101)
    assert coco_average_precisions(detections((1, A), (0, large)), objects((0, large))) == pytest.approx((0.5, 0.5))


def test_coco_ignores_boxes_inside_a_crowd_and_voc_does_not():
    crowd, within = (0, 0, 99, 99), (0, 0, 9, 9)
    wanted = objects((0, crowd, True), (0, FAR))
    found = detections((0, crowd), (0, within), (0, within), (0, FAR))
    assert coco_average_precisions(found, wanted) == pytest.approx((1, 1))
    assert voc_average_precisions(found, wanted) == pytest.approx((1 / 3, 1 / 3, 1 / 3))


@pytest.mark.parametrize("measure", [coco_average_precisions, voc_average_precisions])
def test_precision_without_detections_or_without_objects(measure):
    assert set(measure(detections(), objects((0, A)))) == {0}
    assert np.isnan(measure(detections((0, A)), objects())).all()
    assert np.isnan(measure(detections((0, A)), objects((0, A, True)))).all()
    assert np.isnan(measure(detections(), objects())).all()


def test_objects_are_in_the_order_of_the_images(make_dataset):
    dataset = make_dataset({"7": [(1, A), (0, B, "difficult")], "8": [], "9": [(1, FAR, "crowd")]})
    found = objects_of(dataset)
    assert found.images.tolist() == [0, 0, 2]
    assert found.labels.tolist() == [1, 0, 1]
    assert found.boxes.tolist() == [list(A), list(B), list(FAR)]
    assert found.ignored.tolist() == [False, True, True]


# --- against other programs, random detections -------------------------------------------------------------------


def random_scene(seed: int) -> tuple[Detections, Objects]:
    """12 images of 80 objects, with 250 detections on and off them, in whole pixels; no score comes twice."""
    random = np.random.default_rng(seed)
    images = np.sort(random.integers(0, 12, 80))
    corners = random.integers(0, 150, (80, 2))
    boxes = np.hstack([corners, corners + random.integers(10, 90, (80, 2))])
    labels, ignored = random.integers(0, CATEGORIES, 80), random.random(80) < 0.15
    likeness = random.integers(0, 80, 250)
    jitter = random.integers(-12, 13, (250, 4)) * (random.random((250, 1)) < 0.8)
    shift = 300 * (random.random((250, 1)) < 0.2)
    # The smallest object is 10 wide, so that a shrunken one may have its corners in the wrong order: they are sorted.
    found = boxes[likeness] + jitter + shift
    found = np.hstack([np.minimum(found[:, :2], found[:, 2:]), np.maximum(found[:, :2], found[:, 2:])])
    scores = random.permutation(250) / 250
    return (
        Detections(images[likeness], labels[likeness], found.astype(float), scores),
        Objects(images, labels, boxes.astype(np.float32), ignored),
    )


@pytest.mark.parametrize("seed", range(3))
def test_coco_agrees_with_pycocotools_on_files(seed, tmp_path):
    found, wanted = random_scene(seed)
    found = found._replace(scores=found.scores.round(1))  # many are equal
    truth, results = tmp_path / "truth.json", tmp_path / "results.json"
    names = (10 * np.arange(12) + 7).tolist()  # of images; categories are 1, 3, 5
    annotations = [
        {"id": number, **place, "area": 1, "iscrowd": int(ignored)}
        for number, (place, ignored) in enumerate(zip(coco_boxes(wanted, names), wanted.ignored, strict=True), start=1)
    ]
    categories = [{"id": 1 + 2 * label} for label in range(CATEGORIES)]
    truth.write_text(
        json.dumps({"images": [{"id": name} for name in names], "annotations": annotations, "categories": categories})
    )
    scored = zip(coco_boxes(found, names), found.scores.tolist(), strict=True)
    results.write_text(json.dumps([{**place, "score": score} for place, score in scored]))
    official = COCO(str(truth))
    evaluation = COCOeval(official, official.loadRes(str(results)), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    ours = average_precisions(found, wanted, CATEGORIES)
    assert 0.1 < evaluation.stats[0] < 0.9
    assert ours.ap.mean() == pytest.approx(evaluation.stats[0], abs=1e-12)
    assert ours.ap_50.mean() == pytest.approx(evaluation.stats[1], abs=1e-12)
    precision = evaluation.eval["precision"][..., 0, 2]  # all areas, 100 detections: [thresholds, levels, categories]
    np.testing.assert_allclose(ours.ap, precision.mean(axis=(0, 1)), atol=1e-12)


def coco_boxes(columns: Detections | Objects, names: list[int]) -> list[dict]:
    return [
        {"image_id": names[image], "category_id": 1 + 2 * int(label), "bbox": [x1, y1, x2 - x1 + 1, y2 - y1 + 1]}
        for image, label, (x1, y1, x2, y2) in zip(columns.images, columns.labels, columns.boxes.tolist(), strict=True)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_voc_agrees_with_the_loop_of_the_devkit(seed):
    found, wanted = random_scene(seed)
    ours = average_precisions(found, wanted, CATEGORIES)
    expected = [devkit_average_precisions(found, wanted, label) for label in range(CATEGORIES)]
    np.testing.assert_allclose(ours.voc_ap_50, [eleven for eleven, _ in expected], atol=1e-12)
    np.testing.assert_allclose(ours.voc_area_ap_50, [area for _, area in expected], atol=1e-12)


def devkit_average_precisions(found: Detections, wanted: Objects, label: int) -> tuple[float, float]:
    """The measure as the devkit says it: one detection after the other, one object after the other."""
    taken, right, wrong, curve = set(), 0, 0, []
    total = sum(wanted.labels[each] == label and not wanted.ignored[each] for each in range(len(wanted.labels)))
    for each in sorted(np.flatnonzero(found.labels == label), key=lambda each: -found.scores[each]):
        candidates = np.flatnonzero((wanted.labels == label) & (wanted.images == found.images[each]))
        overlaps = [pixel_iou(found.boxes[each], wanted.boxes[other]) for other in candidates]
        if not overlaps or max(overlaps) < 0.5:
            wrong += 1
        elif not wanted.ignored[best := candidates[np.argmax(overlaps)]]:
            right += best not in taken
            wrong += best in taken
            taken.add(best)
        if right + wrong:
            curve.append((right, right / (right + wrong)))
    eleven = sum(max((p for count, p in curve if 10 * count >= level * total), default=0) for level in range(11)) / 11
    return eleven, sum(max((p for count, p in curve if count >= one), default=0) for one in range(1, total + 1)) / total


def pixel_iou(box: np.ndarray, other: np.ndarray) -> float:
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]) + 1
    shared = float(max(sides[0], 0) * max(sides[1], 0))
    return shared / (float(np.prod(box[2:] - box[:2] + 1) + np.prod(other[2:] - other[:2] + 1)) - shared)


@pytest.mark.parametrize(("name", "ours"), [("VOC07MApMetric", "voc_ap_50"), ("VOCMApMetric", "voc_area_ap_50")])
def test_voc_agrees_with_gluoncv(name, ours):
    voc_detection = pytest.importorskip("gluoncv.utils.metrics.voc_detection", reason="GluonCV is not installed")
    metric = getattr(voc_detection, name)(class_names=["a", "b", "c"])
    found, wanted = random_scene(seed=4)
    for image in range(12):
        of_image, objects_there = found.images == image, wanted.images == image
        metric.update(
            *(column[of_image][None] for column in (found.boxes, found.labels, found.scores)),
            *(column[objects_there][None] for column in (wanted.boxes.astype(float), wanted.labels, wanted.ignored)),
        )
    to_find = np.bincount(wanted.labels[~wanted.ignored])
    assert (to_find % 10 > 0).all()  # else GluonCV's rounded level 0.30000000000000004 is above a recall of 0.3
    values = getattr(average_precisions(found, wanted, CATEGORIES), ours)
    np.testing.assert_allclose([*values, values.mean()], metric.get()[1], atol=1e-12)
