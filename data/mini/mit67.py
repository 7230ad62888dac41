"""The miniature MIT67, in the format of the official archive.

Scenes show three pairs of categories (see `data.mini.scenes`): a person on a bicycle, bottles on a table, cats next to
a sofa. The class of an image is the pair that it shows. Of each other pair, the image shows either hosts or guests, for
example tables without bottles or cats without a sofa. So every category occurs in images of every class, and only the
combination of two categories determines the class.

The positions of objects do not matter for the class. A network that pools region features independently, without
relations, can therefore learn it, too. As in the official archive, one file named .jpg is a GIF.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from data.images import mit67
from data.mini.images import write_jpeg
from data.mini.scenes import COMPANIES, Company, Group, draw_scene

PIECE = mit67.FOLDER

PER_CLASS = {"train": 40, "test": 80}
CLASSES = {company.host.coco.replace(" ", "_"): company for company in COMPANIES}


def write_mit67(folder: Path, seed: int) -> None:
    """Writes `PIECE` to `folder`, where it must not exist yet. The same seed writes the same bytes."""
    root = folder / PIECE
    generator = np.random.default_rng([seed, 67])
    listed: dict[str, list[str]] = {split: [] for split in PER_CLASS}
    for name, company in CLASSES.items():
        (root / mit67.IMAGES / name).mkdir(parents=True)
        splits = [split for split, count in PER_CLASS.items() for _ in range(count)]
        for number, split in enumerate(splits, start=1):
            listed[split].append(f"{name}/{name}_{number:03}.jpg")
            scene = draw_scene(generator, _groups(generator, company))
            write_jpeg(root / mit67.IMAGES / listed[split][-1], scene)
    first = root / mit67.IMAGES / listed["train"][0]
    with Image.open(first) as image:
        image.save(first, format="GIF")
    for split, names in listed.items():
        lines = "".join(f"{name}\n" for name in generator.permutation(names))
        (root / mit67.LISTS[split]).write_text(lines)


def _groups(generator: np.random.Generator, company: Company) -> list[Group]:
    """Returns the company, and either the host or the guest of each other company."""
    others = [each for each in COMPANIES if each is not company]
    return [company, *(each.host if generator.random() < 0.5 else each.guest for each in others)]
