"""The image files that a command is to show: those that were named, or some of a data set."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from data.common.errors import UserError
from data.images.datasets import read_images
from data.images.mit67 import read_mit67
from data.images.pixels import IMAGE_SUFFIXES
from vision.config import Config

Item = TypeVar("Item")


def find_images(places: Sequence[Path]) -> list[Path]:
    """The files among `places`, and of the folders all files below them whose names end as images' do, by name.

    Raises:
        UserError: a place is not there, or a folder holds no image.
    """
    found: dict[Path, None] = {}  # Whatever is given twice is found once.
    for place in places:
        if place.is_file():
            found[place] = None
        elif place.is_dir():
            found |= dict.fromkeys(_images_below(place))
        else:
            raise UserError(f"{place}: no such image file or folder; give the names of images, or of folders of them")
    return list(found)


def _images_below(folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not (images := sorted(files)):
        raise UserError(f"{folder}: holds no image file ({', '.join(sorted(IMAGE_SUFFIXES))}); give another folder")
    return images


def choose_images(config: Config, data: Path, count: int) -> list[Path]:
    """`count` image files, spread evenly over what a run is shown with.

    Those are MIT67's test scenes for a run of minicoco, as in the paper, where they are in the folder `data`; else the
    run's own test images with objects of two categories at least.

    Raises:
        UserError: the data set is absent or malformed, or holds no such image.
    """
    if config.dataset == "minicoco" and (scenes := _test_scenes(data)):
        return spread(scenes, count)
    images = config.images
    records = read_images(config.dataset, data, images.test_split, images.test_images, subset=images.subset).records
    if not (telling := [record.path for record in records if len(set(record.labels.tolist())) > 1]):
        raise UserError(
            f"{data}: in no image of {config.dataset} {config.images.test_split} do two categories meet; name images"
        )
    return spread(telling, count)


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """`count` of the items, or all where there are fewer, at even distances from the first on."""
    count = min(count, len(items))
    return [items[number * len(items) // count] for number in range(count)]


def _test_scenes(data: Path) -> list[Path]:
    """MIT67's test images; none where it is not in the folder `data`."""
    if not (data / "mit67" / "TestImages.txt").is_file():
        return []
    return [record.path for record in read_mit67(data, "test").records]
