"""Computes metrics from the predictions in a run folder and writes them to its `metrics.json`.

python -m scripts.evaluate classification RUN [RUN ...]          predictions.npz → accuracy
python -m scripts.evaluate detection RUN [RUN ...] --data DIR    detections.json → average precision
python -m scripts.evaluate relations RUN [RUN ...] --data DIR    relations.npz → recall over K
python -m scripts.evaluate center-mass RUN [RUN ...]             center_mass.npz → center-mass

Detections and relations may also be in a file outside a run folder, for example from the authors' code of Relation
Networks; `scripts/evaluation/predictions.py` describes the formats. Pickles are never loaded.

python -m scripts.evaluate detection --detections FILE.json --dataset NAME --split SPLIT --data DIR
python -m scripts.evaluate relations --relations FILE.npz --dataset NAME --split SPLIT --data DIR
"""

import argparse
from functools import cache
from pathlib import Path
from typing import Any, get_args

from data.common.errors import UserError, run_command
from data.common.files import read_yaml, write_json
from data.common.options import add_data_option
from data.common.runs import RunFolder
from data.images.datasets import read_images
from data.images.relations import Rule
from data.images.subset import Subset
from data.records import ImageDataset
from scripts.evaluation.images import describe_detection, describe_relations, detection_metrics, relation_metrics
from scripts.evaluation.items import (
    Metrics,
    center_mass_metrics,
    classification_metrics,
    describe_center_mass,
    describe_classification,
)
from scripts.evaluation.metrics_file import merge_metrics

TRAIN_AGAIN = "delete the run folder and train again"
TOP_K = "10,50,100,200,500,1000,2000,5000"

PICKLE_SUFFIXES = {".pkl", ".pickle"}
PICKLE = b"\x80"  # First byte of every pickle since protocol 2; JSON and zip archives begin otherwise.
FORMATS = {"detections": "the COCO results JSON that is written next to it", "relations": "a relations.npz"}


# --- a run ----------------------------------------------------------------------------------------------------------


def evaluate_classification(run: RunFolder) -> Metrics:
    """Accuracy, from `predictions.npz`."""
    return classification_metrics(run.predictions)


def evaluate_detection(run: RunFolder, data: Path, nms: str = "soft") -> Metrics:
    """Average precisions, from `detections.json`, or with hard NMS from `detections.hard_nms.json`."""
    path = run.hard_detections if nms == "hard" else run.detections
    return detection_metrics(path, read_test_images(run, data), data, nms)


def evaluate_relations(run: RunFolder, data: Path, **options: Any) -> Metrics:
    """Recall of relations at each K, from `relations.npz`; options as for `relation_metrics`."""
    return relation_metrics(run.relations, read_test_images(run, data), data, **options)


def evaluate_center_mass(run: RunFolder) -> Metrics:
    """Center-mass of the test items, from `center_mass.npz`, and of the training images if they were predicted.

    Both are measured with the finished network. The running mean of a training epoch is in the log only, because the
    network changes during the epoch.
    """
    metrics = center_mass_metrics(run.center_mass)
    if run.training_center_mass.exists():
        metrics |= center_mass_metrics(run.training_center_mass, "training_")
    return metrics


def read_test_images(run: RunFolder, data: Path) -> ImageDataset:
    """The test images of a run: `images.test_split` of its `dataset`, restricted as its config says."""
    config = read_yaml(run.config_path, "config of a run", TRAIN_AGAIN)
    try:
        name, images = config["dataset"], config["images"]
        split = images["test_split"]
    except (KeyError, TypeError):
        raise UserError(
            f"{run.config_path}: no dataset or images.test_split, so this is not a run on images; {TRAIN_AGAIN}"
        ) from None
    subset = Subset(images.get("id_lists", ""), tuple(images.get("categories", ())))
    return read_once(name, data, split, subset=subset)


read_once = cache(read_images)  # runs on one dataset share it


# --- a file outside a run folder ------------------------------------------------------------------------------------


def evaluate_file(options: dict[str, Any]) -> None:
    """Evaluates `--detections` or `--relations` FILE, prints the metrics and writes them to `--out`, if given.

    Raises:
        UserError: the dataset or split is missing, or the file is a pickle.
    """
    measure, describe, name, path, dataset, split, out = (
        options.pop(key) for key in ("measure", "describe", "file_option", "file", "dataset", "split", "out")
    )
    if not dataset or not split:
        raise UserError(f"--{name} {path}: does not name its images; give --dataset and --split")
    if _is_pickle(path):
        raise UserError(f"{path}: refusing to load a pickle: it can execute code; give {FORMATS[name]}")
    metrics = measure(path, read_once(dataset, options["data"], split), **options)
    if out:
        write_json(out, metrics)
    print(f"{path}: {describe(metrics)}")


def _is_pickle(path: Path) -> bool:
    if path.suffix in PICKLE_SUFFIXES:
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(1) == PICKLE


# --- command line ---------------------------------------------------------------------------------------------------


def main() -> None:
    """Evaluates the runs in the order given, or one file; stops at the first error."""
    options = vars(build_parser().parse_args())
    paths, evaluate = options.pop("runs"), options.pop("evaluate")
    if name := options.get("file_option"):
        file, others = options["file"], (options["dataset"], options["split"], options["out"])
        if file and paths:
            raise UserError(f"--{name} {file}: cannot be combined with runs; omit {paths[0]}, or the file")
        if file:
            return evaluate_file(options)
        if not paths:
            raise UserError(f"no run to evaluate; give a run folder, or --{name} FILE")
        if any(others):
            raise UserError(f"--dataset, --split, --out: need --{name} FILE; omit them, a run has its own dataset")
        for key in ("measure", "file_option", "file", "dataset", "split", "out"):
            del options[key]
    describe = options.pop("describe")
    for path in paths:
        run = RunFolder(path)
        run.require_finished()
        metrics = evaluate(run, **options)  # the remaining options are those of this kind of evaluation
        merge_metrics(run.path, metrics)
        print(f"{path}: {describe(metrics)}", flush=True)


def build_parser() -> argparse.ArgumentParser:
    """The command line: one subcommand per kind of prediction file."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.evaluate",
        description="Computes metrics from the predictions in run folders, prints one line per run and writes them to "
        "RUN/metrics.json, which scripts.report reads.",
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
    detection.set_defaults(evaluate=evaluate_detection, measure=detection_metrics, describe=describe_detection)
    detection.add_argument(
        "--nms",
        choices=["soft", "hard"],
        default="soft",
        help="hard: evaluate RUN/detections.hard_nms.json of vision.predict --nms hard; names of metrics begin with "
        "hard_nms_ (default: %(default)s)",
    )
    relations = kinds.add_parser(
        "relations",
        description="Recall of relations over K from RUN/relations.npz: of pairs ranked by W̃ and by W_agg, and of "
        "reference orders that use no attention: random, the RPN's and the detector's.",
        epilog="example: python -m scripts.evaluate relations runs/paper/voc07/*/seed0 --top-k 100,5000",
        help="recall of relations from relations.npz",
    )
    relations.set_defaults(evaluate=evaluate_relations, measure=relation_metrics, describe=describe_relations)
    relations.add_argument(
        "--top-k",
        type=positive_numbers,
        default=TOP_K,
        metavar="K,K,...",
        help="numbers of top-ranked pairs (default: %(default)s); for more than 5,000, run vision.predict RUN "
        "--pairs N first",
    )
    relations.add_argument(
        "--rule",
        choices=get_args(Rule),
        default="different_category",
        help="which objects are related (default: %(default)s); names of metrics begin with any other rule. Annotated "
        "relations are directed, from subject to object",
    )
    relations.add_argument(
        "--distinct",
        action="store_true",
        help="also measure recall without duplicate pairs: both boxes overlap those of a better pair, in the same "
        "order, with an IoU above 0.5",
    )
    relations.add_argument(
        "--unordered",
        action="store_true",
        help="match annotated relations in either order; names of metrics contain unordered_",
    )
    center_mass = kinds.add_parser(
        "center-mass",
        description="Center-mass from RUN/center_mass.npz and, if present, RUN/training_center_mass.npz.",
        help="center-mass from center_mass.npz",
    )
    center_mass.set_defaults(evaluate=evaluate_center_mass, describe=describe_center_mass)
    for kind, name in ((detection, "detections"), (relations, "relations")):
        add_data_option(kind)  # for the annotated objects
        _add_file_options(kind, name)
    for kind in (classification, detection, relations, center_mass):
        kind.add_argument(
            "runs",
            nargs="*" if kind in (detection, relations) else "+",
            type=Path,
            metavar="RUN",
            help="folder of a finished run: runs/<preset>/<dataset>/<variant>/seed<k>",
        )
    return parser


def _add_file_options(parser: argparse.ArgumentParser, name: str) -> None:
    """Adds `--detections` or `--relations`, and the options that go with it."""
    group = parser.add_argument_group("a file outside a run folder, instead of runs")
    group.add_argument(f"--{name}", dest="file", type=Path, metavar="FILE", help=f"file of {name}, not a pickle")
    group.add_argument("--dataset", metavar="NAME", help="its dataset: voc07, minicoco, … or a folder below --data")
    group.add_argument("--split", help="its images, for example test, or minival of minicoco")
    group.add_argument("--out", type=Path, metavar="FILE", help="also write the metrics to this JSON file")
    parser.set_defaults(file_option=name)


def positive_numbers(text: str) -> list[int]:
    """`10,50` as a sorted list of distinct integers."""
    numbers = text.split(",")
    if not all(number.isdecimal() and int(number) > 0 for number in numbers):
        raise argparse.ArgumentTypeError(f"{text} is not a list of positive integers such as 10,50,100")
    return sorted({int(number) for number in numbers})


if __name__ == "__main__":
    run_command(main)
