"""The miniature's supervised config made smaller still, and a batch of two images for its network."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from mxnet import nd

from data.config import read_config
from vision.config import Config

CONFIGS = Path(__file__).parents[2] / "vision" / "configs"


@pytest.fixture(scope="session")
def config() -> Config:
    config = read_config(Config, CONFIGS / "mini" / "voc07" / "fan-sup.yaml")
    model = dataclasses.replace(config.model, rois=12, rpn_channels=8, roi_channels=8, fc_units=16, d_k=8)
    training = dataclasses.replace(config.training, ohem_rois=6)
    return dataclasses.replace(config, model=model, training=training)


@pytest.fixture(scope="session")
def batch():
    """Images [2, 3, 64, 96], their sizes, and boxes and labels of two objects in the first and one in the second."""
    images = nd.array(np.random.default_rng(1).normal(0, 50, (2, 3, 64, 96)))
    sizes = nd.array([[64, 96], [64, 80]])
    boxes = nd.array([[[4, 6, 39, 51], [50, 10, 85, 60]], [[10, 10, 50, 50], [0, 0, 0, 0]]])
    return images, sizes, boxes, nd.array([[0, 3], [2, -1]])
