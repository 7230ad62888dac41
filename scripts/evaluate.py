"""From the predictions in a run folder to the numbers in its `metrics.json`.

python -m scripts.evaluate classification RUN [RUN ...]     predictions.npz → accuracy
python -m scripts.evaluate center-mass RUN [RUN ...]        center_mass.npz → center-mass
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from data.errors import UserError, run_command
from data.files import read_arrays, read_json, write_json
from data.runs import RunFolder
from scripts.metrics.center_mass import mean_center_mass
from scripts.metrics.classification import accuracy, class_accuracies

Metrics = dict[str, float | int]
PREDICT_AGAIN = "remove it and run the predict command again"


def evaluate_classification(run: RunFolder) -> Metrics:
    """Top-1 accuracy over all documents, and its mean over the classes, from `predictions.npz`."""
    arrays = read_arrays(
        run.predictions,
        ["ids", "labels", "probabilities"],
        "prediction file",
        "the predict command writes it; remove a damaged one first",
    )
    probabilities, labels = arrays["probabilities"], arrays["labels"]
    with errors_named(run.predictions):
        require_ids(arrays["ids"], labels)
        return {
            "accuracy": accuracy(probabilities, labels),
            "class_accuracy": float(np.nanmean(class_accuracies(probabilities, labels))),
            "documents": len(labels),
        }


def evaluate_center_mass(run: RunFolder) -> Metrics:
    """Mean center-mass over the items that hold a pair, from `center_mass.npz`."""
    arrays = read_arrays(
        run.center_mass,
        ["ids", "center_mass"],
        "center-mass file",
        "the predict command writes it for variants with FAN; remove a damaged one first",
    )
    with errors_named(run.center_mass):
        require_ids(arrays["ids"], arrays["center_mass"])
        mean, with_pair, without_pair = mean_center_mass(arrays["center_mass"])
    return {
        "center_mass": mean,
        "center_mass_items": with_pair,
        "center_mass_items_without_pair": without_pair,
    }


def require_ids(ids: np.ndarray, values: np.ndarray) -> None:
    """Raises a `UserError` unless there is one id an item of `values` [D, …] and none comes twice."""
    if ids.shape != values.shape[:1]:
        raise UserError(f"ids {list(ids.shape)} and values {list(values.shape)} do not agree")
    if np.unique(ids).size < ids.size:
        raise UserError("some ids come twice")


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Completes the errors of functions that see only arrays: the file before them, the remedy after."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: {error}; {PREDICT_AGAIN}") from None


def merge_metrics(run: RunFolder, metrics: Metrics) -> None:
    """Puts `metrics` into the run's `metrics.json`, beside what other evaluations have put there."""
    path = run.path / "metrics.json"
    remedy = "remove it and evaluate again"
    kept = read_json(path, "metrics file", remedy) if path.exists() else {}
    if not isinstance(kept, dict):
        raise UserError(f"{path}: metrics file must hold names and numbers; {remedy}")
    write_json(path, kept | metrics)


def describe_classification(metrics: Metrics) -> str:
    """One line for the screen."""
    return (
        f"accuracy {metrics['accuracy']:.2%} of {metrics['documents']:,} documents, "
        f"{metrics['class_accuracy']:.2%} as mean over the classes"
    )


def describe_center_mass(metrics: Metrics) -> str:
    """One line for the screen."""
    return (
        f"center-mass {metrics['center_mass']:.4f} over {metrics['center_mass_items']:,} items with a pair, "
        f"{metrics['center_mass_items_without_pair']:,} without"
    )


def build_parser() -> argparse.ArgumentParser:
    """The command line: one subcommand a kind of prediction file."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.evaluate",
        description="Turns the predictions in run folders into numbers: prints a line a run, and writes "
        "them to RUN/metrics.json, from where scripts.report collects them.",
        epilog="example: python -m scripts.evaluate classification runs/mini/20news/*/seed0",
    )
    kinds = parser.add_subparsers(required=True, metavar="classification | center-mass")
    classification = kinds.add_parser(
        "classification",
        description="Accuracy from RUN/predictions.npz.",
        help="accuracy from predictions.npz",
    )
    classification.set_defaults(evaluate=evaluate_classification, describe=describe_classification)
    center_mass = kinds.add_parser(
        "center-mass",
        description="Center-mass from RUN/center_mass.npz.",
        help="center-mass from center_mass.npz",
    )
    center_mass.set_defaults(evaluate=evaluate_center_mass, describe=describe_center_mass)
    for kind in (classification, center_mass):
        kind.add_argument(
            "runs",
            nargs="+",
            type=Path,
            metavar="RUN",
            help="folder of a finished run: runs/<preset>/<data set>/<variant>/seed<k>",
        )
    return parser


def main() -> None:
    """Evaluates the runs in the order given; the first that cannot be evaluated ends the command."""
    options = build_parser().parse_args()
    for path in options.runs:
        run = RunFolder(path)
        run.require_finished()
        metrics = options.evaluate(run)
        merge_metrics(run, metrics)
        print(f"{path}: {options.describe(metrics)}", flush=True)


if __name__ == "__main__":
    run_command(main)
