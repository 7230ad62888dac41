"""SGD as it trains detectors and scene networks."""

import mxnet as mx
import numpy as np
from mxnet import gluon, nd

from vision.config import TrainingConfig
from vision.scenes.config import SceneTrainingConfig

DECAY = 0.1  # factor of the learning rate after `decay_after` epochs
SMALLER_STEPS = "try a smaller training.learning_rate in another --runs folder"


def make_trainer(network: gluon.Block, settings: TrainingConfig | SceneTrainingConfig) -> gluon.Trainer:
    """SGD with momentum over the parameters of a network that are not frozen."""
    sgd = {"learning_rate": settings.learning_rate, "momentum": settings.momentum, "wd": settings.weight_decay}
    return gluon.Trainer(network.collect_params(), "sgd", sgd)


def learning_rate(settings: TrainingConfig | SceneTrainingConfig, epoch: int) -> float:
    """The learning rate of an epoch; epochs count from 1."""
    return settings.learning_rate * (DECAY if epoch > settings.decay_after else 1)


def clear_gradients(network: gluon.Block, devices: list[mx.Context]) -> None:
    """Zeroes the gradients on devices without an image, which would repeat those of the step before."""
    for parameter in network.collect_params().values():
        if parameter.grad_req != "null":
            for device in devices:
                parameter.grad(device)[:] = 0


def is_finite(network: gluon.Block) -> bool:
    """Whether all weights are finite: a weight that is not makes the sum of its array not finite."""
    sums = [parameter.list_data()[0].sum() for parameter in network.collect_params().values()]
    return bool(np.isfinite(nd.concat(*sums, dim=0).asnumpy()).all())
