"""Writes what image regions attend to in a finished run: `python -m vision.attended RUN [IMAGE|FOLDER …] --out FILE`.

The computation is in `vision.attended_regions`, the format of the file in `data.images.attended`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from data.common.config import read_config
from data.common.errors import UserError, run_command
from data.common.options import add_data_option, add_gpus_option, choose_gpus, count_from_1
from data.common.runs import RunFolder
from data.images.datasets import read_images
from data.images.mit67 import read_mit67
from data.images.pixels import IMAGE_SUFFIXES
from vision.config import Config

Item = TypeVar("Item")

EXAMPLES = """\
examples:
  python -m vision.attended runs/paper/minicoco/fan-sup/seed0 street.jpg photos --out sup.npz
  python -m vision.attended runs/paper/minicoco/fan-sup/seed0 --count 8 --out sup.npz
"""


def find_images(places: Sequence[Path]) -> list[Path]:
    """The files among `places`, and the image files in folders and their subfolders, sorted by name.

    Raises:
        UserError: a place does not exist, or a folder contains no image.
    """
    found: dict[Path, None] = {}  # without duplicates
    for place in places:
        if place.is_file():
            found[place] = None
        elif place.is_dir():
            found |= dict.fromkeys(_images_below(place))
        else:
            raise UserError(f"{place}: no such image file or folder; name image files, or folders of them")
    return list(found)


def _images_below(folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not (images := sorted(files)):
        raise UserError(f"{folder}: contains no image file ({', '.join(sorted(IMAGE_SUFFIXES))}); use another folder")
    return images


def choose_images(config: Config, data: Path, count: int) -> list[Path]:
    """`count` image files, spread evenly over the test scenes of MIT67 or over the test images of the run.

    As in the paper, runs of minicoco use MIT67 if it is in the folder `data`. Other runs use their own test images with
    objects of at least two categories.

    Raises:
        UserError: the dataset is missing or malformed, or has no such image.
    """
    if config.dataset == "minicoco" and (scenes := _test_scenes(data)):
        return spread(scenes, count)
    images = config.images
    records = read_images(config.dataset, data, images.test_split, images.test_images, subset=images.subset).records
    if not (telling := [record.path for record in records if len(set(record.labels.tolist())) > 1]):
        raise UserError(
            f"{data}: no image of {config.dataset} {images.test_split} has objects of two categories; name images"
        )
    return spread(telling, count)


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """`count` of the items at even distances, from the first on; all if there are fewer."""
    count = min(count, len(items))
    return [items[number * len(items) // count] for number in range(count)]


def _test_scenes(data: Path) -> list[Path]:
    """The test images of MIT67; none if it is not in the folder `data`."""
    if not (data / "mit67" / "TestImages.txt").is_file():
        return []
    return [record.path for record in read_mit67(data, "test").records]


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m vision.attended",
        description="Writes what each region of images attends to in a finished run with pair weights: the largest "
        "weights in each row of W_agg (eq. 4).",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="run folder: <runs>/<preset>/<dataset>/<variant>/seed<k>")
    parser.add_argument(
        "images",
        nargs="*",
        type=Path,
        help="image files, and folders to search with their subfolders (default: --count test images: those of MIT67 "
        "for runs on minicoco, as in the paper, if MIT67 is in the data; else the run's own with objects of two "
        "categories)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .npz to write")
    parser.add_argument(
        "--count", type=count_from_1, default=4, metavar="N", help="images if none are named (default: %(default)s)"
    )
    parser.add_argument(
        "--most", type=count_from_1, default=32, metavar="A", help="regions to keep for each (default: %(default)s)"
    )
    add_data_option(parser)
    add_gpus_option(parser)
    return parser


def main() -> None:
    """Command line of `python -m vision.attended`."""
    arguments = build_parser().parse_args()
    run = RunFolder(arguments.run)
    run.require_finished()
    config = read_config(Config, run.config_path)
    if not config.model.has_relations:
        raise UserError(f"{run.path}: its network has no pair weights; use a run with FAN or with relation modules")
    if arguments.images:
        paths = find_images(arguments.images)
    else:
        paths = choose_images(config, arguments.data, arguments.count)
    choose_gpus(arguments.gpus)
    # Imported late, so that --help and mistakes do not wait for MXNet.
    from vision.attended_regions import write_attended

    write_attended(run.path, paths, set(arguments.images), arguments.out, arguments.most, arguments.gpus)


if __name__ == "__main__":
    run_command(main)
