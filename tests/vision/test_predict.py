"""Predictions of a small run: files, values and pictures."""

import dataclasses
import json
import shutil
import sys
from functools import partial
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd
from PIL import Image

from data.common.errors import UserError
from data.common.files import read_arrays
from data.common.runs import RunFolder
from data.images.datasets import read_images
from scripts.evaluate import evaluate_center_mass, evaluate_detection, evaluate_relations
from scripts.evaluation.predictions import read_detections, read_relations
from vision import criterion, prediction
from vision import predict as predicting
from vision.attended_regions import write_attended
from vision.checkpoint import TrainedRun
from vision.engine import train
from vision.postprocess import detections
from vision.prediction import draw_pictures, predict_image, predict_images
from vision.proposals import relationship_proposals
from vision.targets import relation_targets
from vision.transforms import make_sample

CPU = mx.cpu()

# After ten images the ROIs are on no object at an IoU of 0.5.
nearby_targets = partial(relation_targets, iou_thresh=0.2)


def predict(folder, *options):
    """Calls the command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["predict", str(folder), *map(str, options)])
        predicting.main()


pytestmark = pytest.mark.usefixtures("without_tensorboard")


@pytest.fixture(scope="module")
def trained(without_tensorboard, tiny, data, tmp_path_factory):
    """A finished run. Tests must not change it."""
    run = RunFolder.claim(tmp_path_factory.mktemp("runs"), tiny, seed=0)
    train(tiny, read_images("tiny", data, "trainval"), run, 0, [CPU], 0)
    return TrainedRun(run.path, CPU)


@pytest.fixture(scope="module")
def dataset(data):
    return read_images("tiny", data, "test")


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the finished run, without predictions."""
    return RunFolder(Path(shutil.copytree(trained.run.path, tmp_path / "mini" / "tiny" / "fan-sup" / "seed0")))


@pytest.fixture(scope="module")
def predicted(trained, data, tmp_path_factory):
    """A copy with predictions. Tests must not change it."""
    folder = tmp_path_factory.mktemp("runs") / "mini" / "tiny" / "fan-sup" / "seed0"
    shutil.copytree(trained.run.path, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(criterion, "relation_targets", nearby_targets)
        predict(folder, "--data", data)
    return RunFolder(folder)


@pytest.fixture(scope="module")
def by_hand(trained, dataset):
    """Image id -> output of the network, size and sample."""

    def call(record):
        sample = make_sample(record, trained.config.images, flipped=False)
        size = nd.array([sample.image.shape[1:]])
        return trained.detector(nd.array(sample.image[None]), size), size, sample

    return {record.id: call(record) for record in dataset.records}


# --- the test images ------------------------------------------------------------------------------------------------


def test_detections_are_those_of_the_network(predicted, by_hand, trained, dataset):
    found = read_detections(predicted.detections, dataset)
    for number, record in enumerate(dataset.records):
        output, size, sample = by_hand[record.id]
        (expected,) = detections(output, size, nd.array([sample.scale]), trained.config.detection)
        of_image = found.images == number
        np.testing.assert_allclose(found.boxes[of_image], expected.boxes, atol=0.02)
        np.testing.assert_allclose(found.scores[of_image], expected.scores, atol=1e-6)
        np.testing.assert_array_equal(found.labels[of_image], expected.labels)


def test_relations_are_those_of_the_network(predicted, by_hand):
    found = dict(read_relations(predicted.relations, by_hand.keys(), pairs_needed=5000))
    assert len(found) == 3
    for image_id, proposals in found.items():
        output, _, sample = by_hand[image_id]
        scale = nd.array([sample.scale])
        (expected,) = relationship_proposals(output.rois, output.mask, output.logits, output.relations, scale)
        for array, same in zip(arrays_of(proposals), arrays_of(expected), strict=True):
            np.testing.assert_allclose(array, same, rtol=1e-5)


def arrays_of(proposals):
    return [*proposals[:3], *(proposals.by_matrix or ()), *(proposals.by_row or ())]


def test_center_mass_is_the_mass_on_target_pairs(predicted, by_hand):
    kept = read_arrays(predicted.center_mass, ["ids", "center_mass", "uniform"], "center-mass", "")
    assert sorted(kept["ids"].tolist()) == sorted(by_hand)
    assert 0 < np.isnan(kept["center_mass"]).sum() < 3
    for image_id, center_mass, uniform in zip(kept["ids"].tolist(), kept["center_mass"], kept["uniform"], strict=True):
        output, _, sample = by_hand[image_id]
        objects = nd.array([sample.boxes]), nd.array([sample.labels])
        real = np.outer(*2 * [output.mask[0].asnumpy()])
        targets = real * nearby_targets(output.rois, *objects, "different_category")[0].asnumpy()
        logits = output.relations[0].asnumpy().astype(np.float64)
        weights = real * np.exp(logits - logits.max())
        expected = (weights * targets).sum() / weights.sum() if targets.any() else np.nan
        np.testing.assert_allclose(center_mass, expected, rtol=1e-4, atol=1e-30)
        floor = targets.sum() / real.sum() if targets.any() else np.nan  # |T| / N²
        np.testing.assert_allclose(uniform, floor, rtol=1e-5)


def test_center_mass_uses_annotated_relations(trained, dataset, by_hand, monkeypatch):
    loss = dataclasses.replace(trained.config.relation_loss, rule="annotated")
    config = dataclasses.replace(trained.config, variant="fan-sup-gt", relation_loss=loss)
    monkeypatch.setattr(trained, "config", config)
    monkeypatch.setattr(criterion, "relation_targets", nearby_targets)
    annotated = [np.array([[1, 0]]) if len(record.labels) > 1 else np.empty((0, 2), int) for record in dataset.records]
    pairs = zip(dataset.records, annotated, strict=True)
    records = [dataclasses.replace(record, relations=relations) for record, relations in pairs]
    masses = {
        predicted.image_id: predicted.center_mass.network
        for predicted in predict_images(trained, dataclasses.replace(dataset, records=records), CPU, 0)
    }
    assert any(np.isfinite(mass) for mass in masses.values())
    for record in records:
        output, _, sample = by_hand[record.id]
        boxes, labels, relations = (nd.array([values]) for values in (sample.boxes, sample.labels, [[1, 0]]))
        targets = nearby_targets(output.rois, boxes, labels, "annotated", relations)[0].asnumpy()
        targets *= np.outer(*2 * [output.mask[0].asnumpy()]) * len(record.relations)
        logits = output.relations[0].asnumpy().astype(np.float64)
        weights = np.outer(*2 * [output.mask[0].asnumpy()]) * np.exp(logits - logits.max())
        expected = (weights * targets).sum() / weights.sum() if targets.any() else np.nan
        np.testing.assert_allclose(masses[record.id], expected, rtol=1e-4, atol=1e-30)


def test_a_second_command_writes_nothing(predicted, capsys):
    before = {path: path.stat().st_mtime_ns for path in predicted.path.iterdir()}
    predict(predicted.path, "--data", "nowhere")
    assert capsys.readouterr().out == f"{predicted.detections}: already exists\n"
    assert {path: path.stat().st_mtime_ns for path in predicted.path.iterdir()} == before


def test_the_number_of_pairs_can_be_chosen(run, data, by_hand, capsys):
    def keep(pairs):
        predict(run.path, "--data", data, "--pairs", pairs)
        found = read_relations(run.relations, by_hand, min(pairs, 65280))
        return dict(found), "already exists" in capsys.readouterr().out

    few, _ = keep(100)
    assert {len(proposals.by_matrix.pairs) for proposals in few.values()} == {100}
    again, is_there = keep(70)  # the file has more
    assert is_there and {len(proposals.by_matrix.pairs) for proposals in again.values()} == {100}
    every, is_there = keep(10**6)
    assert not is_there
    for image_id, proposals in every.items():
        count = len(proposals.rois)
        assert len(proposals.by_matrix.pairs) == count * (count - 1) > 5000
        assert proposals.by_row.pairs[:100].tolist() == few[image_id].by_row.pairs.tolist()
    assert keep(10**6)[1]


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("detections", None),
        ("relations", None),
        ("center_mass", None),
        ("relations", "row_pairs"),
        ("center_mass", "uniform"),
    ],
)
def test_missing_or_older_files_are_predicted_again(predicted, data, tmp_path, name, missing):
    """Older versions wrote fewer arrays."""
    run = RunFolder(Path(shutil.copytree(predicted.path, tmp_path / "seed0")))
    path = getattr(run, name)
    if missing:
        with np.load(path) as archive:
            older = {key: values for key, values in archive.items() if key != missing}
        np.savez(path, **older)
    else:
        path.unlink()
    predict(run.path, "--data", data)
    assert path.exists() and (missing is None or missing in np.load(path).files)
    assert run.detections.read_bytes() == predicted.detections.read_bytes()


def test_hard_nms_writes_a_separate_file(predicted, data, dataset, tmp_path, capsys):
    run = RunFolder(Path(shutil.copytree(predicted.path, tmp_path / "seed0")))
    before = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
    predict(run.path, "--data", data, "--nms", "hard")
    assert {path.name for path in run.path.iterdir() if path.is_file()} == {*before, "detections.hard_nms.json"}
    assert all((run.path / name).read_bytes() == content for name, content in before.items())
    hard, soft = (read_detections(path, dataset) for path in (run.hard_detections, run.detections))
    assert 0 < len(hard.scores) <= len(soft.scores)
    predict(run.path, "--data", data, "--nms", "hard")
    assert capsys.readouterr().out.endswith(f"{run.hard_detections}: already exists\n")


def test_center_mass_of_all_or_some_training_images(run, data, monkeypatch, capsys):
    monkeypatch.setattr(criterion, "relation_targets", nearby_targets)

    def measure(most):
        predict(run.path, "--data", data, "--training-images", *most)
        return read_arrays(run.training_center_mass, ["ids", "center_mass", "uniform"], "file", "")

    some, every = measure([3]), measure([])
    images = read_images("tiny", data, "trainval").records
    assert len(some["ids"]) == 3 and sorted(every["ids"]) == sorted(record.id for record in images)
    of_all = dict(zip(every["ids"], every["center_mass"], strict=True))
    assert [of_all[name] for name in some["ids"]] == pytest.approx(some["center_mass"], nan_ok=True)
    assert np.isfinite(every["center_mass"]).any()
    assert (np.isnan(every["center_mass"]) == np.isnan(every["uniform"])).all()
    capsys.readouterr()
    measure([3])  # fewer images than the file has
    assert capsys.readouterr().out == f"{run.training_center_mass}: already exists\n"


def test_the_base_network_writes_no_pairs(tiny, data, tmp_path):
    base = dataclasses.replace(
        tiny,
        variant="base",
        model=dataclasses.replace(tiny.model, focused_attention=False),
        relation_loss=dataclasses.replace(tiny.relation_loss, weight=0.0),
        training=dataclasses.replace(tiny.training, epochs=1),
    )
    run = RunFolder.claim(tmp_path, base, seed=0)
    train(base, read_images("tiny", data, "trainval"), run, 0, [CPU], 0)
    predict(run.path, "--data", data)
    assert list(run.epochs()[0])[-3:] == ["boxes", "seconds", "images_per_second"]
    assert json.loads(run.detections.read_text())
    assert not run.center_mass.exists()
    with np.load(run.relations) as archive:
        assert {"rois", "roi_scores", "roi_labels"} < set(archive.files) and "pairs" not in archive.files
    before = run.relations.stat().st_mtime_ns
    predict(run.path, "--data", data)
    assert run.relations.stat().st_mtime_ns == before
    with pytest.raises(UserError, match=f"{run.path}: "):
        predict(run.path, "--data", data, "--training-images")
    draw_pictures([data / "tiny" / "JPEGImages" / "000001.jpg"], run.path, None, None)
    assert (run.path / "pictures" / "000001.png").exists()


def test_relation_modules_are_predicted_and_evaluated(tiny_modules, data, tmp_path, monkeypatch):
    monkeypatch.setattr(criterion, "relation_targets", nearby_targets)
    config = dataclasses.replace(tiny_modules, training=dataclasses.replace(tiny_modules.training, epochs=1))
    run = RunFolder.claim(tmp_path, config, seed=0)
    train(config, read_images("tiny", data, "trainval"), run, 0, [CPU], 0)
    predict(run.path, "--data", data)
    assert 0 <= evaluate_detection(run, data)["map"] <= 1
    recalls = evaluate_relations(run, data, top_k=[10, 5000], rule="different_category")
    assert 0 <= recalls["recall@10"] <= recalls["recall@5000"] <= 1
    assert 0 < evaluate_center_mass(run)["center_mass"] < 1
    write_attended(run.path, [data / "tiny" / "JPEGImages" / "000001.jpg"], set(), tmp_path / "attended.npz", 4, None)
    weights = read_arrays(tmp_path / "attended.npz", ["weights", "self_weights"], "file", "")
    assert (weights["weights"].sum(axis=1) + weights["self_weights"] <= 1 + 1e-5).all()


def test_interrupted_predictions_leave_no_file(run, data, monkeypatch):
    images = iter([1, 2])

    def interrupted(*arguments):
        if next(images) == 2:
            raise KeyboardInterrupt
        return predict_image(*arguments)

    before = sorted(run.path.iterdir())
    monkeypatch.setattr(prediction, "predict_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        predict(run.path, "--data", data)
    assert sorted(run.path.iterdir()) == before


def test_images_of_other_categories_are_rejected(run, data, tmp_path):
    other = Path(shutil.copytree(data, tmp_path / "datasets"))
    for path in (other / "tiny" / "Annotations").iterdir():
        path.write_text(path.read_text().replace("<name>bottle<", "<name>flask<"))
    with pytest.raises(UserError, match=f"{other}: its categories"):
        predict(run.path, "--data", other)
    assert not run.detections.exists()


# --- pictures -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photos(data, tmp_path_factory):
    """Image files of several formats and sizes."""
    folder = tmp_path_factory.mktemp("photos")
    with Image.open(data / "tiny" / "JPEGImages" / "000001.jpg") as image:
        image.convert("L").save(folder / "grey.jpg")
        image.convert("P").save(folder / "palette.gif")
        image.rotate(90, expand=True).save(folder / "turned.bmp")
    Image.new("RGB", (1, 1)).save(folder / "pixel.png")
    Image.new("RGB", (300, 1)).save(folder / "line.png")
    (folder / "damaged.jpg").write_bytes((folder / "grey.jpg").read_bytes()[:200])
    return folder


def test_any_image_can_be_drawn(run, photos, tmp_path, capsys):
    names = ["grey.jpg", "palette.gif", "turned.bmp", "pixel.png", "line.png"]
    draw_pictures([photos / name for name in names], run.path, tmp_path / "out", None)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    for line, name in zip(lines, names, strict=True):
        picture = tmp_path / "out" / Path(name).with_suffix(".png").name
        assert line.startswith(f"{picture}: ")
        with Image.open(picture) as image:
            assert min(image.size) > 50


def test_a_damaged_image_is_named_and_not_drawn(run, photos, capsys):
    with pytest.raises(UserError, match="damaged.jpg: "):
        draw_pictures([photos / "pixel.png", photos / "damaged.jpg", photos / "grey.jpg"], run.path, None, None)
    assert [path.name for path in (run.path / "pictures").iterdir()] == ["pixel.png"]
    assert capsys.readouterr().out.startswith(f"{run.path}/pictures/pixel.png: ")


def test_conflicting_pictures_are_rejected_before_drawing(run, photos, tmp_path):
    twin = Path(shutil.copy(photos / "pixel.png", tmp_path / "grey.png"))
    for images, out, line in [
        (["pixel.png", "absent.png"], None, "absent.png: no such image file"),
        (["pixel.png", "."], None, "no such image file"),
        (["grey.jpg", twin], None, r"grey.png: its picture would overwrite that of .*/grey.jpg, .*pictures/grey.png"),
        (["grey.jpg", twin], tmp_path, "grey.png: its picture would overwrite that of"),
        ([twin], tmp_path, "grey.png: its picture would overwrite the image"),
    ]:
        with pytest.raises(UserError, match=line):
            draw_pictures([photos / image for image in images], run.path, out, None)
    assert not (run.path / "pictures").exists()
    assert Image.open(twin).size == (1, 1)


@pytest.mark.parametrize(
    ("options", "option"),
    [
        (["--out", "somewhere"], "--out"),
        (["cat.jpg", "--pairs", "9"], "--pairs"),
        (["--pairs", "0"], "--pairs"),
        (["cat.jpg", "--nms", "hard"], "--nms"),
        (["--nms", "firm"], "--nms"),
        (["--training-images", "--nms", "hard"], "--training-images"),
        (["--scene", "--training-images", "4"], "--training-images"),
        (["room.jpg", "--scene", "--out", "somewhere"], "--out"),
        *((["--workers", count], "--workers") for count in ("-1", "65", "two", "1.5")),
    ],
)
def test_invalid_options_are_rejected(run, monkeypatch, capsys, options, option):
    monkeypatch.setattr(sys, "argv", ["predict", str(run.path), *options])
    with pytest.raises(SystemExit) as ended:
        predicting.main()
    assert ended.value.code == 2 and option in capsys.readouterr().err.splitlines()[-1]
