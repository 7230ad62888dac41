"""Predictions of a tiny run: their files, what the network says by hand, and pictures of any image file."""

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
from vision.attended import write_attended
from vision.checkpoint import TrainedRun
from vision.engine import train
from vision.postprocess import detections
from vision.predict import measure_training_images, predict_pictures, predict_test_set
from vision.prediction import predict_image, predict_images
from vision.proposals import relationship_proposals
from vision.targets import relation_targets
from vision.transforms import make_sample

CPU = mx.cpu()

# The ROIs of a network that has seen ten images lie on nothing: nearby will do.
nearby_targets = partial(relation_targets, iou_thresh=0.2)

pytestmark = pytest.mark.usefixtures("without_tensorboard")


@pytest.fixture(scope="module")
def trained(without_tensorboard, tiny, data, tmp_path_factory):
    """A finished run, for tests that change nothing in it."""
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
    """A copy with predictions, for tests that change nothing in it."""
    folder = tmp_path_factory.mktemp("runs") / "mini" / "tiny" / "fan-sup" / "seed0"
    shutil.copytree(trained.run.path, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(criterion, "relation_targets", nearby_targets)
        predict_test_set(folder, data, None, 2)
    return RunFolder(folder)


@pytest.fixture(scope="module")
def by_hand(trained, dataset):
    """Image id to what the network returns of it, its size there, and the sample."""

    def call(record):
        sample = make_sample(record, trained.config.images, flipped=False)
        size = nd.array([sample.image.shape[1:]])
        return trained.detector(nd.array(sample.image[None]), size), size, sample

    return {record.id: call(record) for record in dataset.records}


# --- the test images ------------------------------------------------------------------------------------------------


def test_detections_are_what_the_network_says(predicted, by_hand, trained, dataset):
    found = read_detections(predicted.detections, dataset)
    for number, record in enumerate(dataset.records):
        output, size, sample = by_hand[record.id]
        (expected,) = detections(output, size, nd.array([sample.scale]), trained.config.detection)
        of_image = found.images == number
        np.testing.assert_allclose(found.boxes[of_image], expected.boxes, atol=0.02)
        np.testing.assert_allclose(found.scores[of_image], expected.scores, atol=1e-6)
        np.testing.assert_array_equal(found.labels[of_image], expected.labels)


def test_relations_are_what_the_network_says(predicted, by_hand):
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


def test_predictions_are_what_evaluation_reads(predicted, data):
    precisions = evaluate_detection(predicted, data)
    assert 0 <= precisions["map"] <= precisions["map_50"] <= 1 and precisions["images"] == 3
    recalls = evaluate_relations(predicted, data, top_k=[10, 500], rule="different_category")
    assert 0 <= recalls["recall@10"] <= recalls["recall@500"] <= 1 and recalls["relation_images"] == 2
    assert 0 <= evaluate_center_mass(predicted)["center_mass"] <= 1


def test_center_mass_by_annotated_relations_is_of_these(trained, dataset, by_hand, monkeypatch):
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


def test_workers_change_nothing(trained, dataset):
    without, several = (list(predict_images(trained, dataset, CPU, workers)) for workers in (0, 3))
    assert [each.image_id for each in without] == [each.image_id for each in several]
    for one, other in zip(without, several, strict=True):
        arrays, others = ((*each.detections, *arrays_of(each.proposals)) for each in (one, other))
        for array, same in zip(arrays, others, strict=True):
            np.testing.assert_array_equal(array, same)
        np.testing.assert_array_equal(one.center_mass, other.center_mass)


def test_a_second_command_returns_at_once(predicted, capsys):
    before = {path: path.stat().st_mtime_ns for path in predicted.path.iterdir()}
    predict_test_set(predicted.path, Path("nowhere"), None, 2)
    assert capsys.readouterr().out == f"{predicted.detections}: is there already\n"
    assert {path: path.stat().st_mtime_ns for path in predicted.path.iterdir()} == before


def test_as_many_pairs_are_kept_as_are_asked_for(run, data, by_hand, capsys):
    def predict(pairs):
        predict_test_set(run.path, data, None, 0, pairs)
        found = read_relations(run.relations, by_hand, min(pairs, 65280))
        return dict(found), "is there already" in capsys.readouterr().out

    few, _ = predict(100)
    assert {len(proposals.by_matrix.pairs) for proposals in few.values()} == {100}
    again, is_there = predict(70)  # What is there holds more.
    assert is_there and {len(proposals.by_matrix.pairs) for proposals in again.values()} == {100}
    every, is_there = predict(10**6)
    assert not is_there
    for image_id, proposals in every.items():
        count = len(proposals.rois)
        assert len(proposals.by_matrix.pairs) == count * (count - 1) > 5000
        assert proposals.by_row.pairs[:100].tolist() == few[image_id].by_row.pairs.tolist()
    assert predict(10**6)[1]


@pytest.mark.parametrize("name", ["detections", "relations", "center_mass"])
def test_what_has_been_removed_is_predicted_again(predicted, data, tmp_path, name):
    run = RunFolder(Path(shutil.copytree(predicted.path, tmp_path / "seed0")))
    getattr(run, name).unlink()
    predict_test_set(run.path, data, None, 0)
    assert getattr(run, name).exists()
    assert run.detections.read_bytes() == predicted.detections.read_bytes()


@pytest.mark.parametrize(("name", "array"), [("relations", "row_pairs"), ("center_mass", "uniform")])
def test_files_of_an_older_version_are_predicted_again(predicted, data, tmp_path, name, array):
    run = RunFolder(Path(shutil.copytree(predicted.path, tmp_path / "seed0")))
    path = getattr(run, name)
    with np.load(path) as archive:
        older = {key: values for key, values in archive.items() if key != array}
    np.savez(path, **older)
    predict_test_set(run.path, data, None, 0)
    with np.load(path) as archive:
        assert array in archive.files


def test_hard_nms_writes_detections_of_its_own(predicted, data, dataset, tmp_path, capsys):
    run = RunFolder(Path(shutil.copytree(predicted.path, tmp_path / "seed0")))
    before = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
    predict_test_set(run.path, data, None, 0, nms="hard")
    assert {path.name for path in run.path.iterdir() if path.is_file()} == {*before, "detections.hard_nms.json"}
    assert all((run.path / name).read_bytes() == content for name, content in before.items())
    hard, soft = (read_detections(path, dataset) for path in (run.hard_detections, run.detections))
    assert 0 < len(hard.scores) <= len(soft.scores)
    predict_test_set(run.path, data, None, 0, nms="hard")
    assert capsys.readouterr().out.endswith(f"{run.hard_detections}: is there already\n")


def test_center_mass_of_training_images_is_of_all_or_some(run, data, monkeypatch, capsys):
    monkeypatch.setattr(criterion, "relation_targets", nearby_targets)

    def measure(most):
        measure_training_images(run.path, data, None, 0, most)
        return read_arrays(run.training_center_mass, ["ids", "center_mass", "uniform"], "file", "")

    some, every = measure(3), measure(0)
    images = read_images("tiny", data, "trainval").records
    assert len(some["ids"]) == 3 and sorted(every["ids"]) == sorted(record.id for record in images)
    of_all = dict(zip(every["ids"], every["center_mass"], strict=True))
    assert [of_all[name] for name in some["ids"]] == pytest.approx(some["center_mass"], nan_ok=True)
    assert np.isfinite(every["center_mass"]).any()
    assert (np.isnan(every["center_mass"]) == np.isnan(every["uniform"])).all()
    capsys.readouterr()
    measure(3)  # what is there is of more
    assert capsys.readouterr().out == f"{run.training_center_mass}: is there already\n"


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
    predict_test_set(run.path, data, None, 0)
    assert json.loads(run.detections.read_text())
    assert not run.center_mass.exists()
    with np.load(run.relations) as archive:
        assert {"rois", "roi_scores", "roi_labels"} < set(archive.files) and "pairs" not in archive.files
    before = run.relations.stat().st_mtime_ns
    predict_test_set(run.path, data, None, 0)
    assert run.relations.stat().st_mtime_ns == before
    with pytest.raises(UserError, match="without pair weights"):
        measure_training_images(run.path, data, None, 0, 0)
    predict_pictures([data / "tiny" / "JPEGImages" / "000001.jpg"], run.path, None, None)
    assert (run.path / "pictures" / "000001.png").exists()


def test_relation_modules_are_predicted_and_evaluated_with_as_fan_is(tiny_modules, data, tmp_path, monkeypatch):
    monkeypatch.setattr(criterion, "relation_targets", nearby_targets)
    config = dataclasses.replace(tiny_modules, training=dataclasses.replace(tiny_modules.training, epochs=1))
    run = RunFolder.claim(tmp_path, config, seed=0)
    train(config, read_images("tiny", data, "trainval"), run, 0, [CPU], 0)
    predict_test_set(run.path, data, None, 0)
    assert 0 <= evaluate_detection(run, data)["map"] <= 1
    recalls = evaluate_relations(run, data, top_k=[10, 5000], rule="different_category")
    assert 0 <= recalls["recall@10"] <= recalls["recall@5000"] <= 1
    assert 0 < evaluate_center_mass(run)["center_mass"] < 1
    write_attended(run.path, [data / "tiny" / "JPEGImages" / "000001.jpg"], set(), tmp_path / "attended.npz", 4, None)
    weights = read_arrays(tmp_path / "attended.npz", ["weights", "self_weights"], "file", "")
    assert (weights["weights"].sum(axis=1) + weights["self_weights"] <= 1 + 1e-5).all()


def test_predictions_that_are_interrupted_leave_nothing(run, data, monkeypatch):
    images = iter([1, 2])

    def interrupted(*arguments):
        if next(images) == 2:
            raise KeyboardInterrupt
        return predict_image(*arguments)

    before = sorted(run.path.iterdir())
    monkeypatch.setattr(prediction, "predict_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        predict_test_set(run.path, data, None, 2)
    assert sorted(run.path.iterdir()) == before


def test_images_of_other_categories_are_refused(run, data, tmp_path):
    other = Path(shutil.copytree(data, tmp_path / "datasets"))
    for path in (other / "tiny" / "Annotations").iterdir():
        path.write_text(path.read_text().replace("<name>bottle<", "<name>flask<"))
    with pytest.raises(
        UserError, match="datasets: its categories are not those that .* was trained on; give its --data"
    ):
        predict_test_set(run.path, other, None, 0)
    assert not run.detections.exists()


def test_an_unfinished_run_makes_no_predictions(run, data):
    (run.path / "run.json").unlink()
    with pytest.raises(UserError, match="training has not ended"):
        predict_test_set(run.path, data, None, 0)
    with pytest.raises(UserError, match="training has not ended"):
        predict_pictures([data / "tiny" / "JPEGImages" / "000001.jpg"], run.path, None, None)


# --- pictures -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photos(data, tmp_path_factory):
    """Image files of all sorts."""
    folder = tmp_path_factory.mktemp("photos")
    with Image.open(data / "tiny" / "JPEGImages" / "000001.jpg") as image:
        image.convert("L").save(folder / "grey.jpg")
        image.convert("P").save(folder / "palette.gif")
        image.rotate(90, expand=True).save(folder / "turned.bmp")
    Image.new("RGB", (1, 1)).save(folder / "pixel.png")
    Image.new("RGB", (300, 1)).save(folder / "line.png")
    (folder / "damaged.jpg").write_bytes((folder / "grey.jpg").read_bytes()[:200])
    return folder


def test_pictures_are_drawn_of_any_image(run, photos, tmp_path, capsys):
    names = ["grey.jpg", "palette.gif", "turned.bmp", "pixel.png", "line.png"]
    predict_pictures([photos / name for name in names], run.path, tmp_path / "out", None)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    for line, name in zip(lines, names, strict=True):
        picture = tmp_path / "out" / Path(name).with_suffix(".png").name
        assert line.startswith(f"{picture}: ")
        with Image.open(picture) as image:
            assert min(image.size) > 50


def test_a_damaged_image_is_named_and_leaves_no_picture(run, photos, capsys):
    with pytest.raises(UserError, match="damaged.jpg: "):
        predict_pictures([photos / "pixel.png", photos / "damaged.jpg", photos / "grey.jpg"], run.path, None, None)
    assert [path.name for path in (run.path / "pictures").iterdir()] == ["pixel.png"]
    assert capsys.readouterr().out.startswith(f"{run.path}/pictures/pixel.png: ")


def test_images_that_cannot_all_be_drawn_are_refused_before_any_is(run, photos, tmp_path):
    twin = Path(shutil.copy(photos / "pixel.png", tmp_path / "grey.png"))
    for images, out, line in [
        (["pixel.png", "absent.png"], None, "absent.png: no such image file; give the names of images"),
        (["pixel.png", "."], None, "no such image file"),
        (["grey.jpg", twin], None, r"grey.png: its picture would replace that of .*/grey.jpg, .*pictures/grey.png"),
        (["grey.jpg", twin], tmp_path, "grey.png: its picture would replace that of"),
        ([twin], tmp_path, "grey.png: its picture would replace it; give another --out"),
    ]:
        with pytest.raises(UserError, match=line):
            predict_pictures([photos / image for image in images], run.path, out, None)
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
    ],
)
def test_options_that_exclude_each_other_are_refused(run, monkeypatch, capsys, options, option):
    monkeypatch.setattr(sys, "argv", ["predict", str(run.path), *options])
    with pytest.raises(SystemExit) as ended:
        predicting.main()
    assert ended.value.code == 2 and option in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("count", ["-1", "65", "two", "1.5"])
def test_a_number_of_workers_that_is_none_is_refused(run, count, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["predict", str(run.path), "--workers", count])
    with pytest.raises(SystemExit):
        predicting.main()
    assert f"argument --workers: {count} is no whole number from 0 to 64" in capsys.readouterr().err
