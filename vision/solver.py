"""How networks of images are trained: SGD and its schedule, and epochs that an interrupted run goes on with."""

from collections.abc import Callable

import mxnet as mx
import numpy as np
from mxnet import gluon, nd

from data.common.runs import RunFolder
from vision.checkpoint import newest_epoch, restore, save
from vision.config import TrainingConfig
from vision.devices import names
from vision.scenes.config import SceneTrainingConfig

DECAY = 0.1  # of the learning rate, once
SMALLER_STEPS = "try a smaller training.learning_rate in another --runs folder"


def make_trainer(network: gluon.Block, settings: TrainingConfig | SceneTrainingConfig) -> gluon.Trainer:
    """SGD with momentum over the parameters of a network that are not fixed."""
    sgd = {"learning_rate": settings.learning_rate, "momentum": settings.momentum, "wd": settings.weight_decay}
    return gluon.Trainer(network.collect_params(), "sgd", sgd)


def train_epochs(
    run: RunFolder,
    network: gluon.Block,
    trainer: gluon.Trainer,
    devices: list[mx.Context],
    settings: TrainingConfig | SceneTrainingConfig,
    train_epoch: Callable[[int], dict[str, float]],
) -> None:
    """Trains from the newest checkpoint in the run folder, or from the start, to the last epoch.

    Args:
        train_epoch: takes the number of an epoch, from 1, trains it, and returns its line of the log.
    """
    epochs_done = newest_epoch(run)
    if epochs_done:
        restore(run, network, trainer, devices)
        print(f"{run.path}: goes on after epoch {epochs_done}")
    run.keep_epochs(epochs_done)
    for epoch in range(epochs_done + 1, settings.epochs + 1):
        decayed = epoch > settings.decay_after
        trainer.set_learning_rate(settings.learning_rate * (DECAY if decayed else 1))
        run.log_epoch({"epoch": epoch, **train_epoch(epoch)})
        save(run, epoch, network, trainer)
    run.finish(names(devices))


def clear_gradients(network: gluon.Block, devices: list[mx.Context]) -> None:
    """Sets to 0 what devices without an image would add to the sum: their gradients of the step before."""
    for parameter in network.collect_params().values():
        if parameter.grad_req != "null":
            for device in devices:
                parameter.grad(device)[:] = 0


def is_finite(network: gluon.Block) -> bool:
    """Whether all weights are numbers: one that is none makes their sum none."""
    sums = [parameter.list_data()[0].sum() for parameter in network.collect_params().values()]
    return bool(np.isfinite(nd.concat(*sums, dim=0).asnumpy()).all())
