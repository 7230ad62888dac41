"""Proves a network of the paper's size on the machine at hand: `python -m scripts.bench.prove_full_size CONFIG`.

The shape of every weight is compared with Relation Networks', and the network trained for some iterations on one batch
of real images at the largest size there is, so that its loss must fall. Printed are the losses, time and memory.
"""

import argparse
import dataclasses
import math
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from data.common.config import read_config
from data.common.errors import UserError, run_command
from data.common.options import add_data_option, add_gpus_option, choose_gpus, count_from_1
from data.images.datasets import read_images
from data.images.relations import Rule, relations_of
from data.images.subset import WHOLE
from data.records import ImageDataset, ImageRecord
from scripts.bench.process_memory import peak_resident
from scripts.bench.turns import machine_and_threads, median_and_range
from vision.config import Config

if TYPE_CHECKING:
    import mxnet as mx

    from vision.criterion import Losses
    from vision.engine import Learner
    from vision.loader import Batch
    from vision.models.detector import Detector

EXAMPLE = """\
examples, with weights from scratch and the images of a folder in VOC or COCO layout, or those of the miniature:
  python -m scripts.bench.prove_full_size vision/configs/paper/voc07/fan-sup.yaml --pretrained none \\
    --dataset coco128 --split train2017
  python -m scripts.bench.prove_full_size vision/configs/paper/visual_genome/fan-sup-gt.yaml --pretrained none \\
    --data datasets/mini

From scratch, BatchNorm uses the statistics of its batch and everything is trained, which takes longer than with the
config's ImageNet weights. Where the images' categories are more than the network's, some share a label.
"""

CLASSES = {"voc07": 20, "minicoco": 80, "visual_genome": 150}

Shape = tuple[int, ...]

# Relation Networks' new layers, those of each of its relation modules, and FAN's projections, which have no bias.
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
# Stages of ResNet-101 (He et al., 2016, table 1): channels, blocks, channels before; blocks end in four times as many.
STAGES = ((64, 3, 64), (128, 4, 256), (256, 23, 512), (512, 3, 1024))


# --- shapes ---------------------------------------------------------------------------------------------------------


def expected_heads(classes: int, fan: dict[str, Shape] | None, modules: Sequence[int] = ()) -> dict[str, Shape]:
    """The shape of every parameter beside the backbone's, by name.

    Args:
        fan: `FAN`, `FAN_LINEAR`, or None without it.
        modules: after which of the fully connected layers, 1 and 2, relation modules stand.
    """
    layers = {**HEADS, "cls_score": (1 + classes, 1024)}
    layers |= {f"relation_{k}_{name}": shape for k in modules for name, shape in MODULE.items()}
    shapes = {f"{name}_weight": shape for name, shape in layers.items()}
    shapes |= {f"{name}_bias": shape[:1] for name, shape in layers.items()}
    return shapes | {f"focused_attention_{name}_weight": shape for name, shape in (fan or {}).items()}


def expected_convolutions() -> Counter[Shape]:
    """How many convolutions of each shape the backbone has."""
    counts: Counter[Shape] = Counter({(64, 3, 7, 7): 1})
    for channels, blocks, before in STAGES:
        counts[channels, before, 1, 1] += 1
        counts[channels, 4 * channels, 1, 1] += blocks - 1
        counts[channels, channels, 3, 3] += blocks
        counts[4 * channels, channels, 1, 1] += blocks
        counts[4 * channels, before, 1, 1] += 1  # Beside the stage's first block.
    return counts


def require_shapes(detector: "Detector", classes: int) -> str:
    """Raises a `UserError` unless all shapes are as expected; returns how many were compared."""
    shapes = {name: parameter.shape for name, parameter in detector.collect_params().items()}
    heads = {name: shape for name, shape in shapes.items() if not name.startswith("backbone_")}
    modules = [k for k, module in enumerate((detector.relation_1, detector.relation_2), start=1) if module is not None]
    attention = detector.focused_attention
    fan = None if attention is None else FAN if attention.linear_out is None else FAN_LINEAR
    expected = expected_heads(classes, fan, modules)
    if wrong := [name for name in sorted(heads | expected) if heads.get(name) != expected.get(name)]:
        shown = ", ".join(f"{name} {heads.get(name)}, not {expected.get(name)}" for name in wrong)
        raise UserError(f"shapes differ from the paper's network: {shown}; give a config of the paper preset")
    convolutions = Counter(shape for name, shape in shapes.items() if name not in heads and len(shape) == 4)
    if convolutions != expected_convolutions():
        raise UserError("the backbone's convolutions are not ResNet-101's; give a config of the paper preset")
    weights = sum(math.prod(shape) for shape in shapes.values())
    return (
        f"shapes: {len(heads)} parameters of the heads and {convolutions.total()} convolutions of the backbone are as "
        f"expected; {weights:,} numbers in {len(shapes)} parameters"
    )


# --- training -------------------------------------------------------------------------------------------------------


def full_batch(dataset: ImageDataset, config: Config, classes: int) -> tuple[list[str], "Batch"]:
    """Landscape images with large objects that are related, padded to the largest size there can be.

    An untrained RPN's proposals are likely to hit those, so that all losses are at work.

    Returns:
        the images' ids, and the batch, its labels taken modulo `classes`.
    """
    from mxnet import nd

    from vision.loader import View, load_batches

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
    """The share of a landscape image that the smaller of two related objects covers, at most; 0 without any."""
    areas = (record.boxes[:, 2:] - record.boxes[:, :2] + 1).prod(axis=1)
    relations = relations_of(dataclasses.replace(record, labels=record.labels % classes), rule)
    if record.width < record.height or not len(relations):
        return 0.0
    return float(areas[relations].min(axis=1).max()) / (record.width * record.height)


def iterations(learner: "Learner", batch: "Batch", count: int) -> Iterator[dict[str, float]]:
    """Yields the seconds and losses of each training step on the batch, means over its images.

    Raises:
        UserError: a loss is not finite.
    """
    from mxnet import nd

    from vision.engine import train_step

    for number in range(1, count + 1):
        start = time.perf_counter()
        losses = train_step(learner, batch)
        nd.waitall()
        values = {"seconds": time.perf_counter() - start, **_means(losses)}
        if not all(map(math.isfinite, values.values())):
            raise UserError(f"iteration {number}: a loss is not finite ({values}); try other --pretrained weights")
        yield values


def require_fall(losses: list[float]) -> str:
    """Raises a `UserError` unless the loss falls, from the first third to the last; returns how far it does."""
    if len(losses) == 1:
        return "one iteration: whether the loss falls shows in more"
    count = max(1, len(losses) // 3)
    first, last = statistics.mean(losses[:count]), statistics.mean(losses[-count:])
    if last >= first:
        raise UserError(f"the loss does not fall: {first:.4g}, then {last:.4g}; give more --iterations")
    return f"the loss falls from {first:.4g} to {last:.4g}, means of the first and last {count} iterations"


def _means(losses: list["Losses"]) -> dict[str, float]:
    """Means over the images of all devices."""
    columns: dict[str, list[np.ndarray]] = {}
    for part in losses:
        *each, relations = part
        named = dict(zip(part._fields, each, strict=False))
        if relations is not None:
            named |= {"relation_loss": relations.loss, "center_mass": relations.center_mass}
        for name, values in named.items():
            columns.setdefault(name, []).append(values.asnumpy())
    return {name: float(np.concatenate(values).mean()) for name, values in columns.items()}


def prove(config: Config, dataset: ImageDataset, devices: list["mx.Context"], count: int) -> None:
    """Prints all there is to show.

    Raises:
        UserError: a shape is not as expected, or a loss is not finite, or they do not fall.
    """
    import mxnet as mx

    from vision.engine import make_learner, require_relations

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
    print(f"an iteration: {median_and_range(seconds[1:] or seconds)} s; the first is left out, it compiles")
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
    from vision.devices import find_devices
    from vision.weights.pretrained import find_weights

    config = dataclasses.replace(config, model=find_weights(config.model, arguments.data))
    devices = find_devices(arguments.gpus)
    print(f"{arguments.config} on {', '.join(map(str, devices))}, {machine_and_threads()}")
    with peak_resident() as peaks:
        prove(config, dataset, devices, arguments.iterations)
    print(f"memory at most: {peaks['anonymous']:,.0f} MiB, and {peaks['mapped']:,.0f} MiB of libraries")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench.prove_full_size",
        description="Trains a network of the paper's size for some iterations on one batch of the largest images, and "
        "shows its shapes, losses, time and memory.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="a file of vision/configs/paper/")
    add_data_option(parser)
    parser.add_argument("--dataset", help="whose images to take, by name or folder (default: the config's data set)")
    parser.add_argument("--split", help="of the data set (default: the config's training split)")
    parser.add_argument("--pretrained", help="imagenet, none or a .params file (default: as the config has it)")
    parser.add_argument("--iterations", type=count_from_1, default=10, metavar="N", help="how many (default: 10)")
    add_gpus_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
