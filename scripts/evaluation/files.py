"""Predictions that lie in no run folder, such as those of the authors' code of Relation Networks.

python -m scripts.evaluate detection --detections FILE.json --dataset NAME --split SPLIT --data DIR
python -m scripts.evaluate relations --relations FILE.npz --dataset NAME --split SPLIT --data DIR

`scripts.evaluation.predictions` says what such files hold. Nothing in them is unpickled.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from data.common.errors import UserError
from data.common.files import write_json

SUFFIXES = {".pkl", ".pickle"}
PICKLE = b"\x80"  # The first byte of all pickles but the oldest kind's, and of no JSON text and no zip archive.
INSTEAD = {"detections": "the COCO results JSON that is written beside it", "relations": "a relations.npz"}


class File(NamedTuple):
    """A file of predictions, the images that it is of, and where its numbers go, if anywhere."""

    path: Path
    dataset: str
    split: str
    out: Path | None

    def keep(self, metrics: dict[str, float | int]) -> None:
        """Writes the numbers where they were asked for."""
        if self.out:
            write_json(self.out, metrics)


def add_file_options(parser: argparse.ArgumentParser, name: str) -> None:
    """Adds `--detections` or `--relations`, by its `name`, and what belongs to it."""
    group = parser.add_argument_group("a file that lies in no run folder, in place of runs")
    group.add_argument(f"--{name}", dest="file", type=Path, metavar="FILE", help=f"of {name}; pickles are not read")
    group.add_argument("--dataset", metavar="NAME", help="its data set: voc07, minicoco, or a folder of --data, …")
    group.add_argument("--split", help="which of its images, as test, or minival of minicoco")
    group.add_argument("--out", type=Path, metavar="FILE", help="a JSON file to write the numbers to, too")
    parser.set_defaults(file_option=name)


def take_file(options: dict[str, Any], runs: list[Path]) -> File | None:
    """Takes what `add_file_options` has added out of the options; None where runs are to be evaluated.

    Raises:
        UserError: neither is given, or both, or not all that belongs to a file; or the file is a pickle.
    """
    name, *values = (options.pop(key) for key in ("file_option", "file", "dataset", "split", "out"))
    path, dataset, split, _ = values
    if path and runs:
        raise UserError(f"--{name} {path}: lies in no run folder; leave {runs[0]} out, or the file")
    if not path:
        if not runs:
            raise UserError(f"no run to evaluate; give the folder of one, or --{name} FILE")
        if any(values):
            raise UserError(f"--dataset, --split, --out: belong to --{name} FILE; leave them out, a run has its own")
        return None
    if not dataset or not split:
        raise UserError(f"--{name} {path}: of which images does not stand in it; give --dataset and --split")
    _refuse_pickle(path, INSTEAD[name])
    return File(*values)


def _refuse_pickle(path: Path, instead: str) -> None:
    begins = b""
    if path.is_file():
        with path.open("rb") as file:
            begins = file.read(1)
    if path.suffix in SUFFIXES or begins == PICKLE:
        raise UserError(f"{path}: is a pickle, which may do anything when it is opened, so it is not; give {instead}")
