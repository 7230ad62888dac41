"""Scenes in class folders: training, prediction and evaluation."""

import dataclasses
import sys
from pathlib import Path

import pytest
from PIL import Image

from data.common.config import write_config
from data.common.errors import UserError
from data.common.files import read_arrays
from data.common.runs import RunFolder
from scripts.evaluate import evaluate_classification
from vision import predict, scene
from vision.scenes.config import is_on_scenes

pytestmark = pytest.mark.usefixtures("without_tensorboard")


@pytest.fixture
def rooms(scene_data, tmp_path) -> Path:
    """A data folder with class folders `rooms`: per class, four gray images for training and two for testing."""
    for folder in (scene_data / "mit67/Images").iterdir():
        for number, path in enumerate(sorted(folder.iterdir())):
            copy = tmp_path / "data/rooms" / ("train" if number < 4 else "test") / folder.name / f"{path.stem}.png"
            copy.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(path) as image:
                image.convert("L").save(copy)
    return tmp_path / "data"


@pytest.fixture
def settings(scenes, tmp_path) -> Path:
    images = dataclasses.replace(scenes.images, train_per_class=3, test_per_class=0, train_images=9, test_images=6)
    path = tmp_path / "fan-sup.yaml"
    path.write_text(write_config(dataclasses.replace(scenes, dataset="rooms", images=images)))
    return path


@pytest.fixture
def command(monkeypatch):
    def run(module, *arguments):
        monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
        module.main()

    return run


def test_class_folders_are_trained_and_evaluated(command, rooms, settings, detector_folder, tmp_path):
    command(scene, settings, "--data", rooms, "--runs", tmp_path / "runs", "--detector", detector_folder)
    run = RunFolder(tmp_path / "runs/mini/rooms/fan-sup/seed0")
    assert run.finished and is_on_scenes(run)
    assert len(read_arrays(run.path / "train_images.npz", ["ids"], "", "")["ids"]) == 9

    command(predict, run.path, "--scene", "--data", rooms)
    found = read_arrays(run.predictions, ["ids", "labels"], "", "")
    assert sorted(found["labels"].tolist()) == [0, 0, 1, 1, 2, 2]
    assert all((rooms / "rooms" / name).is_file() for name in found["ids"].tolist())
    assert evaluate_classification(run)["documents"] == 6


def test_a_damaged_image_is_named(command, rooms, settings, detector_folder, tmp_path):
    for path in (rooms / "rooms/train").glob("*/*.png"):
        path.write_text("not an image")
    with pytest.raises(UserError, match=f"{rooms}/rooms/train/.*png: "):
        command(scene, settings, "--data", rooms, "--runs", tmp_path / "runs", "--detector", detector_folder)
