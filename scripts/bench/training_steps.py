"""Training steps that are measured: on a made-up batch, by networks whose weights stay as they are."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from scripts.bench.relation_loops import made_up_scene
from vision.config import Config, ModelConfig

if TYPE_CHECKING:
    import mxnet as mx
    from mxnet import gluon

    from vision.engine import Learner
    from vision.loader import Batch

NOISE = 60.0  # standard deviation, about that of pixels


def unchanging_learner(config: Config, classes: int, devices: list["mx.Context"]) -> "Learner":
    """What trains a network and leaves its weights as they are, so that it does the same work in every turn.

    Random weights stand in for pretrained ones, so that none are fetched: what those leave frozen is frozen.
    """
    import mxnet as mx

    from vision.engine import make_learner

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
    """Writes a file of random weights for a network to start from.

    BatchNorm has the statistics of a batch of noise: with any others, values would overflow within a hundred layers.
    """
    import mxnet as mx
    from mxnet import autograd, nd

    from vision.models.backbone import Backbone
    from vision.parameters import write_parameters
    from vision.weights.layout import PREFIX

    backbone = Backbone(model.backbone, frozen_norm=False, pool1=model.pool1, stride_in=model.stride_in)
    backbone.initialize(mx.init.MSRAPrelu(factor_type="in", slope=0))
    backbone.apply(_forget_past_batches)
    with autograd.record():
        _, conv5 = backbone(nd.random.normal(0, NOISE, shape=(1, 3, 224, 224)))
    conv5.backward()  # In which MXNet keeps the statistics.
    parameters = backbone._collect_params_with_prefix()
    write_parameters(path, {PREFIX + name: each.data().asnumpy() for name, each in parameters.items()})


def _forget_past_batches(layer: "gluon.Block") -> None:
    """Makes the running statistics of a BatchNorm those of the last batch."""
    if "momentum" in getattr(layer, "_kwargs", {}):
        layer._kwargs["momentum"] = 0


def made_up_batch(config: Config, classes: int) -> "Batch":
    """Images of noise, of the largest size there is."""
    from mxnet import nd

    from vision.loader import Batch

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


def train_on(learner: "Learner", batches: list["Batch"]) -> None:
    """A training step on each batch, to its end."""
    from mxnet import nd

    from vision.engine import train_step

    for batch in batches:
        train_step(learner, batch)
        nd.waitall()


def milliseconds(work: Callable[[], object], times: int = 1) -> float:
    """Mean time of a call of `work`, which ends when all is computed."""
    start = time.perf_counter()
    for _ in range(times):
        work()
    return 1000 * (time.perf_counter() - start) / times
