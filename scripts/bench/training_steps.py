"""Training steps to measure: on made-up batches, with networks whose weights do not change."""

import dataclasses
from pathlib import Path
from tempfile import TemporaryDirectory

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, nd

from scripts.bench.relation_loops import made_up_scene
from vision.config import Config, ModelConfig
from vision.engine import Learner, make_learner, train_step
from vision.loader import Batch
from vision.models.backbone import Backbone
from vision.parameters import write_parameters
from vision.weights.layout import PREFIX

NOISE = 60.0  # standard deviation, similar to that of pixels


def unchanging_learner(config: Config, classes: int, devices: list[mx.Context]) -> Learner:
    """A learner with a learning rate of 0, so that it does the same work in every turn.

    Random weights replace pretrained ones, so that nothing is downloaded; the same layers are frozen.
    """
    with TemporaryDirectory() as folder:
        if config.model.pretrained != "none":
            weights = Path(folder) / "random.params"
            write_random_weights(weights, config.model)
            config = dataclasses.replace(config, model=dataclasses.replace(config.model, pretrained=str(weights)))
        mx.random.seed(0)
        learner = make_learner(config, classes, devices)
    learner.trainer.set_learning_rate(0)
    return learner


def write_random_weights(path: Path, model: ModelConfig) -> None:
    """Writes a file of random weights to start from.

    BatchNorm has the statistics of a batch of noise; with others, values would overflow within a hundred layers.
    """
    backbone = Backbone(model.backbone, frozen_norm=False, pool1=model.pool1, stride_in=model.stride_in)
    backbone.initialize(mx.init.MSRAPrelu(factor_type="in", slope=0))
    backbone.apply(_forget_past_batches)
    with autograd.record():
        _, conv5 = backbone(nd.random.normal(0, NOISE, shape=(1, 3, 224, 224)))
    conv5.backward()  # MXNet updates the running statistics in the backward pass
    parameters = backbone._collect_params_with_prefix()
    write_parameters(path, {PREFIX + name: each.data().asnumpy() for name, each in parameters.items()})


def _forget_past_batches(layer: gluon.Block) -> None:
    """Makes the running statistics of a BatchNorm those of its last batch."""
    if "momentum" in getattr(layer, "_kwargs", {}):
        layer._kwargs["momentum"] = 0


def made_up_batch(config: Config, classes: int) -> Batch:
    """A batch of noise images of the largest size."""
    count, size = config.training.batch_size, (config.images.short_side, config.images.long_side)
    scenes = [made_up_scene(seed, *size) for seed in range(count)]
    return Batch(
        images=nd.random.uniform(-120, 130, (count, 3, *size)),
        sizes=nd.array([size] * count),
        boxes=nd.array(np.stack([scene.boxes for scene in scenes])),
        labels=nd.array(np.stack([scene.labels % classes for scene in scenes])),
        scales=nd.ones(count),
        relations=-nd.ones((count, 1, 2)),
    )


def train_on(learner: Learner, batches: list[Batch]) -> None:
    """One training step per batch; returns when all are computed."""
    for batch in batches:
        train_step(learner, batch)
        nd.waitall()
