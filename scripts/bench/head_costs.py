"""Parameters, multiply-adds and training time of detection heads; `scripts.tables.head_costs` is the command."""

import statistics
from functools import partial
from pathlib import Path
from typing import NamedTuple

from data.common.config import read_config
from data.common.errors import UserError
from data.common.runs import RunFolder
from scripts.bench.measuring import machine_and_threads, median_and_range, milliseconds, take_turns
from scripts.bench.training_steps import made_up_batch, train_on, unchanging_learner
from scripts.evaluation.metrics_file import merge_metrics
from vision.checkpoint import read_classes
from vision.config import HEADS, Config, ModelConfig
from vision.devices import find_devices, names
from vision.models.detector import POOLED
from vision.models.relation_module import POSITION


class Costs(NamedTuple):
    """Number of parameters, and of multiply-adds per image."""

    parameters: int
    multiply_adds: int


def head_costs(model: ModelConfig, classes: int) -> Costs:
    """The costs of a head with all ROIs of an image; `classes` excludes the background."""
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
    """FAN: two projections without bias, W = K Qᵀ and W_agg F, and optionally W_out."""
    projections = 2 * model.fc_units * model.d_k + model.linear_out * model.fc_units**2
    pairs = model.rois**2
    return Costs(projections, model.rois * projections + pairs * (model.d_k + model.fc_units))


def _relation_module(model: ModelConfig) -> Costs:
    """Two projections, geometric weights of all pairs, values, products of pairs, and weighted sums of each head."""
    units, rois, pairs = model.fc_units, model.rois, model.rois**2
    layers = [
        *[_layer(units, model.d_k, rois)] * 2,
        _layer(POSITION, HEADS, pairs),
        _layer(units, units, rois),
    ]
    parameters, products = map(sum, zip(*layers, strict=True))
    return Costs(parameters, products + pairs * (model.d_k + units))


def measure(
    folders: list[Path], names_of_metrics: tuple[str, str, str], gpus: str | None, rounds: int, steps: int
) -> None:
    """Prints the costs of finished runs and adds them to the `metrics.json` of each, under `names_of_metrics`.

    Raises:
        UserError: a run is not finished, or the runs differ in preset, dataset or size of images.
    """
    configs = {folder: _config_of(folder) for folder in folders}
    first = configs[folders[0]]
    for folder, config in configs.items():
        if (config.preset, config.dataset, config.images) != (first.preset, first.dataset, first.images):
            raise UserError(f"{folder}: other images than in {folders[0]}; give runs of one preset and dataset")
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
        merge_metrics(folder, dict(zip(names_of_metrics, (*costs, statistics.median(ratios)), strict=True)))
        print(
            f"{folder}: head with {costs.parameters:,} parameters and {costs.multiply_adds:,} multiply-adds per image; "
            f"training step {median_and_range(times[folder])} ms, {median_and_range(ratios)} times the first run's"
        )


def _config_of(folder: Path) -> Config:
    run = RunFolder(folder)
    run.require_finished()
    return read_config(Config, run.config_path)
