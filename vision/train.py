"""Trains one detection experiment into its run folder: `python -m vision.train CONFIG --seed K`."""

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

from data.common.config import read_config
from data.common.errors import UserError, run_command
from data.common.options import choose_gpus, training_parser
from data.common.runs import RunFolder
from data.images.datasets import read_images
from data.records import ImageDataset, ImageRecord
from vision.config import Config
from vision.options import add_workers_option

if TYPE_CHECKING:
    import mxnet as mx
    from mxnet import gluon

    from vision.criterion import Criterion, Losses
    from vision.loader import Batch
    from vision.models.detector import Detector

EXAMPLE = """\
example, the supervised network of Tables 1, 3, 4 and 7 on VOC 2007:
  python -m vision.train vision/configs/paper/voc07/fan-sup.yaml --seed 0

The same command goes on with an interrupted run and returns at once from a finished one. Afterwards:
  python -m vision.predict runs/paper/voc07/fan-sup/seed0
  python -m scripts.evaluate detection runs/paper/voc07/fan-sup/seed0
"""

DRAWS = 2**31  # of seeds


class Learner(NamedTuple):
    """What a step of training works with.

    Args:
        detector: the network, on all devices.
        criterion: its losses.
        trainer: SGD over its parameters.
        devices: GPUs, among which each batch is divided, or one CPU.
        append_objects: whether the annotated boxes stand among the ROIs.
    """

    detector: "Detector"
    criterion: "Criterion"
    trainer: "gluon.Trainer"
    devices: list["mx.Context"]
    append_objects: bool


def train(
    config: Config, dataset: ImageDataset, run: RunFolder, seed: int, devices: list["mx.Context"], workers: int
) -> None:
    """Trains from the newest checkpoint in the run folder, or from the start, to the config's last epoch.

    On one CPU the same config and seed give the same bits, whether or not the run was interrupted: the weights come
    from the seed, the order of the images and what an epoch draws from seed and epoch.

    Args:
        dataset: the training images.
        devices: GPUs, or one CPU.
        workers: threads that read images ahead; 0 for none.

    Raises:
        UserError: the config asks for relations that nobody has annotated, a loss or weight is not finite, or an image
            cannot be used.
    """
    require_relations(config, dataset)
    # MXNet is imported here, so that --help and finished runs need not wait for it.
    import mxnet as mx

    from vision.checkpoint import keep_inputs, newest_epoch, require_same_inputs
    from vision.devices import names
    from vision.solver import train_epochs

    print(f"{run.path}: training on {names(devices)}")
    if newest_epoch(run):
        require_same_inputs(run, dataset)
    else:
        keep_inputs(run, dataset)
    mx.random.seed(seed)
    learner = make_learner(config, len(dataset.classes), devices)

    def one_epoch(epoch: int) -> dict[str, float]:
        mx.random.seed(int(np.random.default_rng([seed, epoch]).integers(DRAWS)))  # For what the RPN learns from.
        return train_epoch(learner, dataset.records, config, seed, epoch, workers)

    train_epochs(run, learner.detector, learner.trainer, devices, config.training, one_epoch)


def require_relations(config: Config, dataset: ImageDataset) -> None:
    """Raises a `UserError` where the relation loss is of annotated relations and the data set has none."""
    rule = config.relation_loss.rule
    if config.model.has_relations and rule == "annotated" and dataset.records and dataset.records[0].relations is None:
        raise UserError(
            f"{config.dataset}: nobody has annotated relations in it, and relation_loss.rule is {rule}; "
            "take a config of visual_genome, or another rule"
        )


def make_learner(config: Config, classes: int, devices: list["mx.Context"]) -> Learner:
    """A network with the weights it starts from, drawn from MXNet's seed, and what trains it."""
    from vision.criterion import Criterion
    from vision.models.detector import build_detector
    from vision.solver import make_trainer

    detector = build_detector(config.model, classes, devices)
    detector.hybridize()
    trainer = make_trainer(detector, config.training)
    return Learner(detector, Criterion(config), trainer, devices, config.training.append_objects)


def train_epoch(
    learner: Learner, records: Sequence[ImageRecord], config: Config, seed: int, epoch: int, workers: int
) -> dict[str, float]:
    """One pass over the images and their mirror images, in an order drawn from seed and epoch.

    Returns:
        means over the epoch, as the network was when each batch came: each loss over images, relation_loss and
        center_mass (both absent without pair weights) over the images that hold a target pair; and the time it took.

    Raises:
        UserError: a loss or weight is not finite, or an image cannot be used.
    """
    from vision.devices import signals_deferred
    from vision.loader import load_batches, training_order
    from vision.solver import SMALLER_STEPS, is_finite

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
    if not is_finite(learner.detector):  # What the last step did shows in no loss.
        raise UserError(f"epoch {epoch}: the weights are not finite after its last step; {SMALLER_STEPS}")
    seconds = time.perf_counter() - start
    return {**_means(totals), "seconds": round(seconds, 2), "images_per_second": round(count / seconds, 2)}


def train_step(learner: Learner, batch: "Batch") -> list["Losses"]:
    """One step of SGD by the gradients of a batch, summed over its images and devices (Relation Networks).

    Returns:
        the losses of each device's part of the batch.
    """
    from mxnet import autograd

    from vision.solver import clear_gradients

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


def _sums(losses: list["Losses"]) -> Counter[str]:
    """Sums over the images of a batch, and the numbers of images they are over."""
    from mxnet import nd

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
        values = nd.stack(*columns.values()).sum(axis=1).asnumpy()  # The step ends here.
        sums.update(dict(zip(columns, values.tolist(), strict=True)))
    return sums


def _means(totals: Counter[str]) -> dict[str, float]:
    over_related = ("relation_loss", "center_mass")
    return {
        name: value / max(totals["related" if name in over_related else "images"], 1)
        for name, value in totals.items()
        if name not in ("images", "related")
    }


def main() -> None:
    """Command line of `python -m vision.train`."""
    parser = training_parser("vision", EXAMPLE)
    add_workers_option(parser)
    arguments = parser.parse_args()
    choose_gpus(arguments.gpus)
    config = read_config(Config, arguments.config, arguments.set)
    run = RunFolder.claim(arguments.runs, config, arguments.seed)
    if run.finished:
        print(f"{run.path}: training has ended already")
        return
    from mxnet import MXNetError

    from vision.devices import find_devices, reason
    from vision.weights.pretrained import find_weights

    config = dataclasses.replace(config, model=find_weights(config.model, arguments.data))
    devices = find_devices(arguments.gpus)
    images, lists = config.images, arguments.runs / "cache"
    dataset = read_images(
        config.dataset, arguments.data, images.train_split, images.train_images, lists, subset=images.subset
    )
    try:
        train(config, dataset, run, arguments.seed, devices, arguments.workers)
    except MXNetError as error:  # A GPU's memory is full, for one.
        raise UserError(f"{run.path}: MXNet stopped ({reason(error)}); mend that and give the same command") from None


if __name__ == "__main__":
    run_command(main)
