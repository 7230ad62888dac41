import subprocess
import sys
from pathlib import Path

import mxnet as mx
import numpy as np

from data.common.config import read_config
from scripts.bench.planned_memory import planned_memory
from vision.config import Config
from vision.models.detector import build_detector

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "vision/configs/mini/voc07/fan-sup.yaml"


def test_weights_and_gradients_agree_with_the_network():
    config = read_config(Config, CONFIG)
    training = planned_memory(config, 8, images=1, training=True)
    shapes = {each: each.shape for each in build_detector(config.model, 8, [mx.cpu()]).collect_params().values()}
    learned = sum(4 * np.prod(shape) for each, shape in shapes.items() if each.grad_req != "null")
    assert training.gradients == training.momenta == learned
    assert training.weights == sum(4 * np.prod(shape) for shape in shapes.values()) + 4 * 2  # and the image's size


def test_memory_grows_with_images_and_with_training():
    config = read_config(Config, CONFIG)
    one, two = (planned_memory(config, 8, images, training=True) for images in (1, 2))
    prediction = planned_memory(config, 8, 2, training=False)
    assert one.outputs < two.outputs and two.outputs > prediction.outputs
    assert (prediction.gradients, prediction.momenta) == (0, 0)


def test_command_prints_training_and_prediction():
    command = [sys.executable, "-m", "scripts.bench.planned_memory", str(CONFIG), "--images", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert [line.split(":")[0].strip() for line in done.stdout.splitlines()[1:]] == [
        "training, 2 images",
        "prediction, 2 images",
    ]


def test_unknown_number_of_categories_gets_one_line():
    config = ROOT / "vision/configs/small/bccd/fan-sup.yaml"
    command = [sys.executable, "-m", "scripts.bench.planned_memory", str(config)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {config}: ") and "--classes" in done.stderr
