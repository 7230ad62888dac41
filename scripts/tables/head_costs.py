"""What the heads of finished detection runs cost: parameters, multiply-adds of an image, and training time beside base.

The head is what works on ROIs: fc_new_1, fc_new_2, FAN or relation modules, cls_score, bbox_pred. Parameters and
multiply-adds follow from a run's config. A multiply-add, one multiplication and one addition, counts one, and those of
matrix products are counted, forward, for all ROIs of an image, as they are ordered here; softmaxes, sines of positions,
biases and all that moves data are not. What these take shows in the training steps: the runs take turns at them, side
by side on the machine at hand.

    head_parameters         in metrics.json
    head_multiply_adds
    step_ratio              the median, over rounds, of its training step : that of the first run
"""

import argparse
import statistics
from functools import partial
from pathlib import Path
from typing import NamedTuple

from data.common.config import read_config
from data.common.errors import UserError, run_command
from data.common.files import read_json
from data.common.options import add_gpus_option, choose_gpus, count_from_1
from data.common.runs import RunFolder
from scripts.bench.training_steps import made_up_batch, milliseconds, train_on, unchanging_learner
from scripts.bench.turns import machine_and_threads, median_and_range, take_turns
from scripts.evaluation.metrics_file import merge_metrics, read_metrics
from vision.config import HEADS, Config, ModelConfig

EXAMPLE = """\
example:
  python -m scripts.tables.head_costs runs/mini/voc07/{base,rn,fan-unsup}/seed0
"""

METRICS = ("head_parameters", "head_multiply_adds", "step_ratio")


class Costs(NamedTuple):
    """How many numbers a head has, and how many multiply-adds an image takes."""

    parameters: int
    multiply_adds: int


def head_costs(model: ModelConfig, classes: int) -> Costs:
    """Those of a head with all of its ROIs.

    Args:
        classes: categories, without background.
    """
    from vision.models.detector import POOLED

    units, rois = model.fc_units, model.rois
    costs = [
        _layer(model.roi_channels * POOLED**2, units, rois),
        _layer(units, units, rois),
        _layer(units, 1 + classes, rois),
        _layer(units, 8, rois),
    ]
    if model.focused_attention:
        costs.append(_attention(model))
    costs += [_relation_module(model)] * len(model.modules)
    return Costs(*map(sum, zip(*costs, strict=True)))


def _layer(inputs: int, outputs: int, times: int) -> Costs:
    """A fully connected layer with a bias, applied `times`."""
    return Costs((inputs + 1) * outputs, times * inputs * outputs)


def _attention(model: ModelConfig) -> Costs:
    """FAN: two projections without a bias, W = K Qᵀ, and W_agg F; W_out where there is one."""
    projections = 2 * model.fc_units * model.d_k + model.linear_out * model.fc_units**2
    pairs = model.rois**2
    return Costs(projections, model.rois * projections + pairs * (model.d_k + model.fc_units))


def _relation_module(model: ModelConfig) -> Costs:
    """Two projections, geometric weights of all pairs, values; products of pairs, and sums of each head's values."""
    from vision.models.relation_module import POSITION

    units, rois, pairs = model.fc_units, model.rois, model.rois**2
    layers = [
        *[_layer(units, model.d_k, rois)] * 2,
        _layer(POSITION, HEADS, pairs),
        _layer(units, units, rois),
    ]
    parameters, products = map(sum, zip(*layers, strict=True))
    return Costs(parameters, products + pairs * (model.d_k + units))


def measure(folders: list[Path], gpus: str | None, rounds: int, steps: int) -> None:
    """Writes the costs of finished runs to the `metrics.json` of each, and prints them.

    Raises:
        UserError: a run is not finished, or they are not of one data set and size of images.
    """
    configs = {folder: _config_of(folder) for folder in folders}
    first = configs[folders[0]]
    for folder, config in configs.items():
        if (config.preset, config.dataset, config.images) != (first.preset, first.dataset, first.images):
            raise UserError(f"{folder}: is of other images than {folders[0]}; give runs of one preset and data set")
    from vision.checkpoint import read_classes
    from vision.devices import find_devices, names

    devices = find_devices(gpus)
    classes = len(read_classes(RunFolder(folders[0])))
    batch = made_up_batch(first, classes)
    learners = {folder: unchanging_learner(config, classes, devices) for folder, config in configs.items()}
    turns = {
        folder: partial(milliseconds, partial(train_on, learner, [batch]), steps)
        for folder, learner in learners.items()
    }
    print(f"{names(devices)}, {machine_and_threads()}; medians of {rounds} turns (range)")
    times = take_turns(turns, rounds)
    for folder, config in configs.items():
        ratios = [one / other for one, other in zip(times[folder], times[folders[0]], strict=True)]
        costs = head_costs(config.model, classes)
        merge_metrics(folder, dict(zip(METRICS, (*costs, statistics.median(ratios)), strict=True)))
        print(
            f"{folder}: head of {costs.parameters:,} parameters, {costs.multiply_adds:,} multiply-adds an image; a "
            f"training step {median_and_range(times[folder])} ms, to that of the first {median_and_range(ratios)}"
        )


def _config_of(folder: Path) -> Config:
    run = RunFolder(folder)
    run.require_finished()
    return read_config(Config, run.config_path)


def is_measured(folder: Path) -> bool:
    """Whether all costs of a run stand in its `metrics.json`."""
    path = folder / "metrics.json"
    return path.exists() and set(METRICS) <= set(read_json(path, "metrics file", "remove it and evaluate again"))


def main() -> None:
    """Command line of `python -m scripts.tables.head_costs`."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.tables.head_costs",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="folders of finished runs, first the one to compare with"
    )
    parser.add_argument("--rounds", type=count_from_1, default=9, metavar="N", help="turns each takes (default: 9)")
    parser.add_argument("--steps", type=count_from_1, default=1, metavar="N", help="training steps a turn (default: 1)")
    parser.add_argument("--again", action="store_true", help="measure what has been measured before, too")
    add_gpus_option(parser)
    arguments = parser.parse_args()
    if all(map(is_measured, arguments.runs)) and not arguments.again:
        print(f"{arguments.runs[0]} and {len(arguments.runs) - 1} others: are measured already")
        return
    choose_gpus(arguments.gpus)
    measure(arguments.runs, arguments.gpus, arguments.rounds, arguments.steps)


if __name__ == "__main__":
    run_command(main)
