"""Trains one experiment on scenes (Table 5) into its run folder: `python -m vision.scene CONFIG --seed K`."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

from data.common.config import read_config
from data.common.errors import UserError
from data.common.options import choose_gpus, training_parser
from data.common.runs import RunFolder
from data.images.scenes import read_scenes
from data.records import SceneDataset, SceneRecord
from vision.options import add_workers_option, gigabytes
from vision.scenes.config import SceneConfig

if TYPE_CHECKING:
    import mxnet as mx
    from mxnet import gluon

    from vision.checkpoint import TrainedRun
    from vision.scenes.features import Memory
    from vision.scenes.network import SceneNetwork, Seen

EXAMPLE = """\
example, the supervised network of Table 5; it takes the weights of runs/paper/minicoco/fan-sup/seed0:
  python -m vision.scene vision/configs/paper/mit67/fan-sup.yaml --seed 0

The same command goes on with an interrupted run and returns at once from a finished one. Afterwards:
  python -m vision.predict runs/paper/mit67/fan-sup/seed0 --scene
  python -m scripts.evaluate classification runs/paper/mit67/fan-sup/seed0
"""

STATISTICS = 64  # training images that random features take BatchNorm's statistics from


class Learner(NamedTuple):
    """What a step of training works with.

    Args:
        network: on all devices.
        trainer: SGD over its parameters that are not fixed.
        devices: GPUs, which take the images of a batch in turn, or one CPU.
    """

    network: "SceneNetwork"
    trainer: "gluon.Trainer"
    devices: list["mx.Context"]


class StepResult(NamedTuple):
    """Of the images of a batch: their cross entropies, and how many got the right class."""

    losses: list[float]
    correct: int


def train(
    config: SceneConfig,
    dataset: SceneDataset,
    run: RunFolder,
    seed: int,
    detector: Path | None,
    devices: list["mx.Context"],
    workers: int,
    memory: int,
) -> None:
    """Trains from the newest checkpoint in the run folder, or from the start, to the config's last epoch.

    On one CPU the same config, detector and seed give the same bits, whether or not the run was interrupted, and
    however much is kept in memory: the weights come from the seed, the order of the images from seed and epoch.

    Args:
        dataset: the training images.
        detector: folder of the detection run whose weights are taken; None for cnn.
        devices: GPUs, or one CPU.
        workers: threads that read images ahead; 0 for none.
        memory: bytes that may hold what the fixed layers see, from one epoch to the next.

    Raises:
        UserError: the run was begun on other images or another detector, a loss or weight is not finite, or an image
            cannot be used.
    """
    # MXNet is imported here, so that --help and finished runs need not wait for it.
    import mxnet as mx

    from vision.checkpoint import keep_inputs, newest_epoch, require_same_inputs, resume, save
    from vision.devices import names
    from vision.optimization import learning_rate
    from vision.scenes.detector import keep_detector, read_detector, require_same_detector
    from vision.scenes.features import Memory

    print(f"{run.path}: training on {names(devices)}")
    trained, record = read_detector(config, detector) if detector else (None, None)
    if newest_epoch(run):
        require_same_inputs(run, dataset)
        if record:
            require_same_detector(run, record)
    else:
        keep_inputs(run, dataset)
        if record:
            keep_detector(run, record)
    mx.random.seed(seed)
    learner = make_learner(config, dataset, trained, devices, seed)
    seen = Memory(memory)
    epochs_done = resume(run, learner.network, learner.trainer, devices)
    for epoch in range(epochs_done + 1, config.training.epochs + 1):
        learner.trainer.set_learning_rate(learning_rate(config.training, epoch))
        means = train_epoch(learner, dataset.records, config, seed, epoch, seen, workers)
        run.log_epoch({"epoch": epoch, **means})
        save(run, epoch, learner.network, learner.trainer)
    run.finish(names(devices))


def make_learner(
    config: SceneConfig, dataset: SceneDataset, trained: "TrainedRun | None", devices: list["mx.Context"], seed: int
) -> Learner:
    """A network with the weights it starts from, the new ones drawn from MXNet's seed, and what trains it.

    Args:
        dataset: the training images; read for random features alone, which take statistics from some of them.
        trained: the detector; None for cnn.
        seed: by which those are drawn.
    """
    from vision.loader import View
    from vision.optimization import make_trainer
    from vision.scenes.features import read_views
    from vision.scenes.network import SceneNetwork, build_backbone

    if trained is None:
        drawn = np.random.default_rng(seed).permutation(len(dataset.records))[:STATISTICS]
        views = [View(index, flipped=False) for index in drawn.tolist()]
        body, units = build_backbone(config.model, read_views(dataset.records, config.images, views, workers=0)), 0
    elif config.model.roi_features == "none":
        body, units = trained.detector.backbone, 0
    else:
        body, units = trained.detector, trained.config.model.fc_units
    network = SceneNetwork(config.model, len(dataset.classes), body, units)
    network.draw()
    network.fix()
    network.collect_params().reset_ctx(devices)
    network.hybridize()
    return Learner(network, make_trainer(network, config.training), devices)


def train_epoch(
    learner: Learner,
    records: Sequence[SceneRecord],
    config: SceneConfig,
    seed: int,
    epoch: int,
    memory: "Memory",
    workers: int,
) -> dict[str, float]:
    """One pass over the images and their mirror images, in an order drawn from seed and epoch.

    Returns:
        loss and accuracy: means over the epoch, as the network was when each batch came; and the time it took.

    Raises:
        UserError: a loss or weight is not finite, or an image cannot be used.
    """
    from vision.optimization import SMALLER_STEPS, is_finite
    from vision.scenes.features import look_at_batches, scene_order

    start = time.perf_counter()
    images, size = config.images, config.training.batch_size
    order = scene_order(len(records), images.flipped_copies, size, seed, epoch)
    count = sum(map(len, order))
    loss, correct, done = 0.0, 0, 0
    batches = look_at_batches(learner.network, records, images, order, learner.devices, memory, workers)
    with tqdm(total=count, desc=f"epoch {epoch}", unit="image", mininterval=1, leave=False) as progress:
        for views, seen in batches:
            result = train_step(learner, seen, [records[view.index].label for view in views])
            if not np.isfinite(result.losses).all():
                shown = ", ".join(records[view.index].id for view in views)
                raise UserError(
                    f"epoch {epoch}, images {shown}: a loss is not finite ({result.losses}); {SMALLER_STEPS}"
                )
            loss, correct, done = loss + sum(result.losses), correct + result.correct, done + len(views)
            progress.set_postfix({"loss": f"{loss / done:.3g}", "accuracy": f"{correct / done:.3g}"}, refresh=False)
            progress.update(len(views))
    if not is_finite(learner.network):  # What the last step did shows in no loss.
        raise UserError(f"epoch {epoch}: the weights are not finite after its last step; {SMALLER_STEPS}")
    seconds = time.perf_counter() - start
    speed = {"seconds": round(seconds, 2), "images_per_second": round(count / seconds, 2)}
    return {"loss": loss / count, "accuracy": correct / count, **speed}


def train_step(learner: Learner, seen: list["Seen"], labels: list[int]) -> StepResult:
    """One step of SGD by the gradients of a batch, summed over its images and devices (Relation Networks).

    Args:
        seen: what the fixed layers see in each image, on the devices in turn.
        labels: class of each.
    """
    from mxnet import autograd, nd

    from vision.optimization import clear_gradients

    network, trainer, devices = learner
    with autograd.record():
        logits = [network(*each) for each in seen]  # [1, classes] each
        losses = [-nd.log_softmax(each)[0, label] for each, label in zip(logits, labels, strict=True)]
    autograd.backward(losses)
    if idle := devices[len(seen) :]:
        clear_gradients(network, idle)
    trainer.step(1, ignore_stale_grad=bool(idle))
    results = (nd.concat(loss, each.argmax(axis=1), dim=0) for loss, each in zip(losses, logits, strict=True))
    on_one_device = nd.stack(*(each.as_in_context(devices[0]) for each in results))  # [B, 2]
    values, chosen = on_one_device.asnumpy().T  # The step ends here.
    return StepResult(values.tolist(), int((chosen == labels).sum()))


def main() -> None:
    """Command line of `python -m vision.scene`."""
    parser = training_parser("vision", EXAMPLE, module="scene")
    parser.add_argument(
        "--detector",
        type=Path,
        metavar="RUN",
        help="folder of the detection run whose weights are taken (default: the one that model.pretrained names, of "
        "the same preset and seed, among the runs)",
    )
    parser.add_argument(
        "--memory",
        type=gigabytes,
        default=1,
        metavar="GB",
        help="how much may hold what the fixed layers see, which is the same in every epoch; what has no room is "
        "computed in each (default: %(default)s)",
    )
    add_workers_option(parser)
    arguments = parser.parse_args()
    choose_gpus(arguments.gpus)
    config = read_config(SceneConfig, arguments.config, arguments.set)
    run = RunFolder.claim(arguments.runs, config, arguments.seed)
    if run.finished:
        print(f"{run.path}: training has ended already")
        return
    from mxnet import MXNetError

    from vision.devices import find_devices, reason
    from vision.scenes.detector import detector_folder
    from vision.weights.pretrained import find_weights

    config = dataclasses.replace(config, model=find_weights(config.model, arguments.data))
    devices = find_devices(arguments.gpus)
    detector = detector_folder(config, arguments.detector, arguments.runs, arguments.seed)
    images = config.images
    dataset = read_scenes(config.dataset, arguments.data, "train", images.sample, images.train_images)
    memory = int(arguments.memory * 1e9)
    try:
        train(config, dataset, run, arguments.seed, detector, devices, arguments.workers, memory)
    except MXNetError as error:  # A GPU's memory is full, for one.
        raise UserError(f"{run.path}: MXNet stopped ({reason(error)}); mend that and give the same command") from None
