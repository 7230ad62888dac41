"""Checks a network of the paper's size on this machine: `python -m scripts.bench.prove_full_size CONFIG`.

Compares the shape of every weight with Relation Networks', and trains the network for some iterations on one batch of
real images of the largest size, in which the loss must fall. Prints losses, time and memory.
"""

import argparse
import dataclasses
import math
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import mxnet as mx
import numpy as np
from mxnet import nd
from tqdm import tqdm

from data.common.config import read_config
from data.common.errors import UserError, run_command
from data.common.options import add_data_option, add_gpus_option, choose_gpus, count_from_1
from data.images.datasets import read_images
from data.images.relations import Rule, relations_of
from data.images.subset import WHOLE
from data.records import ImageDataset, ImageRecord
from scripts.bench.measuring import machine_and_threads, median_and_range, peak_resident
from vision.config import Config
from vision.criterion import Losses
from vision.devices import find_devices
from vision.engine import Learner, make_learner, require_relations, train_step
from vision.loader import Batch, View, load_batches
from vision.models.detector import Detector
from vision.weights.pretrained import find_weights

EXAMPLE = """\
examples, from scratch, with the images of a folder in VOC or COCO layout or of the miniature:
  python -m scripts.bench.prove_full_size vision/configs/paper/voc07/fan-sup.yaml --pretrained none \\
    --dataset coco128 --split train2017
  python -m scripts.bench.prove_full_size vision/configs/paper/visual_genome/fan-sup-gt.yaml --pretrained none \\
    --data datasets/mini

From scratch, BatchNorm uses batch statistics and all layers are trained, which takes longer than with ImageNet weights.
If the images have more categories than the network, some categories share a label.
"""

CLASSES = {"voc07": 20, "minicoco": 80, "visual_genome": 150}

Shape = tuple[int, ...]

# New layers of Relation Networks, layers of each relation module, and projections of FAN, which have no bias.
HEADS: dict[str, Shape] = {
    "rpn_conv_3x3": (512, 1024, 3, 3),
    "rpn_cls_score": (24, 512, 1, 1),
    "rpn_bbox_pred": (48, 512, 1, 1),
    "conv_new_1": (256, 2048, 1, 1),
    "fc_new_1": (1024, 12544),
    "fc_new_2": (1024, 1024),
    "bbox_pred": (8, 1024),
}
MODULE: dict[str, Shape] = {
    "pair_pos_fc1": (16, 64),
    "query": (1024, 1024),
    "key": (1024, 1024),
    "linear_out": (1024, 1024),
}
FAN: dict[str, Shape] = {"query": (1024, 1024), "key": (1024, 1024)}
FAN_LINEAR: dict[str, Shape] = {**FAN, "linear_out": (1024, 1024)}
# Stages of ResNet-101 (He et al., 2016, table 1): channels, blocks, input channels; blocks output four times as many.
STAGES = ((64, 3, 64), (128, 4, 256), (256, 23, 512), (512, 3, 1024))


# --- shapes ---------------------------------------------------------------------------------------------------------


def expected_heads(classes: int, fan: dict[str, Shape] | None, modules: Sequence[int] = ()) -> dict[str, Shape]:
    """The shape of every parameter outside the backbone, by name.

    Args:
        classes: number of categories.
        fan: `FAN`, `FAN_LINEAR`, or None.
        modules: which fully connected layers, 1 or 2, are followed by a relation module.
    """
    layers = {**HEADS, "cls_score": (1 + classes, 1024)}
    layers |= {f"relation_{k}_{name}": shape for k in modules for name, shape in MODULE.items()}
    shapes = {f"{name}_weight": shape for name, shape in layers.items()}
    shapes |= {f"{name}_bias": shape[:1] for name, shape in layers.items()}
    return shapes | {f"focused_attention_{name}_weight": shape for name, shape in (fan or {}).items()}


def expected_convolutions() -> Counter[Shape]:
    """Number of convolutions of each shape in the backbone."""
    counts: Counter[Shape] = Counter({(64, 3, 7, 7): 1})
    for channels, blocks, before in STAGES:
        counts[channels, before, 1, 1] += 1
        counts[channels, 4 * channels, 1, 1] += blocks - 1
        counts[channels, channels, 3, 3] += blocks
        counts[4 * channels, channels, 1, 1] += blocks
        counts[4 * channels, before, 1, 1] += 1  # shortcut of the first block
    return counts


def require_shapes(detector: Detector, classes: int) -> str:
    """Raises a `UserError` unless all shapes are as expected; returns a summary."""
    shapes = {name: parameter.shape for name, parameter in detector.collect_params().items()}
    heads = {name: shape for name, shape in shapes.items() if not name.startswith("backbone_")}
    modules = [k for k, module in enumerate((detector.relation_1, detector.relation_2), start=1) if module is not None]
    attention = detector.focused_attention
    fan = None if attention is None else FAN if attention.linear_out is None else FAN_LINEAR
    expected = expected_heads(classes, fan, modules)
    if wrong := [name for name in sorted(heads | expected) if heads.get(name) != expected.get(name)]:
        shown = ", ".join(f"{name} {heads.get(name)}, not {expected.get(name)}" for name in wrong)
        raise UserError(f"shapes differ from the network of the paper: {shown}; give a config of the paper preset")
    convolutions = Counter(shape for name, shape in shapes.items() if name not in heads and len(shape) == 4)
    if convolutions != expected_convolutions():
        raise UserError("the backbone is not ResNet-101; give a config of the paper preset")
    weights = sum(math.prod(shape) for shape in shapes.values())
    return (
        f"shapes: {len(heads)} parameters of the heads and {convolutions.total()} convolutions of the backbone agree; "
        f"{weights:,} numbers in {len(shapes)} parameters"
    )


# --- training -------------------------------------------------------------------------------------------------------


def full_batch(dataset: ImageDataset, config: Config, classes: int) -> tuple[list[str], Batch]:
    """A batch of landscape images with large related objects, padded to the largest size.

    The proposals of an untrained RPN are likely to be on such objects, so that no loss is 0.

    Returns:
        The ids of the images, and the batch, with labels modulo `classes`.
    """
    rule = config.relation_loss.rule
    areas = [related_area(record, classes, rule) for record in dataset.records]
    chosen = np.argsort(areas)[::-1][: config.training.batch_size].tolist()
    if len(chosen) < config.training.batch_size or not areas[chosen[-1]]:
        raise UserError(f"too few landscape images with related objects ({rule}); give another --dataset or --split")
    [(_, batch)] = load_batches(dataset.records, config.images, [[View(index, False) for index in chosen]], workers=0)
    images = nd.zeros((len(chosen), 3, config.images.short_side, config.images.long_side))
    images[:, :, : batch.images.shape[2], : batch.images.shape[3]] = batch.images
    labels = nd.where(batch.labels >= 0, batch.labels % classes, batch.labels)
    return [dataset.records[index].id for index in chosen], batch._replace(images=images, labels=labels)


def related_area(record: ImageRecord, classes: int, rule: Rule) -> float:
    """The largest fraction of a landscape image covered by the smaller of two related objects; 0 without any."""
    areas = (record.boxes[:, 2:] - record.boxes[:, :2] + 1).prod(axis=1)
    relations = relations_of(dataclasses.replace(record, labels=record.labels % classes), rule)
    if record.width < record.height or not len(relations):
        return 0.0
    return float(areas[relations].min(axis=1).max()) / (record.width * record.height)


def iterations(learner: Learner, batch: Batch, count: int) -> Iterator[dict[str, float]]:
    """Yields the seconds and the mean losses of each training step on the batch.

    Raises:
        UserError: a loss is not finite.
    """
    for number in range(1, count + 1):
        start = time.perf_counter()
        losses = train_step(learner, batch)
        nd.waitall()
        values = {"seconds": time.perf_counter() - start, **_means(losses)}
        if not all(map(math.isfinite, values.values())):
            raise UserError(f"iteration {number}: a loss is not finite ({values}); give other --pretrained weights")
        yield values


def require_fall(losses: list[float]) -> str:
    """Raises a `UserError` unless the mean loss of the last third is below that of the first; returns a summary."""
    if len(losses) == 1:
        return "one iteration: too few to see whether the loss falls"
    count = max(1, len(losses) // 3)
    first, last = statistics.mean(losses[:count]), statistics.mean(losses[-count:])
    if last >= first:
        raise UserError(f"the loss does not fall: {first:.4g}, then {last:.4g}; give more --iterations")
    return f"the loss falls from {first:.4g} to {last:.4g}, means of the first and last {count} iterations"


def _means(losses: list[Losses]) -> dict[str, float]:
    """Means over the images on all devices."""
    columns: dict[str, list[np.ndarray]] = {}
    for part in losses:
        *each, relations = part
        named = dict(zip(part._fields, each, strict=False))
        if relations is not None:
            named |= {"relation_loss": relations.loss, "center_mass": relations.center_mass}
        for name, values in named.items():
            columns.setdefault(name, []).append(values.asnumpy())
    return {name: float(np.concatenate(values).mean()) for name, values in columns.items()}


def prove(config: Config, dataset: ImageDataset, devices: list[mx.Context], count: int) -> None:
    """Compares the shapes, trains, and prints the results.

    Raises:
        UserError: unexpected shapes, or losses that are not finite or do not fall.
    """
    require_relations(config, dataset)
    classes = CLASSES.get(config.dataset, len(dataset.classes))
    mx.random.seed(0)
    learner = make_learner(config, classes, devices)
    print(require_shapes(learner.detector, classes))
    ids, batch = full_batch(dataset, config, classes)
    print(f"images {', '.join(ids)}: {batch.images.shape}, {(batch.labels >= 0).sum().asscalar():.0f} objects")
    done = []
    for values in tqdm(iterations(learner, batch, count), total=count, unit="step", leave=False):
        done.append(values)
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        tqdm.write(f"iteration {len(done)}  {shown}")
    seconds = [values["seconds"] for values in done]
    print(f"per iteration: {median_and_range(seconds[1:] or seconds)} s, without the first, which compiles")
    print(require_fall([values["loss"] for values in done]))


# --- command line ---------------------------------------------------------------------------------------------------


def main() -> None:
    """Command line of `python -m scripts.bench.prove_full_size`."""
    arguments = _parse_arguments()
    choose_gpus(arguments.gpus)
    overrides = [f"model.pretrained={arguments.pretrained}"] if arguments.pretrained else []
    config = read_config(Config, arguments.config, overrides)
    split = arguments.split or config.images.train_split
    subset = WHOLE if arguments.dataset else config.images.subset
    dataset = read_images(arguments.dataset or config.dataset, arguments.data, split, subset=subset)
    config = dataclasses.replace(config, model=find_weights(config.model, arguments.data))
    devices = find_devices(arguments.gpus)
    print(f"{arguments.config} on {', '.join(map(str, devices))}, {machine_and_threads()}")
    with peak_resident() as peaks:
        prove(config, dataset, devices, arguments.iterations)
    print(f"peak memory: {peaks['anonymous']:,.0f} MiB, and {peaks['mapped']:,.0f} MiB of libraries")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench.prove_full_size",
        description="Trains a network of the paper's size for some iterations on one batch of the largest images, and "
        "prints shapes, losses, time and memory.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="a file in vision/configs/paper/")
    add_data_option(parser)
    parser.add_argument("--dataset", help="dataset of the images, a name or folder (default: that of the config)")
    parser.add_argument("--split", help="split of the dataset (default: the training split of the config)")
    parser.add_argument("--pretrained", help="imagenet, none or a .params file (default: that of the config)")
    parser.add_argument("--iterations", type=count_from_1, default=10, metavar="N", help="(default: 10)")
    add_gpus_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
