"""From the predictions in a run folder to the numbers in its `metrics.json`.

python -m scripts.evaluate classification RUN [RUN ...]          predictions.npz → accuracy
python -m scripts.evaluate detection RUN [RUN ...] --data DIR    detections.json → average precision
python -m scripts.evaluate relations RUN [RUN ...] --data DIR    relations.npz → recall over K
python -m scripts.evaluate center-mass RUN [RUN ...]             center_mass.npz → center-mass

Detections and relations may also be in a file of their own, see `scripts.evaluation.files`.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np

from data.common.errors import UserError, run_command
from data.common.files import read_arrays, read_json, read_yaml, write_json
from data.common.options import add_data_option
from data.common.runs import RunFolder
from data.images.datasets import read_images
from data.images.subset import Subset
from data.records import ImageDataset
from scripts.evaluation.files import add_file_options, take_file
from scripts.evaluation.image_metrics import (
    Metrics,
    describe_detection,
    describe_relations,
    detection_metrics,
    relation_metrics,
)
from scripts.evaluation.metrics.center_mass import mean_center_mass
from scripts.evaluation.metrics.classification import accuracy, class_accuracies
from scripts.evaluation.metrics.relations import Rule

PREDICT_AGAIN = "remove it and run the predict command again"
TRAIN_AGAIN = "remove the run folder and train again"
TOP_K = "10,50,100,200,500,1000,2000,5000"


def evaluate_classification(run: RunFolder) -> Metrics:
    """Top-1 accuracy over all documents or images, and its mean over the classes, from `predictions.npz`."""
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


def evaluate_detection(run: RunFolder, data: Path, nms: str = "soft") -> Metrics:
    """Mean average precisions over the categories, and those of each, from `detections.json`.

    With hard NMS they are from `detections.hard_nms.json`, and their names begin with `hard_nms_`.
    """
    path = run.hard_detections if nms == "hard" else run.detections
    return detection_metrics(path, read_test_images(run, data), data, nms)


def evaluate_relations(run: RunFolder, data: Path, **options: Any) -> Metrics:
    """Recall of relations at each K, from `relations.npz`; the options are those of `relation_metrics`."""
    return relation_metrics(run.relations, read_test_images(run, data), data, **options)


def read_test_images(run: RunFolder, data: Path) -> ImageDataset:
    """The images a run is tested on: `images.test_split` of its `dataset`, restricted as its config says."""
    config = read_yaml(run.config_path, "config of a run", TRAIN_AGAIN)
    try:
        name, images = config["dataset"], config["images"]
        split = images["test_split"]
    except (KeyError, TypeError):
        raise UserError(
            f"{run.config_path}: names no dataset and images.test_split, so it is no run on images; {TRAIN_AGAIN}"
        ) from None
    subset = Subset(images.get("id_lists", ""), tuple(images.get("categories", ())))
    return read_once(name, data, split, subset=subset)


read_once = cache(read_images)  # several runs on one data set share it


def evaluate_center_mass(run: RunFolder) -> Metrics:
    """Mean center-mass over the items that have a pair, and that of equal weights, from `center_mass.npz`.

    Where the finished network was measured on its training images (`training_center_mass.npz`), these as well, with
    names that begin with `training_`. The running mean of an epoch of training is in the log alone: while it was made,
    the network changed.
    """
    metrics = _center_mass_of(run.center_mass)
    if run.training_center_mass.exists():
        training = _center_mass_of(run.training_center_mass)
        metrics |= {f"training_{name}": value for name, value in training.items()}
    return metrics


def _center_mass_of(path: Path) -> Metrics:
    """The numbers of one file of center-masses."""
    arrays = read_arrays(
        path,
        ["ids", "center_mass", "uniform"],
        "center-mass file",
        "run the predict command of a variant with FAN, which also replaces a file of an older version",
    )
    with errors_named(path):
        require_ids(arrays["ids"], arrays["center_mass"])
        require_ids(arrays["ids"], arrays["uniform"])
        mean, with_pair, without_pair = mean_center_mass(arrays["center_mass"])
        uniform = mean_center_mass(arrays["uniform"]).mean
    return {
        "center_mass": mean,
        "uniform_center_mass": uniform,
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
        f"accuracy {metrics['accuracy']:.2%} of {metrics['documents']:,} items, "
        f"{metrics['class_accuracy']:.2%} as mean over the classes"
    )


def describe_center_mass(metrics: Metrics) -> str:
    """One line for the screen."""
    line = _describe_center_mass(metrics, "")
    if "training_center_mass" in metrics:
        line += f"; of training items {_describe_center_mass(metrics, 'training_')}"
    return line


def _describe_center_mass(metrics: Metrics, prefix: str) -> str:
    return (
        f"center-mass {metrics[f'{prefix}center_mass']:.4f} "
        f"({metrics[f'{prefix}uniform_center_mass']:.4f} for equal weights) "
        f"over {metrics[f'{prefix}center_mass_items']:,} items with a pair, "
        f"{metrics[f'{prefix}center_mass_items_without_pair']:,} without"
    )


def positive_numbers(text: str) -> list[int]:
    """`10,50` as numbers, rising, each once."""
    numbers = text.split(",")
    if not all(number.isdecimal() and int(number) > 0 for number in numbers):
        raise argparse.ArgumentTypeError(f"{text} is no list of whole numbers above 0, as 10,50,100")
    return sorted({int(number) for number in numbers})


def build_parser() -> argparse.ArgumentParser:
    """The command line: one subcommand a kind of prediction file."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.evaluate",
        description="Turns the predictions in run folders into numbers: prints a line a run, and writes "
        "them to RUN/metrics.json, from where scripts.report collects them.",
        epilog="example: python -m scripts.evaluate classification runs/mini/20news/*/seed0",
    )
    kinds = parser.add_subparsers(required=True, metavar="classification | detection | relations | center-mass")
    classification = kinds.add_parser(
        "classification",
        description="Accuracy from RUN/predictions.npz.",
        help="accuracy from predictions.npz",
    )
    classification.set_defaults(evaluate=evaluate_classification, describe=describe_classification)
    detection = kinds.add_parser(
        "detection",
        description="Average precision from RUN/detections.json: COCO's, and VOC's at 11 points and as area.",
        help="average precision from detections.json",
    )
    detection.set_defaults(evaluate=evaluate_detection, of_file=detection_metrics, describe=describe_detection)
    detection.add_argument(
        "--nms",
        choices=["soft", "hard"],
        default="soft",
        help="hard: those of RUN/detections.hard_nms.json, which vision.predict --nms hard writes; the numbers' names "
        "begin with hard_nms_ (default: %(default)s)",
    )
    relations = kinds.add_parser(
        "relations",
        description="Recall of relations over K from RUN/relations.npz: of the pairs ranked by W̃ and by W_agg, and of "
        "orders that use no pair weights: random, the RPN's and the detector's.",
        epilog="example: python -m scripts.evaluate relations runs/paper/voc07/*/seed0 --top-k 100,5000",
        help="recall of relations from relations.npz",
    )
    relations.set_defaults(evaluate=evaluate_relations, of_file=relation_metrics, describe=describe_relations)
    relations.add_argument(
        "--top-k",
        type=positive_numbers,
        default=TOP_K,
        metavar="K,K,...",
        help="how many pairs of an image may find its relations (default: %(default)s; of more than 5,000, "
        "python -m vision.predict RUN --pairs N keeps them)",
    )
    relations.add_argument(
        "--rule",
        choices=get_args(Rule),
        default="different_category",
        help="which objects of an image are related (default: %(default)s; the numbers of the others bear their "
        "names); annotated relations lead from subject to object",
    )
    relations.add_argument(
        "--distinct",
        action="store_true",
        help="also measure recall after passing over the pairs that repeat a better one: both boxes overlap that "
        "pair's, in the same order, with an IoU above 0.5",
    )
    relations.add_argument(
        "--unordered",
        action="store_true",
        help="annotated relations may be found in either order (these numbers are named so)",
    )
    center_mass = kinds.add_parser(
        "center-mass",
        description="Center-mass from RUN/center_mass.npz and, where it is there, RUN/training_center_mass.npz.",
        help="center-mass from center_mass.npz",
    )
    center_mass.set_defaults(evaluate=evaluate_center_mass, describe=describe_center_mass)
    for kind, name in ((detection, "detections"), (relations, "relations")):
        add_data_option(kind)  # for the true objects
        add_file_options(kind, name)
    for kind in (classification, detection, relations, center_mass):
        kind.add_argument(
            "runs",
            nargs="*" if kind in (detection, relations) else "+",
            type=Path,
            metavar="RUN",
            help="folder of a finished run: runs/<preset>/<data set>/<variant>/seed<k>",
        )
    return parser


def main() -> None:
    """Evaluates the runs in the order given, or the file; the first that cannot be evaluated ends the command."""
    options = vars(build_parser().parse_args())
    evaluate, describe, paths = (options.pop(name) for name in ("evaluate", "describe", "runs"))
    if of_file := options.pop("of_file", None):
        file = take_file(options, paths)
        if file:
            dataset = read_once(file.dataset, options["data"], file.split)
            metrics = of_file(file.path, dataset, **options)
            file.keep(metrics)
            print(f"{file.path}: {describe(metrics)}")
            return
    for path in paths:
        run = RunFolder(path)
        run.require_finished()
        metrics = evaluate(run, **options)  # what is left are the options of this kind
        merge_metrics(run, metrics)
        print(f"{path}: {describe(metrics)}", flush=True)


if __name__ == "__main__":
    run_command(main)
