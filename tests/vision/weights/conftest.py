import functools

import pytest
from gluoncv.model_zoo.resnet import BottleneckV1, ResNetV1

from tests.weight_formats import BLOCKS, CHANNELS
from vision import backbone


@pytest.fixture
def narrow(monkeypatch):
    """Every backbone is a small ResNet of bottlenecks."""
    make = functools.partial(ResNetV1, BottleneckV1, BLOCKS, CHANNELS)
    monkeypatch.setattr(backbone, "_network", lambda name, **settings: make(**settings))
