"""From the predictions in a run folder to the numbers in its `metrics.json`.

python -m scripts.evaluate classification RUN [RUN ...]          predictions.npz → accuracy
python -m scripts.evaluate detection RUN [RUN ...] --data DIR    detections.json → average precision
python -m scripts.evaluate relations RUN [RUN ...] --data DIR    relations.npz → recall over K
python -m scripts.evaluate center-mass RUN [RUN ...]             center_mass.npz, log.jsonl → center-mass
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
from tqdm import tqdm

from data.errors import UserError, run_command
from data.files import read_arrays, read_json, read_yaml, write_json
from data.images import read_images
from data.options import add_data_option
from data.records import ImageDataset, ImageRecord
from data.runs import RunFolder
from scripts.metrics.center_mass import mean_center_mass
from scripts.metrics.classification import accuracy, class_accuracies
from scripts.metrics.detection import average_precisions, objects_of
from scripts.metrics.relations import Recall, Rule, ranks_of_relations, recall, relations_of
from scripts.predictions import Proposals, read_detections, read_relations

Metrics = dict[str, float | int]
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


def evaluate_detection(run: RunFolder, data: Path) -> Metrics:
    """Mean average precisions over the categories, and those of each category, from `detections.json`.

    `map` and `map_50` are COCO's, `voc_map_50` and `voc_area_map_50` VOC's; `ap/<category>` and so on are what they are
    the means of. A category without an object to find has none.
    """
    dataset = read_test_images(run, data)
    detections = read_detections(run.detections, dataset)
    precisions = average_precisions(detections, objects_of(dataset), len(dataset.classes))._asdict()
    if np.isnan(precisions["ap"]).all():
        raise UserError(f"{data}: the test images of this run hold no object to find; give their annotations")
    means = {name.replace("ap", "map"): float(np.nanmean(values)) for name, values in precisions.items()}
    categories = {
        f"{name}/{category}": value
        for name, values in precisions.items()
        for category, value in zip(dataset.classes, values.tolist(), strict=True)
        if not np.isnan(value)
    }
    return means | {"detections": len(detections.scores), "images": len(dataset.records)} | categories


def evaluate_relations(run: RunFolder, data: Path, top_k: list[int], rule: Rule, unordered: bool = False) -> Metrics:
    """Recall of relations at each K, as mean over the images and pooled, from `relations.npz`.

    Args:
        unordered: whether a pair of ROIs may find an annotated relation in either order; others have none.
    """
    if unordered and rule != "annotated":
        raise UserError(f"--unordered: relations by the rule {rule} have no order; leave it out, or --rule annotated")
    dataset = read_test_images(run, data)
    if rule == "annotated" and dataset.records[0].relations is None:
        raise UserError(f"{data}: nobody has annotated relations in the test images of this run; give another --rule")
    found = recall_from(run.relations, dataset, top_k, rule, directed=rule == "annotated" and not unordered)
    if not found.images:
        raise UserError(f"{data}: no test image of this run holds a relation ({rule}); give images that do")
    prefix = ("" if rule == "different_category" else f"{rule}_") + ("unordered_" if unordered else "")
    return {
        **{f"{prefix}recall@{k}": value for k, value in zip(top_k, found.mean.tolist(), strict=True)},
        **{f"{prefix}pooled_recall@{k}": value for k, value in zip(top_k, found.pooled.tolist(), strict=True)},
        f"{prefix}relations": found.relations,
        f"{prefix}relation_images": found.images,
        f"{prefix}images_without_relation": len(dataset.records) - found.images,
    }


def recall_from(path: Path, dataset: ImageDataset, top_k: list[int], rule: Rule, directed: bool) -> Recall:
    """Recall at each K from a `relations.npz`, image by image, so that memory is flat."""
    records = dataset.records
    places = {record.id: place for place, record in enumerate(records)}
    images = tqdm(
        read_relations(path, places.keys(), max(top_k)),
        total=len(records),
        desc="recall",
        unit="image",
        delay=5,
        leave=False,
    )
    ranks = (rank_relations(proposals, records[places[proposals.image_id]], rule, directed) for proposals in images)
    return recall(ranks, top_k)


def rank_relations(proposals: Proposals, record: ImageRecord, rule: Rule, directed: bool) -> np.ndarray:
    """At which pair each relation of an image is found."""
    return ranks_of_relations(
        proposals.rois, proposals.pairs, record.boxes, relations_of(record, rule), directed=directed
    )


def read_test_images(run: RunFolder, data: Path) -> ImageDataset:
    """The images a run is tested on: of the `dataset` in its config the split `images.test_split`."""
    config = read_yaml(run.config_path, "config of a run", TRAIN_AGAIN)
    try:
        name, split = config["dataset"], config["images"]["test_split"]
    except (KeyError, TypeError):
        raise UserError(
            f"{run.config_path}: names no dataset and images.test_split, so it is no run on images; {TRAIN_AGAIN}"
        ) from None
    return read_once(name, data, split)


read_once = cache(read_images)  # several runs on one data set share it


def evaluate_center_mass(run: RunFolder) -> Metrics:
    """Mean center-mass over the items that hold a pair, from `center_mass.npz`.

    Beside it `train_center_mass`, the mean over the last epoch of training, where the log has it.
    """
    arrays = read_arrays(
        run.center_mass,
        ["ids", "center_mass"],
        "center-mass file",
        "the predict command writes it for variants with FAN; remove a damaged one first",
    )
    with errors_named(run.center_mass):
        require_ids(arrays["ids"], arrays["center_mass"])
        mean, with_pair, without_pair = mean_center_mass(arrays["center_mass"])
    metrics = {
        "center_mass": mean,
        "center_mass_items": with_pair,
        "center_mass_items_without_pair": without_pair,
    }
    last_epoch = (run.epochs() or [{}])[-1]
    if "center_mass" in last_epoch:
        metrics["train_center_mass"] = last_epoch["center_mass"]
    return metrics


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


def describe_detection(metrics: Metrics) -> str:
    """One line for the screen."""
    return (
        f"mAP@0.50:0.95 {metrics['map']:.2%}, mAP@0.50 {metrics['map_50']:.2%}; "
        f"VOC mAP@0.5 {metrics['voc_map_50']:.2%} at 11 points, {metrics['voc_area_map_50']:.2%} as area; "
        f"{metrics['detections']:,} detections in {metrics['images']:,} images"
    )


def describe_relations(metrics: Metrics) -> str:
    """One line for the screen."""
    recalls = ", ".join(
        f"{name} {value:.2%}" for name, value in metrics.items() if "@" in name and "pooled" not in name
    )
    relations, images, without = (value for name, value in metrics.items() if "@" not in name)
    return f"{recalls}; {relations:,} relations in {images:,} images, {without:,} without"


def describe_center_mass(metrics: Metrics) -> str:
    """One line for the screen."""
    in_training = metrics.get("train_center_mass")
    return (
        f"center-mass {metrics['center_mass']:.4f} over {metrics['center_mass_items']:,} items with a pair, "
        f"{metrics['center_mass_items_without_pair']:,} without"
        + (f"; {in_training:.4f} in the last epoch of training" if in_training is not None else "")
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
    detection.set_defaults(evaluate=evaluate_detection, describe=describe_detection)
    relations = kinds.add_parser(
        "relations",
        description="Recall of relations over K from RUN/relations.npz.",
        epilog="example: python -m scripts.evaluate relations runs/paper/voc07/*/seed0 --top-k 100,5000",
        help="recall of relations from relations.npz",
    )
    relations.set_defaults(evaluate=evaluate_relations, describe=describe_relations)
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
        "--unordered",
        action="store_true",
        help="annotated relations may be found in either order (these numbers are named so)",
    )
    center_mass = kinds.add_parser(
        "center-mass",
        description="Center-mass from RUN/center_mass.npz, and that of the last epoch of training from RUN/log.jsonl.",
        help="center-mass from center_mass.npz",
    )
    center_mass.set_defaults(evaluate=evaluate_center_mass, describe=describe_center_mass)
    for kind in (detection, relations):
        add_data_option(kind)  # for the true objects
    for kind in (classification, detection, relations, center_mass):
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
    options = vars(build_parser().parse_args())
    evaluate, describe, paths = (options.pop(name) for name in ("evaluate", "describe", "runs"))
    for path in paths:
        run = RunFolder(path)
        run.require_finished()
        metrics = evaluate(run, **options)  # what is left are the options of this kind
        merge_metrics(run, metrics)
        print(f"{path}: {describe(metrics)}", flush=True)


if __name__ == "__main__":
    run_command(main)
