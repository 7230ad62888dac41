"""A small supervised config, a batch for it, and small datasets and runs on disk."""

import dataclasses
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd

from data.common.config import read_config
from data.common.runs import RunFolder
from data.images import voc
from data.images.datasets import read_images
from data.mini import images as mini_images
from data.mini import mit67 as mini_mit67
from vision.config import Config
from vision.engine import train
from vision.scenes.config import SceneConfig, SceneImagesConfig

CONFIGS = Path(__file__).parents[2] / "vision" / "configs"


@pytest.fixture(scope="session")
def config() -> Config:
    config = read_config(Config, CONFIGS / "mini" / "voc07" / "fan-sup.yaml")
    model = dataclasses.replace(config.model, rois=12, rpn_channels=8, roi_channels=8, fc_units=16, d_k=8)
    training = dataclasses.replace(config.training, ohem_rois=6)
    return dataclasses.replace(config, model=model, training=training)


@pytest.fixture(scope="session")
def modules(config) -> Config:
    """The same with supervised relation modules instead of FAN."""
    return with_modules(config)


def with_modules(config: Config) -> Config:
    model = dataclasses.replace(config.model, focused_attention=False, relation_modules="both", d_k=32)
    return dataclasses.replace(config, variant="rn-sup", model=model)


@pytest.fixture(scope="session")
def batch():
    """Images [2, 3, 64, 96], their sizes, and boxes and labels: two objects in the first image, one in the second."""
    images = nd.array(np.random.default_rng(1).normal(0, 50, (2, 3, 64, 96)))
    sizes = nd.array([[64, 96], [64, 80]])
    boxes = nd.array([[[4, 6, 39, 51], [50, 10, 85, 60]], [[10, 10, 50, 50], [0, 0, 0, 0]]])
    return images, sizes, boxes, nd.array([[0, 3], [2, -1]])


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """A data folder with `tiny`, a folder in VOC layout: 5 + 3 scenes of the miniature, of both orientations.

    Two of the five and one of the three have no relation between categories.
    """
    root = tmp_path_factory.mktemp("datasets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mini_images, "VOC_IMAGES", {"trainval": 5, "test": 3})
        patch.setattr(mini_images, "COCO_IMAGES", 0)
        mini_images.write_images(root, seed=3)
    (root / voc.FOLDER).rename(root / "tiny")
    return root


@pytest.fixture(scope="session")
def tiny(config) -> Config:
    """A config for `data`: two epochs of three steps, the second at the lower learning rate."""
    split = {"train_images": 5, "test_images": 3, "flipped_copies": False}
    images = dataclasses.replace(config.images, short_side=48, long_side=64, **split)
    model = dataclasses.replace(config.model, rois=256, anchor_scale=0.5)
    schedule = {"epochs": 2, "batch_size": 2, "learning_rate": 0.005, "decay_after": 1}
    training = dataclasses.replace(config.training, append_objects=True, **schedule)
    return dataclasses.replace(config, dataset="tiny", images=images, model=model, training=training)


@pytest.fixture(scope="session")
def tiny_modules(tiny) -> Config:
    """The same with relation modules instead of FAN and, because these are slow, fewer ROIs."""
    return with_modules(dataclasses.replace(tiny, model=dataclasses.replace(tiny.model, rois=64)))


@pytest.fixture(scope="session")
def detector_folder(tiny, data, tmp_path_factory) -> Path:
    """The folder of a finished run of `tiny`, with supervised focused attention. Tests must not change it."""
    run = RunFolder.claim(tmp_path_factory.mktemp("runs"), tiny, seed=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "_write_tensorboard", lambda *_: None)
        train(tiny, read_images("tiny", data, "trainval"), run, 0, [mx.cpu()], 0)
    return run.path


@pytest.fixture(scope="session")
def scene_data(tmp_path_factory) -> Path:
    """A data folder with the miniature MIT67."""
    root = tmp_path_factory.mktemp("datasets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mini_mit67, "PER_CLASS", {"train": 4, "test": 2})
        mini_mit67.write_mit67(root, seed=3)
    return root


@pytest.fixture(scope="session")
def scenes() -> SceneConfig:
    """A config of fan-sup for `scene_data` on `detector_folder`: six steps an epoch."""
    config = read_config(SceneConfig, CONFIGS / "mini" / "mit67" / "fan-sup.yaml")
    images = SceneImagesConfig(train_per_class=4, test_per_class=2, short_side=48, long_side=64, flipped_copies=False)
    model = dataclasses.replace(config.model, pretrained="tiny/fan-sup", scene_channels=8)
    training = dataclasses.replace(config.training, epochs=2, batch_size=2, learning_rate=0.01, decay_after=1)
    return dataclasses.replace(config, images=images, model=model, training=training)


@pytest.fixture(scope="module")
def without_tensorboard():
    """Writes nothing for TensorBoard, which is slow to import; `data.common.runs` is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "_write_tensorboard", lambda *_: None)
        yield
