"""Data sets of scenes by name: `mit67`, or a folder of your own in which each class is a folder of images.

Two layouts of class folders are read:

    <name>/train/<class>/<image>, <name>/test/<class>/<image>     given splits
    <name>/<class>/<image>                                        splits are drawn with a seed

Hidden files are ignored, and so are files next to the class folders that are not images, such as a README.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.common.errors import UserError
from data.images import mit67
from data.images.annotations import refuse_any
from data.images.mit67 import read_mit67
from data.images.pixels import IMAGE_SUFFIXES
from data.records import SceneDataset, SceneRecord

SPLITS = ("train", "test")
LAYOUTS = "make it train/<class>/<image> and test/<class>/<image>, or <class>/<image>"


class Sample(NamedTuple):
    """How many images of each class are used.

    Each class is shuffled with the seed, and a split takes the first images. The same seed gives the same images, and
    30 images per class are a subset of 100.

    Args:
        train_per_class, test_per_class: images per class; 0 for all. For MIT67 with its fixed lists, the required mean.
        seed: of the shuffle.
    """

    train_per_class: int = 0
    test_per_class: int = 0
    seed: int = 0

    def per_class(self, split: str) -> int:
        """The number of images per class in a split."""
        return self.train_per_class if split == "train" else self.test_per_class


ALL = Sample()


def read_scenes(name: str, root: Path, split: str, sample: Sample = ALL, images: int = 0) -> SceneDataset:
    """Reads one split of a data set of scenes and prints a summary.

    Args:
        name: "mit67", or a folder in `root` with class folders.
        root: folder of the data sets.
        split: "train" or "test". Without folders of these names, `sample.train_per_class` images of each class are
            drawn for training, and the test images are drawn from the others.
        sample: how many images of each class are used.
        images: required number of images in total; 0 for any number.

    Returns:
        the images, sorted by class and file name. An id is the path relative to the folder.

    Raises:
        UserError: the data set does not exist, a class has no or too few images, the splits have different classes, a
            file in a class folder does not have the name of an image, or the number of images differs from `images`.

    Example:
        read_scenes("scene15", Path("datasets"), "train", Sample(train_per_class=30))  # 15 × 30 images
    """
    if split not in SPLITS:
        raise UserError(f"{name}: no split {split!r}; choose {' or '.join(SPLITS)}")
    if name == mit67.FOLDER:
        dataset = read_mit67(root, split, sample.per_class(split) or None)
    else:
        dataset = _read_class_folders(root / name, split, sample)
    if images and images != len(dataset.records):
        raise UserError(
            f"{root / name}: {split} has {len(dataset.records):,} images, expected {images:,}; "
            f"complete the data set, or change images.{split}_images in the config"
        )
    return dataset


class _Pool(NamedTuple):
    """The files that a split is drawn from.

    Args:
        files: by class.
        first: how many of the shuffled files belong to the other split.
        needed: how many files each class must have.
    """

    files: dict[str, list[Path]]
    first: int
    needed: int


def _read_class_folders(folder: Path, split: str, sample: Sample) -> SceneDataset:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; set --data to the folder that contains it, or {LAYOUTS}")
    has_splits = any((folder / each).is_dir() for each in SPLITS)
    files, first, needed = (_given_pool if has_splits else _common_pool)(folder, split, sample)
    few = [f"{name} ({len(paths):,})" for name, paths in files.items() if len(paths) < needed]
    refuse_any(few, folder, f"classes have fewer than {needed:,} images", "set smaller images.*_per_class")
    records = [
        SceneRecord(path.relative_to(folder).as_posix(), path, label)
        for label, paths in enumerate(files.values())
        for path in _take(paths, first, sample.per_class(split), np.random.default_rng([sample.seed, label]))
    ]
    drawn = f", drawn with seed {sample.seed}" if len(records) < sum(map(len, files.values())) else ""
    print(f"{folder.name} {split}: {len(records):,} images, {len(files)} classes{drawn}")
    return SceneDataset(tuple(files), records)


def _given_pool(folder: Path, split: str, sample: Sample) -> _Pool:
    """The pool of a data set with `train/<class>/` and `test/<class>/`."""
    of_splits = {each: _class_files(folder / each) for each in SPLITS}
    unmatched = sorted(of_splits["train"].keys() ^ of_splits["test"].keys())
    refuse_any(unmatched, folder, "classes are in only one of train and test", "add or remove these folders")
    return _Pool(of_splits[split], 0, sample.per_class(split))


def _common_pool(folder: Path, split: str, sample: Sample) -> _Pool:
    """The pool of a data set with `<class>/`: test images follow the training images in the shuffled order."""
    files = _class_files(folder)
    if not sample.train_per_class:
        raise UserError(
            f"{folder}: has no folders train and test; add them, or set images.train_per_class to the number of "
            "training images to draw per class"
        )
    first = 0 if split == "train" else sample.train_per_class
    return _Pool(files, first, sample.train_per_class + max(sample.test_per_class, 1))


def _class_files(folder: Path) -> dict[str, list[Path]]:
    """The image files of each class folder, both sorted by name."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; {LAYOUTS}")
    entries = _visible(folder)
    outside = [path.name for path in entries if path.is_file() and _is_image(path)]
    refuse_any(outside, folder, "images are not in a class folder", "move or remove them")
    files = {path.name: _visible(path) for path in entries if path.is_dir()}
    if not files:
        raise UserError(f"{folder}: has no class folders; {LAYOUTS}")
    refuse_any(
        [name for name, paths in files.items() if not paths], folder, "classes are empty", "remove these folders"
    )
    strays = [f"{name}/{path.name}" for name, paths in files.items() for path in paths if not _is_image(path)]
    refuse_any(strays, folder, f"entries are not images ({', '.join(sorted(IMAGE_SUFFIXES))})", "remove them")
    return files


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def _take(files: list[Path], first: int, count: int, generator: np.random.Generator) -> list[Path]:
    """Shuffles the files and takes `count` (0 for all) after the `first` ones, sorted."""
    order = generator.permutation(len(files))[first:]
    return [files[place] for place in sorted(order[: count or None])]
