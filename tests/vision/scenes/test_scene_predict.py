"""Predictions of a tiny run on scenes: test images, image files, and runs that cannot be used."""

import dataclasses
import shutil
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from PIL import Image

from data.common.config import write_config
from data.common.errors import UserError
from data.common.files import read_arrays
from data.common.runs import RunFolder
from data.images.mit67 import read_mit67
from data.images.pixels import read_pixels
from scripts.evaluate import evaluate_classification
from vision import predict
from vision.scenes import predict as scene_predict
from vision.scenes.detector import read_detector_record, write_detector_record
from vision.scenes.features import extract
from vision.scenes.predict import TrainedScenes, predict_scenes, predict_test_scenes
from vision.scenes.train import train
from vision.transforms import make_image

pytestmark = pytest.mark.usefixtures("without_tensorboard")


@pytest.fixture(scope="module")
def trained(scenes, scene_data, detector_folder, without_tensorboard, tmp_path_factory):
    """A finished run, not to be changed."""
    run = RunFolder.claim(tmp_path_factory.mktemp("runs"), scenes, seed=0)
    train(scenes, read_mit67(scene_data, "train"), run, 0, detector_folder, [mx.cpu()], 0, 10**9)
    return run


@pytest.fixture
def run(trained, tmp_path):
    """A copy, without predictions."""
    return RunFolder(Path(shutil.copytree(trained.path, tmp_path / "seed0")))


@pytest.fixture
def photos(scene_data, tmp_path):
    """Image files of several kinds, one of them damaged."""
    source = next((scene_data / "mit67" / "Images" / "couch").iterdir())
    with Image.open(source) as image:
        image.convert("P").save(tmp_path / "palette.gif")
        image.convert("L").rotate(90, expand=True).save(tmp_path / "grey.png")
    Image.new("RGB", (300, 1)).save(tmp_path / "line.png")
    (tmp_path / "damaged.jpg").write_bytes(source.read_bytes()[:300])
    return tmp_path


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["predict", *map(str, arguments)])
    predict.main()


def test_test_images_get_the_networks_probabilities(run, scene_data, scenes, monkeypatch):
    command(monkeypatch, run.path, "--scene", "--data", scene_data)
    found = read_arrays(run.predictions, ["ids", "labels", "probabilities"], "", "")
    dataset = read_mit67(scene_data, "test")
    assert found["ids"].tolist() == [record.id for record in dataset.records]
    assert found["labels"].tolist() == [record.label for record in dataset.records]
    network = TrainedScenes(run.path, mx.cpu()).network
    for record, probabilities in zip(dataset.records, found["probabilities"], strict=True):
        image, _ = make_image(read_pixels(record.path), scenes.images)
        logits = network(*extract(network, image, mx.cpu()))[0].asnumpy().astype(np.float64)
        np.testing.assert_allclose(probabilities, np.exp(logits) / np.exp(logits).sum(), rtol=1e-5)
    metrics = evaluate_classification(run)
    assert metrics["documents"] == 6 and 0 <= metrics["accuracy"] <= 1
    before = run.predictions.stat().st_mtime_ns
    predict_test_scenes(run.path, Path("nowhere"), None, 2)  # returns at once
    assert run.predictions.stat().st_mtime_ns == before


def test_image_files_get_their_most_probable_classes(run, photos, monkeypatch, capsys):
    paths = [photos / name for name in ("palette.gif", "grey.png", "line.png")]
    command(monkeypatch, run.path, "--scene", *paths)
    lines = capsys.readouterr().out.splitlines()
    classes = (run.path / "classes.txt").read_text().split()
    assert len(lines) == 3
    for line, path in zip(lines, paths, strict=True):
        name, _, shown = line.partition(": ")
        pairs = [each.split() for each in shown.split(", ")]
        assert name == str(path) and len(pairs) == 3 and all(each in classes for each, _ in pairs)
        values = [float(value) for _, value in pairs]
        assert values == sorted(values, reverse=True) and 0.3 < sum(values) <= 1.02


def test_missing_and_damaged_image_files_are_named(run, photos, capsys):
    with pytest.raises(UserError, match="absent.png: "):
        predict_scenes([photos / "line.png", photos / "absent.png"], run.path, None)
    assert capsys.readouterr().out == ""
    with pytest.raises(UserError, match="damaged.jpg: "):
        predict_scenes([photos / "line.png", photos / "damaged.jpg"], run.path, None)
    assert capsys.readouterr().out.startswith(f"{photos / 'line.png'}: ")


def test_cnn_coco_uses_the_backbone_of_its_detector(run, scenes, monkeypatch):
    model = dataclasses.replace(scenes.model, roi_features="none")
    run.config_path.write_text(write_config(dataclasses.replace(scenes, variant="cnn-coco", model=model)))
    record = read_detector_record(run)
    write_detector_record(run, dataclasses.replace(record, model=dataclasses.replace(record.model, pool1="caffe")))
    monkeypatch.setattr(scene_predict, "load_weights", lambda *_: None)
    assert TrainedScenes(run.path, mx.cpu()).network.body.pool1 == "caffe"


def test_scene_runs_and_other_runs_are_told_apart(run, detector_folder, scene_data, monkeypatch):
    with pytest.raises(UserError, match="seed0: .*--scene"):
        command(monkeypatch, run.path)
    with pytest.raises(UserError, match="seed0: .*--scene"):
        command(monkeypatch, detector_folder, "--scene", "--data", scene_data)
    with pytest.raises(SystemExit) as ended:
        command(monkeypatch, run.path, "--scene", "--pairs", "10")
    assert ended.value.code == 2


def test_images_of_other_classes_are_refused(run, scene_data, tmp_path):
    (run.path / "classes.txt").write_text("\n".join("abc"))
    with pytest.raises(UserError, match=f"{scene_data}: "):
        predict_test_scenes(run.path, scene_data, None, 0)
    assert not run.predictions.exists()


@pytest.mark.parametrize(
    ("missing", "message"),
    [("run.json", "seed0: "), ("detector.yaml", "detector.yaml: "), ("checkpoints/epoch-2.params", "checkpoints: ")],
)
def test_incomplete_runs_make_no_predictions(run, scene_data, missing, message):
    (run.path / missing).unlink()
    with pytest.raises(UserError, match=message):
        predict_test_scenes(run.path, scene_data, None, 0)
