"""The miniature MIT67, in the format of the official archive.

Four groups of things make the scenes (see `data.mini_scenes`): a rider on a bicycle, bottles on a table, cats beside a
sofa, and sheep. Each scene shows two of them, and which two is its class: six classes. Every category of objects comes
in three of the six, so that no single object tells the class (a guess by one is right a third of the time), while two
of different groups do.

What it does not ask for: who of a group is where. What is in the picture settles its class, so a network that pools the
features of its regions one by one can learn it, too, without relations between them. As in the official archive, a file
named .jpg may be a GIF: the first of the training images is.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from data import mit67
from data.mini_images import write_jpeg
from data.mini_scenes import COMPANIES, SHEEP, draw_scene

PIECE = mit67.FOLDER

PER_CLASS = {"train": 20, "test": 20}
GROUPS = dict(zip(("bicycle", "table", "sofa", "sheep"), (*COMPANIES, SHEEP), strict=True))
CLASSES = {f"{one}_{other}": (GROUPS[one], GROUPS[other]) for one, other in combinations(GROUPS, 2)}


def write_mit67(folder: Path, seed: int) -> None:
    """Writes `PIECE` below `folder`, which must not hold it yet. The same seed writes the same bytes."""
    root = folder / PIECE
    generator = np.random.default_rng([seed, 67])
    listed: dict[str, list[str]] = {split: [] for split in PER_CLASS}
    for name, groups in CLASSES.items():
        (root / mit67.IMAGES / name).mkdir(parents=True)
        splits = [split for split, count in PER_CLASS.items() for _ in range(count)]
        for number, split in enumerate(splits, start=1):
            listed[split].append(f"{name}/{name}_{number:03}.jpg")
            scene = draw_scene(generator, groups)
            write_jpeg(root / mit67.IMAGES / listed[split][-1], scene)
    first = root / mit67.IMAGES / listed["train"][0]
    with Image.open(first) as image:
        image.save(first, format="GIF")
    for split, names in listed.items():
        lines = "".join(f"{name}\n" for name in generator.permutation(names))
        (root / mit67.LISTS[split]).write_text(lines)
