"""The training of a scene network, from top to bottom: run, epochs, one epoch, one step."""

import argparse
import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, nd
from tqdm import tqdm

from data.common.errors import UserError
from data.common.runs import RunFolder
from data.images.scenes import read_scenes
from data.records import SceneDataset, SceneRecord
from vision.checkpoint import TrainedRun, keep_inputs, newest_epoch, require_same_inputs, resume, save
from vision.devices import find_devices, names, reason
from vision.loader import View
from vision.optimization import SMALLER_STEPS, clear_gradients, is_finite, learning_rate, make_trainer
from vision.scenes.config import SceneConfig
from vision.scenes.detector import detector_folder, read_detector, require_same_detector, write_detector_record
from vision.scenes.features import FeatureCache, frozen_features, read_views, scene_order
from vision.scenes.network import Features, SceneNetwork, build_backbone
from vision.weights.pretrained import find_weights

STATISTICS = 64  # training images for the statistics of BatchNorm in a random backbone


def run_training(config: SceneConfig, run: RunFolder, arguments: argparse.Namespace) -> None:
    """Finds weights, devices, detector and images, and trains; `arguments` are those of `python -m vision.scene`."""
    config = dataclasses.replace(config, model=find_weights(config.model, arguments.data))
    devices = find_devices(arguments.gpus)
    detector = detector_folder(config, arguments.detector, arguments.runs, arguments.seed)
    images = config.images
    dataset = read_scenes(config.dataset, arguments.data, "train", images.sample, images.train_images)
    memory = int(arguments.memory * 1e9)
    try:
        train(config, dataset, run, arguments.seed, detector, devices, arguments.workers, memory)
    except mx.MXNetError as error:  # for example, a GPU is out of memory
        raise UserError(f"{run.path}: MXNet stopped ({reason(error)}); fix it and rerun the command") from None


def train(
    config: SceneConfig,
    dataset: SceneDataset,
    run: RunFolder,
    seed: int,
    detector: Path | None,
    devices: list[mx.Context],
    workers: int,
    memory: int,
) -> None:
    """Trains from the newest checkpoint in the run folder, or from the start, to the last epoch of the config.

    On one CPU the same config, detector and seed give the same bits, whether or not the run was interrupted, and for
    any `memory`: the initial weights depend on the seed, the order of the images on the seed and the epoch.

    Args:
        dataset: the training images.
        detector: folder of the detection run that provides the weights; None for cnn.
        devices: GPUs, or one CPU.
        workers: threads that read images ahead; 0 for none.
        memory: bytes for the output of the frozen layers, which is kept between epochs.

    Raises:
        UserError: the run was started on other images or another detector, a loss or weight is not finite, or an image
            cannot be used.
    """
    print(f"{run.path}: training on {names(devices)}")
    trained, record = read_detector(config, detector) if detector else (None, None)
    if newest_epoch(run):
        require_same_inputs(run, dataset)
        if record:
            require_same_detector(run, record)
    else:
        keep_inputs(run, dataset)
        if record:
            write_detector_record(run, record)
    mx.random.seed(seed)
    learner = make_learner(config, dataset, trained, devices, seed)
    cache = FeatureCache(memory)
    epochs_done = resume(run, learner.network, learner.trainer, devices)
    for epoch in range(epochs_done + 1, config.training.epochs + 1):
        learner.trainer.set_learning_rate(learning_rate(config.training, epoch))
        means = train_epoch(learner, dataset.records, config, seed, epoch, cache, workers)
        run.log_epoch({"epoch": epoch, **means})
        save(run, epoch, learner.network, learner.trainer)
    run.finish(names(devices))


class Learner(NamedTuple):
    """What a training step needs.

    Args:
        network: on all devices.
        trainer: SGD over its parameters that are not frozen.
        devices: GPUs, which take the images of a batch in turn, or one CPU.
    """

    network: SceneNetwork
    trainer: gluon.Trainer
    devices: list[mx.Context]


def make_learner(
    config: SceneConfig, dataset: SceneDataset, trained: TrainedRun | None, devices: list[mx.Context], seed: int
) -> Learner:
    """The network with its initial weights, of which new ones depend on MXNet's seed, and its trainer.

    Args:
        dataset: the training images, some of which are read for the statistics of a random backbone.
        trained: the detector; None for cnn.
        seed: of the choice of these images.
    """
    if trained is None:
        chosen = np.random.default_rng(seed).permutation(len(dataset.records))[:STATISTICS]
        views = [View(index, flipped=False) for index in chosen.tolist()]
        body, units = build_backbone(config.model, read_views(dataset.records, config.images, views, workers=0)), 0
    elif config.model.roi_features == "none":
        body, units = trained.detector.backbone, 0
    else:
        body, units = trained.detector, trained.config.model.fc_units
    network = SceneNetwork(config.model, len(dataset.classes), body, units)
    network.initialize_new_layers()
    network.freeze()
    network.collect_params().reset_ctx(devices)
    network.hybridize()
    return Learner(network, make_trainer(network, config.training), devices)


def train_epoch(
    learner: Learner,
    records: Sequence[SceneRecord],
    config: SceneConfig,
    seed: int,
    epoch: int,
    cache: FeatureCache,
    workers: int,
) -> dict[str, float]:
    """Trains one epoch, over the images and, with `flipped_copies`, their mirror images.

    Returns:
        running means of loss and accuracy over the epoch; and the time.

    Raises:
        UserError: a loss or weight is not finite, or an image cannot be used.
    """
    start = time.perf_counter()
    images, size = config.images, config.training.batch_size
    order = scene_order(len(records), images.flipped_copies, size, seed, epoch)
    count = sum(map(len, order))
    loss, correct, done = 0.0, 0, 0
    batches = frozen_features(learner.network, records, images, order, learner.devices, cache, workers)
    with tqdm(total=count, desc=f"epoch {epoch}", unit="image", mininterval=1, leave=False) as progress:
        for views, features in batches:
            result = train_step(learner, features, [records[view.index].label for view in views])
            if not np.isfinite(result.losses).all():
                shown = ", ".join(records[view.index].id for view in views)
                raise UserError(
                    f"epoch {epoch}, images {shown}: a loss is not finite ({result.losses}); {SMALLER_STEPS}"
                )
            loss, correct, done = loss + sum(result.losses), correct + result.correct, done + len(views)
            progress.set_postfix({"loss": f"{loss / done:.3g}", "accuracy": f"{correct / done:.3g}"}, refresh=False)
            progress.update(len(views))
    if not is_finite(learner.network):  # The last step is in no loss.
        raise UserError(f"epoch {epoch}: the weights are not finite after its last step; {SMALLER_STEPS}")
    seconds = time.perf_counter() - start
    speed = {"seconds": round(seconds, 2), "images_per_second": round(count / seconds, 2)}
    return {"loss": loss / count, "accuracy": correct / count, **speed}


class StepResult(NamedTuple):
    """The cross entropy of each image of a batch, and how many were classified correctly."""

    losses: list[float]
    correct: int


def train_step(learner: Learner, features: list[Features], labels: list[int]) -> StepResult:
    """One step of SGD. As in Relation Networks, gradients are summed over the images of the batch.

    Args:
        features: output of the frozen layers for each image, on the devices in turn.
        labels: class of each image.
    """
    network, trainer, devices = learner
    with autograd.record():
        logits = [network(*each) for each in features]  # [1, classes] each
        losses = [-nd.log_softmax(each)[0, label] for each, label in zip(logits, labels, strict=True)]
    autograd.backward(losses)
    if idle := devices[len(features) :]:
        clear_gradients(network, idle)
    trainer.step(1, ignore_stale_grad=bool(idle))
    results = (nd.concat(loss, each.argmax(axis=1), dim=0) for loss, each in zip(losses, logits, strict=True))
    on_one_device = nd.stack(*(each.as_in_context(devices[0]) for each in results))  # [B, 2]
    values, predicted = on_one_device.asnumpy().T  # waits for the end of the step
    return StepResult(values.tolist(), int((predicted == labels).sum()))
