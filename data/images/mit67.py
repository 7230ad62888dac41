"""MIT67: `Images/<class>/<file>`, with lists of the training and test images.

The lists have 67 × 80 and 67 × 20 images, but the classes differ slightly in size: `inside_bus`, for example, has 23
test images. So the total number is checked, and not the number per class.
"""

import os
from pathlib import Path

from data.common.errors import UserError
from data.common.files import read_text
from data.images.annotations import refuse_any
from data.images.datasets import GET
from data.records import SceneDataset, SceneRecord

FOLDER = "mit67"
IMAGES = "Images"
LISTS = {"train": "TrainImages.txt", "test": "TestImages.txt"}


def read_mit67(root: Path, split: str, per_class: int | None = None) -> SceneDataset:
    """Reads one split of MIT67 and prints a summary.

    Args:
        root: folder of the data sets.
        split: "train" or "test".
        per_class: required mean number of images per class. None for any number.

    Returns:
        the images in the order of the list, with the listed names as ids; classes of both lists, sorted.

    Raises:
        UserError: there is no such split; a list is missing or malformed; the lists have different classes; an image is
            missing; the number of images differs from `per_class`.
    """
    if split not in LISTS:
        raise UserError(f"{FOLDER}: no split {split!r}; choose {' or '.join(LISTS)}")
    folder, remedy = root / FOLDER, GET.format(name=FOLDER, root=root)
    lists = {name: _listed(folder / file, remedy) for name, file in LISTS.items()}
    classes = tuple(sorted({_class(name) for name in lists["train"]}))
    unmatched = sorted(set(classes) ^ {_class(name) for name in lists["test"]})
    refuse_any(unmatched, folder, f"classes are in only one of {' and '.join(LISTS.values())}", remedy)
    names = lists[split]
    if per_class is not None and len(names) != per_class * len(classes):
        raise UserError(
            f"{folder / LISTS[split]}: has {len(names):,} images, expected {len(classes)} × {per_class:,}; "
            "complete the list, or change the number in the config"
        )
    files = {f"{each}/{file}" for each in classes for file in _files(folder / IMAGES / each)}
    missing = [name for name in names if name not in files]
    refuse_any(missing, folder / IMAGES, f"images of {LISTS[split]} are missing", remedy)
    print(f"{FOLDER} {split}: {len(names):,} images, {len(classes)} classes")
    labels = {name: label for label, name in enumerate(classes)}
    return SceneDataset(classes, [SceneRecord(name, folder / IMAGES / name, labels[_class(name)]) for name in names])


def _listed(path: Path, remedy: str) -> list[str]:
    """The names in a list, each `<class>/<file>`."""
    names = [line.strip() for line in read_text(path, "list of images", remedy).splitlines() if line.strip()]
    if not names:
        raise UserError(f"{path}: the list is empty; {remedy}")
    malformed = [name for name in names if len(name.split("/")) != 2 or not all(name.split("/"))]
    refuse_any(malformed, path, "lines are not <class>/<file>", remedy)
    if len(set(names)) < len(names):
        raise UserError(f"{path}: lists an image twice; {remedy}")
    return names


def _class(name: str) -> str:
    return name.partition("/")[0]


def _files(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []
