"""The training of a detector, from top to bottom: run, epochs, one epoch, one step, losses for the log."""

import argparse
import dataclasses
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, nd
from tqdm import tqdm

from data.common.errors import UserError
from data.common.runs import RunFolder
from data.images.datasets import read_images
from data.records import ImageDataset, ImageRecord
from vision.checkpoint import keep_inputs, newest_epoch, require_same_inputs, resume, save
from vision.config import Config
from vision.criterion import Criterion, Losses
from vision.devices import find_devices, names, reason, signals_deferred
from vision.loader import Batch, load_batches, training_order
from vision.models.detector import Detector, build_detector
from vision.optimization import SMALLER_STEPS, clear_gradients, is_finite, learning_rate, make_trainer
from vision.weights.pretrained import find_weights

DRAWS = 2**31  # MXNet's seeds are below this


def run_training(config: Config, run: RunFolder, arguments: argparse.Namespace) -> None:
    """Finds weights, devices and training images, and trains; `arguments` are those of `python -m vision.train`."""
    config = dataclasses.replace(config, model=find_weights(config.model, arguments.data))
    devices = find_devices(arguments.gpus)
    images, lists = config.images, arguments.runs / "cache"
    dataset = read_images(
        config.dataset, arguments.data, images.train_split, images.train_images, lists, subset=images.subset
    )
    try:
        train(config, dataset, run, arguments.seed, devices, arguments.workers)
    except mx.MXNetError as error:  # for example, a GPU is out of memory
        raise UserError(f"{run.path}: MXNet stopped ({reason(error)}); fix it and rerun the command") from None


def train(
    config: Config, dataset: ImageDataset, run: RunFolder, seed: int, devices: list[mx.Context], workers: int
) -> None:
    """Trains from the newest checkpoint in the run folder, or from the start, to the last epoch of the config.

    On one CPU the same config and seed give the same bits, whether or not the run was interrupted: the initial weights
    depend on the seed; the order of the images and the sampled anchors depend on the seed and the epoch.

    Args:
        dataset: the training images.
        devices: GPUs, or one CPU.
        workers: threads that read images ahead; 0 for none.

    Raises:
        UserError: the config needs relation annotations that the dataset does not have, the run was started on other
            images, a loss or weight is not finite, or an image cannot be used.
    """
    require_relations(config, dataset)
    print(f"{run.path}: training on {names(devices)}")
    if newest_epoch(run):
        require_same_inputs(run, dataset)
    else:
        keep_inputs(run, dataset)
    mx.random.seed(seed)
    learner = make_learner(config, len(dataset.classes), devices)
    epochs_done = resume(run, learner.detector, learner.trainer, devices)
    for epoch in range(epochs_done + 1, config.training.epochs + 1):
        learner.trainer.set_learning_rate(learning_rate(config.training, epoch))
        mx.random.seed(int(np.random.default_rng([seed, epoch]).integers(DRAWS)))  # for the sampling of anchors
        means = train_epoch(learner, dataset.records, config, seed, epoch, workers)
        run.log_epoch({"epoch": epoch, **means})
        save(run, epoch, learner.detector, learner.trainer)
    run.finish(names(devices))


def require_relations(config: Config, dataset: ImageDataset) -> None:
    """Raises a `UserError` if the config needs relation annotations and the dataset has none."""
    rule = config.relation_loss.rule
    if config.model.has_relations and rule == "annotated" and dataset.records and dataset.records[0].relations is None:
        raise UserError(
            f"{config.dataset}: the dataset has no relation annotations, which relation_loss.rule {rule} needs; "
            "use a config of visual_genome, or another rule"
        )


class Learner(NamedTuple):
    """What a training step needs.

    Args:
        detector: the network, on all devices.
        criterion: its losses.
        trainer: SGD over its parameters.
        devices: GPUs, among which each batch is divided, or one CPU.
        append_objects: whether the annotated boxes are appended to the ROIs.
    """

    detector: Detector
    criterion: Criterion
    trainer: gluon.Trainer
    devices: list[mx.Context]
    append_objects: bool


def make_learner(config: Config, classes: int, devices: list[mx.Context]) -> Learner:
    """The network with its initial weights, which depend on MXNet's seed, its losses and its trainer."""
    detector = build_detector(config.model, classes, devices)
    detector.hybridize()
    trainer = make_trainer(detector, config.training)
    return Learner(detector, Criterion(config), trainer, devices, config.training.append_objects)


def train_epoch(
    learner: Learner, records: Sequence[ImageRecord], config: Config, seed: int, epoch: int, workers: int
) -> dict[str, float]:
    """Trains one epoch, over the images and, with `flipped_copies`, their mirror images.

    Returns:
        running means over the epoch: each loss over all images, relation_loss and center_mass (both absent without pair
        weights) over the images with a target pair; and the time.

    Raises:
        UserError: a loss or weight is not finite, or an image cannot be used.
    """
    start = time.perf_counter()
    totals: Counter[str] = Counter()
    order = training_order(records, config.images, config.training.batch_size, seed, epoch)
    count = sum(map(len, order))
    with tqdm(total=count, desc=f"epoch {epoch}", unit="image", mininterval=1, leave=False) as progress:
        for views, batch in load_batches(records, config.images, order, workers):
            with signals_deferred():
                sums = _sums(train_step(learner, batch))
            if not all(map(np.isfinite, sums.values())):
                shown = ", ".join(records[view.index].id for view in views)
                raise UserError(f"epoch {epoch}, images {shown}: a loss is not finite ({dict(sums)}); {SMALLER_STEPS}")
            totals.update(sums)
            progress.set_postfix({name: f"{value:.3g}" for name, value in _means(totals).items()}, refresh=False)
            progress.update(len(views))
    if not is_finite(learner.detector):  # The last step is in no loss.
        raise UserError(f"epoch {epoch}: the weights are not finite after its last step; {SMALLER_STEPS}")
    seconds = time.perf_counter() - start
    return {**_means(totals), "seconds": round(seconds, 2), "images_per_second": round(count / seconds, 2)}


def train_step(learner: Learner, batch: Batch) -> list[Losses]:
    """One step of SGD. As in Relation Networks, gradients are summed over the images of the batch.

    Returns:
        the losses of each device's part of the batch.
    """
    detector, criterion, trainer, devices, append_objects = learner
    parts = batch.split(devices)
    losses = []
    with autograd.record():
        for part in parts:
            appended = (part.boxes, part.labels) if append_objects else ()
            output = detector(part.images, part.sizes, *appended)
            losses.append(criterion(output, part.boxes, part.labels, part.sizes, part.relations))
    autograd.backward([each.loss for each in losses])
    if idle := devices[len(parts) :]:
        clear_gradients(detector, idle)
    trainer.step(1, ignore_stale_grad=bool(idle))
    return losses


def _sums(losses: list[Losses]) -> Counter[str]:
    """Sums of each loss over the images of a batch, and the number of images in each sum."""
    sums: Counter[str] = Counter()
    for part in losses:
        *each, relations = part
        columns = dict(zip(part._fields, each, strict=False)) | {"images": nd.ones_like(part.loss)}
        if relations is not None:
            related = relations.related
            columns |= {
                "related": related,
                "relation_loss": relations.loss * related,
                "center_mass": relations.center_mass * related,
            }
        values = nd.stack(*columns.values()).sum(axis=1).asnumpy()  # waits for the end of the step
        sums.update(dict(zip(columns, values.tolist(), strict=True)))
    return sums


def _means(totals: Counter[str]) -> dict[str, float]:
    over_related = ("relation_loss", "center_mass")
    return {
        name: value / max(totals["related" if name in over_related else "images"], 1)
        for name, value in totals.items()
        if name not in ("images", "related")
    }
