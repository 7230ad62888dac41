"""The miniature MIT67, in the format of the official archive.

Three companies make the scenes (see `data.mini.scenes`): a rider on a bicycle, bottles on a table, cats beside a sofa.
Which of them a picture shows is its class. Beside it stand strangers, either the hosts or the guests of each other
company: tables without bottles, say, or cats without a sofa. So every category of objects is in pictures of every
class, and what decides is which two categories occur together.

What it does not ask for: who of a company is where. What is in the picture settles its class, so a network that pools
the features of its regions one by one can learn it, too, without relations between them. As in the official archive, a
file named .jpg may be a GIF: the first of the training images is.
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
    """Writes `PIECE` below `folder`, which must not hold it yet. The same seed writes the same bytes."""
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
    """A company, and of each other one either the host or the guest, by themselves."""
    others = [each for each in COMPANIES if each is not company]
    return [company, *(each.host if generator.random() < 0.5 else each.guest for each in others)]
