"""Training, prediction and evaluation of a run restricted to lists of ids and to some categories."""

import dataclasses
import json
import sys

import pytest
from PIL import Image

from data.common.config import write_config
from data.common.runs import RunFolder
from data.images import subset
from data.images.datasets import read_images
from scripts.evaluate import evaluate_detection, evaluate_relations, read_test_images
from vision import predict as predicting
from vision import prediction
from vision import train as training
from vision.attended import choose_images

pytestmark = pytest.mark.usefixtures("without_tensorboard")


@pytest.fixture(scope="module")
def whole(data):
    return {split: read_images("tiny", data, split) for split in ("trainval", "test")}


@pytest.fixture(scope="module")
def kept(whole) -> list[int]:
    """Labels of two categories in one of the first two test images."""
    return max((sorted(set(record.labels.tolist())) for record in whole["test"].records[:2]), key=len)[-2:]


@pytest.fixture(scope="module")
def classes(whole, kept) -> tuple[str, ...]:
    return tuple(whole["test"].classes[label] for label in kept)


@pytest.fixture(scope="module")
def run(without_tensorboard, tiny, data, whole, classes, tmp_path_factory) -> RunFolder:
    """A run with predictions, on four of the eight images and two of the eight categories of `data`."""
    root = tmp_path_factory.mktemp("subset")
    for split, dataset in whole.items():
        path = root / "lists/few" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{record.id}\n" for record in dataset.records[:2]))
    images = dataclasses.replace(tiny.images, train_images=2, test_images=2, id_lists="few", categories=classes[::-1])
    config = dataclasses.replace(tiny, images=images)
    path = root / "fan-sup.yaml"
    path.write_text(write_config(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subset, "LISTS", root / "lists")
        patch.setattr(sys, "argv", ["train", str(path), "--data", str(data), "--runs", str(root / "runs")])
        training.main()
        run = RunFolder(root / "runs/mini/tiny/fan-sup/seed0")
        patch.setattr(sys, "argv", ["predict", str(run.path), "--data", str(data)])
        predicting.main()
        yield run


def test_detections_have_the_ids_of_the_whole_dataset(run, whole, kept):
    entries = json.loads(run.detections.read_text())
    assert {entry["image_id"] for entry in entries} == {record.id for record in whole["test"].records[:2]}
    assert {entry["category_id"] for entry in entries} == {whole["test"].category_ids[label] for label in kept}


def test_evaluation_uses_the_same_images_and_categories(run, data, whole, classes):
    dataset = read_test_images(run, data)
    assert [record.id for record in dataset.records] == [record.id for record in whole["test"].records[:2]]
    assert dataset.classes == classes

    metrics = evaluate_detection(run, data)
    assert metrics["images"] == 2
    assert {name for name in metrics if name.startswith("ap/")} == {f"ap/{name}" for name in classes}


def test_figures_choose_from_the_same_images(run, data):
    config = predicting.read_config(predicting.Config, run.config_path)
    related = [record for record in read_test_images(run, data).records if len(set(record.labels.tolist())) > 1]
    assert related and choose_images(config, data, 9) == [record.path for record in related]
    assert evaluate_relations(run, data, top_k=[10], rule="different_category")["relation_images"] == len(related)


def test_a_picture_names_only_the_kept_categories(run, whole, classes, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(prediction, "SHOWN", 0.0)
    path = tmp_path / "grey.png"
    Image.new("L", (60, 40), 128).save(path)
    prediction.draw_pictures([path], run.path, tmp_path / "out", None)
    found = capsys.readouterr().out.partition(": ")[2]
    named = {name for name in whole["test"].classes if name in found}
    assert named and named <= set(classes)
