"""Compares parts of the vision stack in one run: `python -m scripts.bench.vision`.

Training steps with and without focused attention; the center-mass operator, targets and recall against simpler
implementations; and the loader against the network. All but the loader work on made-up images.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, get_args

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, nd

from data.common.config import read_config
from data.common.errors import run_command
from data.common.options import add_data_option, add_gpus_option, choose_gpus, count_from_1
from data.images import voc
from data.images.datasets import read_images
from data.images.relations import relations_between
from scripts.bench.measuring import machine_and_threads, median_and_range, milliseconds, ratio, take_turns
from scripts.bench.relation_loops import (
    OBJECTS,
    ROIS,
    Scene,
    looped_recall,
    looped_targets,
    made_up_pairs,
    made_up_scene,
)
from scripts.bench.training_steps import made_up_batch, train_on, unchanging_learner
from scripts.evaluation.metrics.relations import found_at, objects_under, ranks_of_relations
from vision.center_mass import CenterMassLoss, composed_center_mass
from vision.config import Config, Mode
from vision.devices import find_devices
from vision.loader import load_batches, training_order
from vision.targets import relation_targets

EXAMPLE = """\
comparisons; a first round is not counted:
  a  training steps of base, fan-unsup and fan-sup; fan-unsup also computes targets and center-mass, which training
     logs, but does not learn from them
  b  the center-mass operator and the same loss of plain operators, with gradient; 2 images of 300 ROIs
  c  vision.targets.relation_targets and a loop over all pairs of 300 ROIs
  d  scripts.evaluation.metrics.relations and a loop over 5,000 ranked pairs of ROIs
  e  the loader with 0, 1 and 2 workers, and a training step of fan-sup on the loaded images

Ratios are of times in a to d and of images/s in e. Only e needs data. At --preset paper, random weights replace those
of ImageNet, so that nothing is downloaded; BatchNorm and the first layers are frozen all the same.

examples, 30 training steps at full size, and the loader on a folder in VOC or COCO layout:
  python -m scripts.bench.vision --preset paper --only a
  python -m scripts.bench.vision --preset paper --only e --dataset coco128 --split train2017
"""

CONFIGS = Path(__file__).parents[2] / "vision" / "configs"
PARTS = "abcde"
VARIANTS = ("base", "fan-unsup", "fan-sup")
WORKERS = (0, 1, 2)
LOADED = 10  # batches per turn of the loader
CALLS = 10  # calls per turn of functions that take milliseconds
PAIRS = 5000
TOP_K = (10, 100, 1000, 5000)

Turn = Callable[[], float]


class Comparison(NamedTuple):
    """Functions to compare.

    Args:
        title: title of the comparison.
        unit: unit of the numbers that turns return.
        turns: the functions by name; each measures itself.
        pairs: names of the functions whose ratios are shown.
        difference: the largest difference between the values they compute, if they compute the same.
    """

    title: str
    unit: str
    turns: dict[str, Turn]
    pairs: list[tuple[str, str]]
    difference: float | None = None


# --- a and e: training steps and the loader -------------------------------------------------------------------------


def compare_steps(preset: str, devices: list[mx.Context], steps: int) -> Iterator[Comparison]:
    """Training steps of each variant on one made-up batch of the largest size."""
    configs = {variant: _config(preset, variant) for variant in VARIANTS}
    sizes = configs["base"]
    batch = made_up_batch(sizes, len(voc.CLASSES))
    turns: dict[str, Turn] = {}
    for variant, config in configs.items():
        learner = unchanging_learner(config, len(voc.CLASSES), devices)
        turns[variant] = partial(milliseconds, partial(train_on, learner, [batch]), steps)
    images, model = sizes.images, sizes.model
    title = (
        f"a training step: {model.backbone}, {len(batch.images)} images of {images.short_side} x {images.long_side}, "
        f"{model.rois} ROIs"
    )
    yield Comparison(title, "ms", turns, [("fan-unsup", "base"), ("fan-sup", "base"), ("fan-sup", "fan-unsup")])


def compare_loading(
    preset: str, data: Path, dataset: str | None, split: str | None, devices: list[mx.Context], steps: int
) -> Iterator[Comparison]:
    """Images/s of the loader and of training steps on its first batches.

    The round that is not counted reads all files, so the others read from the page cache.
    """
    config = _config(preset, "fan-sup")
    name, split = dataset or config.dataset, split or config.images.train_split
    read = read_images(name, data / "mini" if preset == "mini" else data, split)
    order = training_order(read.records, config.images, config.training.batch_size, seed=0, epoch=1)[:LOADED]
    batches = [batch for _, batch in load_batches(read.records, config.images, order, workers=0)][:steps]
    learner = unchanging_learner(config, len(read.classes), devices)
    step = "training step"
    turns: dict[str, Turn] = {step: partial(_images_per_second, lambda: train_on(learner, batches), order[:steps])}
    for workers in WORKERS:
        load = partial(load_batches, read.records, config.images, order, workers)
        turns[f"loader, {workers} workers"] = partial(_images_per_second, lambda load=load: list(load()), order)
    title = f"loading {name} {split}, short side {config.images.short_side}; a training step of fan-sup"
    yield Comparison(title, "images/s", turns, [(each, step) for each in turns if each != step])


def _config(preset: str, variant: str) -> Config:
    return read_config(Config, CONFIGS / preset / "voc07" / f"{variant}.yaml")


# --- b, c and d: parts and simpler implementations ------------------------------------------------------------------


def compare_losses(device: mx.Context) -> Iterator[Comparison]:
    """The custom operator, and the composed loss with and without hybridisation."""
    scenes = [made_up_scene(seed) for seed in range(2)]
    arrays = (nd.array(np.stack(arrays), ctx=device) for arrays in zip(*scenes, strict=True))
    targets = relation_targets(*arrays)  # [2, 300, 300]
    weights = nd.random.normal(shape=targets.shape, ctx=device)
    weights.attach_grad()
    mask = nd.ones(targets.shape[:2], ctx=device)
    for mode in get_args(Mode):
        composed = partial(composed_center_mass, nd, mode=mode)
        hybridised = gluon.nn.HybridLambda(lambda F, *arrays, mode=mode: composed_center_mass(F, *arrays, mode=mode))
        hybridised.hybridize()
        losses = {"operator": CenterMassLoss(mode), "composed": composed, "composed, hybridised": hybridised}
        calls = {name: partial(_differentiate, loss, weights, targets, mask) for name, loss in losses.items()}
        difference = max(
            _largest_difference(one, other) for one, other in zip(calls["operator"](), calls["composed"](), strict=True)
        )
        turns: dict[str, Turn] = {name: partial(milliseconds, call, CALLS) for name, call in calls.items()}
        pairs = [(name, "operator") for name in losses if name != "operator"]
        yield Comparison(f"center-mass loss and its gradient, {mode}-wise", "ms", turns, pairs, difference)


def _differentiate(loss: Callable[..., Any], weights: Any, targets: Any, mask: Any) -> tuple[np.ndarray, ...]:
    """Loss [B] and gradient [B, N, N]."""
    with autograd.record():
        value, _ = loss(weights, targets, mask)
    value.backward()
    return value.asnumpy(), weights.grad.asnumpy()


def compare_targets(device: mx.Context) -> Iterator[Comparison]:
    """Relation targets of an image."""
    scene = made_up_scene(0)
    arrays = [nd.array(array, ctx=device) for array in scene]
    ours, loop = (lambda: relation_targets(*arrays).asnumpy()), (lambda: looped_targets(scene))
    turns: dict[str, Turn] = {
        "relation_targets": partial(milliseconds, ours, CALLS),
        "loop over pairs": partial(milliseconds, loop),
    }
    title = f"targets of {ROIS} ROIs and {OBJECTS} objects"
    pairs = [("loop over pairs", "relation_targets")]
    yield Comparison(title, "ms", turns, pairs, _largest_difference(ours(), loop()))


def compare_recall() -> Iterator[Comparison]:
    """Recall of an image."""
    scene = made_up_scene(0)
    pairs = made_up_pairs(ROIS, PAIRS)
    ours, loop = (lambda: ranked_recall(scene, pairs)), (lambda: looped_recall(scene, pairs, TOP_K))
    turns: dict[str, Turn] = {
        "ranks_of_relations": partial(milliseconds, ours, CALLS),
        "loop over pairs": partial(milliseconds, loop),
    }
    title = f"recall of {PAIRS:,} pairs of {ROIS} ROIs, {OBJECTS} objects"
    compared = [("loop over pairs", "ranks_of_relations")]
    yield Comparison(title, "ms", turns, compared, _largest_difference(ours(), loop()))


def ranked_recall(scene: Scene, pairs: np.ndarray) -> np.ndarray:
    """Recall at each K of `TOP_K`, as in `scripts.evaluate`."""
    relations = relations_between(scene.labels, "different_category")
    ranks = ranks_of_relations(pairs, objects_under(scene.rois, scene.boxes), relations)
    return found_at(ranks, TOP_K) / len(relations)


# --- measuring ------------------------------------------------------------------------------------------------------


def _images_per_second(work: Callable[[], object], batches: list[list[Any]]) -> float:
    start = time.perf_counter()
    work()
    return sum(map(len, batches)) / (time.perf_counter() - start)


def _largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max())


# --- command line ---------------------------------------------------------------------------------------------------


def described(comparison: Comparison, measured: dict[str, list[float]]) -> str:
    """The numbers of a comparison and their ratios."""
    title, unit, _, pairs, difference = comparison
    longest = max(map(len, measured))
    lines = [title]
    for name, values in measured.items():
        lines.append(f"  {name:{longest}} {median_and_range(values)} {unit}")
    lines += [f"  {ratio(name, measured[name], other, measured[other], figures=4)}" for name, other in pairs]
    if difference is not None:
        lines.append(f"  largest difference between their values: {difference:.1g}")
    return "\n".join(lines)


def main() -> None:
    """Command line of `python -m scripts.bench.vision`."""
    arguments = _parse_arguments()
    choose_gpus(arguments.gpus)
    devices = find_devices(arguments.gpus)
    preset, steps, rounds = arguments.preset, arguments.steps, arguments.rounds
    comparisons = {
        "a": lambda: compare_steps(preset, devices, steps),
        "b": lambda: compare_losses(devices[0]),
        "c": lambda: compare_targets(devices[0]),
        "d": compare_recall,
        "e": lambda: compare_loading(preset, arguments.data, arguments.dataset, arguments.split, devices, steps),
    }
    print(
        f"{', '.join(map(str, devices))}, {machine_and_threads()}; --preset {preset}; median of {rounds} turns (range)"
    )
    for part in arguments.only:
        for comparison in comparisons[part]():
            print(f"\n{part}  {described(comparison, take_turns(comparison.turns, rounds))}", flush=True)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench.vision",
        description="Compares parts of the vision stack in one run.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--preset", choices=["mini", "paper"], default="mini", help="sizes (default: mini)")
    parser.add_argument(
        "--only", type=_parts, default=list(PARTS), metavar="a,b,…", help="comparisons to run (default: all)"
    )
    parser.add_argument("--rounds", type=count_from_1, default=9, metavar="N", help="turns per function (default: 9)")
    parser.add_argument("--steps", type=count_from_1, default=1, metavar="N", help="steps per turn (default: 1)")
    add_data_option(parser)
    parser.add_argument("--dataset", help="dataset for the loader (default: voc07)")
    parser.add_argument("--split", help="split of the dataset (default: trainval)")
    add_gpus_option(parser)
    return parser.parse_args()


def _parts(text: str) -> list[str]:
    parts = text.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} must be one of {', '.join(PARTS)}")
    return parts


if __name__ == "__main__":
    run_command(main)
