"""Estimates the memory of a detector on each device: `python -m scripts.bench.planned_memory CONFIG`.

Binds the network, with and without gradients, to images of the config's largest size. MXNet's planner reports the
memory of the layers' outputs; the arrays of weights and gradients are added. Nothing is computed and no weights are
read, so this takes seconds on a CPU.

Not counted: losses and targets, cuDNN workspaces, CUDA itself, and memory that MXNet keeps for reuse.
"""

import argparse
import re
from pathlib import Path
from typing import NamedTuple

import mxnet as mx

from data.common.config import read_config
from data.common.errors import UserError, run_command
from data.common.options import count_from_1
from scripts.bench.prove_full_size import CLASSES
from vision.config import Config
from vision.models.detector import Detector

EXAMPLE = """\
example:
  python -m scripts.bench.planned_memory vision/configs/paper/voc07/fan-sup.yaml
"""

MEBIBYTE = 2**20


class Planned(NamedTuple):
    """Bytes of the layers' outputs, weights and statistics, gradients, and momenta of SGD."""

    outputs: int
    weights: int
    gradients: int
    momenta: int


def planned_memory(config: Config, classes: int, images: int, training: bool) -> Planned:
    """The memory of one device.

    Args:
        classes: number of categories, without background.
        images: number of images on the device.
        training: whether gradients and momenta are needed.
    """
    detector = Detector(config.model, classes)
    if config.model.pretrained != "none":
        detector.backbone.freeze()
    outputs = detector(mx.sym.var("images"), mx.sym.var("sizes"))
    group = mx.sym.Group([output for output in outputs if output is not None])
    learned = {name: parameter.grad_req for name, parameter in detector.collect_params().items() if training}
    executor = group.simple_bind(
        mx.cpu(),
        grad_req={name: learned.get(name, "null") for name in group.list_arguments()},
        images=(images, 3, config.images.short_side, config.images.long_side),
        sizes=(images, 2),
    )
    allocated = re.search(r"Total (\d+) MB allocated", executor.debug_str())
    gradients = _bytes(executor.grad_arrays)
    weights = _bytes(executor.arg_arrays + executor.aux_arrays) - _bytes([executor.arg_dict["images"]])
    return Planned(int(allocated[1]) * MEBIBYTE, weights, gradients, gradients)


def _bytes(arrays: list) -> int:
    return sum(4 * array.size for array in arrays if array is not None)  # float32


def show(planned: Planned) -> str:
    """The parts and their sum in MiB."""
    parts = [f"{size / MEBIBYTE:,.0f} of {name}" for name, size in planned._asdict().items() if size]
    return f"{' + '.join(parts)} = {sum(planned) / MEBIBYTE:,.0f} MiB"


def main() -> None:
    """Command line of `python -m scripts.bench.planned_memory`."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench.planned_memory",
        description="Estimates the memory of a detector on each device, as planned by MXNet.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="a file in vision/configs/")
    parser.add_argument("--images", type=count_from_1, default=[1, 2], nargs="+", metavar="N", help="(default: 1 2)")
    parser.add_argument("--classes", type=count_from_1, help="number of categories (default: that of the paper)")
    arguments = parser.parse_args()
    config = read_config(Config, arguments.config)
    classes = arguments.classes or CLASSES.get(config.dataset)
    if not classes:
        raise UserError(f"{arguments.config}: unknown number of categories of {config.dataset}; give --classes")
    size = f"{config.images.short_side} x {config.images.long_side}"
    print(f"{arguments.config}: images of {size}, {config.model.rois} ROIs, float32; per device:")
    for images in arguments.images:
        for name, training in (("training", True), ("prediction", False)):
            planned = planned_memory(config, classes, images, training)
            print(f"  {name}, {images} {'image' if images == 1 else 'images'}: {show(planned)}")


if __name__ == "__main__":
    run_command(main)
