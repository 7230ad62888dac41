import dataclasses
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd

from data.common.config import read_config
from scripts.bench.training_steps import made_up_batch, unchanging_learner, write_random_weights
from vision.config import Config
from vision.engine import train_step
from vision.weights.layout import empty_backbone
from vision.weights.pretrained import load_pretrained

CPU = [mx.cpu()]


@pytest.fixture
def config() -> Config:
    return read_config(Config, Path("vision/configs/mini/voc07/fan-sup.yaml"))


def test_steps_do_not_change_the_weights(config):
    learner = unchanging_learner(config, 20, CPU)
    batch = made_up_batch(config, 20)
    assert set(np.unique(made_up_batch(config, 3).labels.asnumpy())) == {0, 1, 2}
    assert batch.images.shape == (2, 3, config.images.short_side, config.images.long_side)
    parameters = [parameter for parameter in learner.detector.collect_params().values() if parameter.grad_req != "null"]
    before = [parameter.data().asnumpy() for parameter in parameters]
    [losses] = train_step(learner, batch)
    assert np.isfinite(losses.loss.asnumpy()).all()
    assert any(parameter.grad().asnumpy().any() for parameter in parameters)
    for old, parameter in zip(before, parameters, strict=True):
        np.testing.assert_array_equal(old, parameter.data().asnumpy())


def test_random_weights_do_not_overflow(tmp_path, config):
    model = dataclasses.replace(config.model, backbone="resnet50", pretrained="none", pool1="caffe", stride_in="3x3")
    write_random_weights(tmp_path / "random.params", model)
    backbone = empty_backbone("resnet50", "caffe", "3x3")
    backbone.initialize()
    load_pretrained(backbone, tmp_path / "random.params")
    images = nd.random.uniform(-120, 130, (1, 3, 96, 128))
    for values in backbone(images):
        assert 0.01 < values.asnumpy().std() < 100
