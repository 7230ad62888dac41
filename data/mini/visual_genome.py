"""The miniature Visual Genome, in the format of the split of Xu et al.

The images are rendered scenes (see `data.mini.scenes`) in which each guest is related to its host, and no other objects
are related. They have the difficulties of the official data: images without objects or relations, two of the damaged
images without a row, boxes that extend beyond the image, pairs with two predicates.
"""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from data.images import visual_genome
from data.images.visual_genome import DAMAGED, IMAGE_FOLDERS
from data.mini.images import write_jpeg
from data.mini.scenes import BOTTLE, CAT, CATEGORIES, LANDSCAPE, PERSON, Object, Scene, draw_scene

PIECE = visual_genome.FOLDER

IMAGES = {"train": 300, "test": 80}
FIRST_ID = 1501  # two of the damaged images have ids in the range that starts here
EMPTY = 50  # every 50th image has no object
LONG_SIDES = (512, 1024)  # boxes are given for images scaled to these long sides
BEYOND = 24  # pixels, of 1,024, by which a truncated box extends beyond the lower edge

NAMES = sorted(category.coco for category in CATEGORIES)
PREDICATES = ("near", "on", "riding")
PREDICATE_OF = {PERSON: "riding", BOTTLE: "on", CAT: "near"}  # guest -> its relation to its host
ALSO_ON = 5  # in every 5th image, riders have the predicate "on", too


def write_visual_genome(folder: Path, seed: int) -> None:
    """Writes `PIECE` to `folder`, where it must not exist yet. The same seed writes the same bytes."""
    root = folder / PIECE
    for name in IMAGE_FOLDERS:
        (root / name).mkdir(parents=True)
    generator = np.random.default_rng([seed, 2017])
    entries, scenes = [], []
    while len(scenes) < sum(IMAGES.values()):
        number = FIRST_ID + len(entries)
        path = root / IMAGE_FOLDERS[number % 2] / f"{number}.jpg"
        width, height = LANDSCAPE
        if number in DAMAGED:
            path.touch()
        else:
            scenes.append(draw_scene(generator, groups=() if number % EMPTY == 0 else None))
            height, width, _ = scenes[-1].pixels.shape
            write_jpeg(path, scenes[-1])
        entries.append({"image_id": number, "width": width, "height": height, "coco_id": None, "flickr_id": None})
    _write_json(root / visual_genome.IMAGE_LIST, entries)
    _write_json(root / visual_genome.NAMES, {**_numbered("label", NAMES), **_numbered("predicate", PREDICATES)})
    split = np.repeat([visual_genome.SPLITS[name] for name in IMAGES], list(IMAGES.values()))
    with h5py.File(root / visual_genome.GRAPHS, "w") as file:
        for name, values in {"split": generator.permutation(split), **_arrays(scenes)}.items():
            # Timestamps would change the bytes of the file.
            file.create_dataset(name, data=np.asarray(values, np.int32), track_times=False)


def _write_json(path: Path, contents: Any) -> None:
    path.write_text(json.dumps(contents) + "\n")


def _numbered(what: str, names: tuple[str, ...] | list[str]) -> dict[str, dict]:
    """Returns the dictionaries from numbers, counted from 1, to names and back."""
    return {
        f"idx_to_{what}": {str(number): name for number, name in enumerate(names, start=1)},
        f"{what}_to_idx": {name: number for number, name in enumerate(names, start=1)},
    }


def _arrays(scenes: list[Scene]) -> dict[str, list]:
    """Returns the arrays of the file of scene graphs, except `split`."""
    arrays: dict[str, list] = {f"boxes_{side}": [] for side in LONG_SIDES}
    arrays |= {name: [] for name in ("labels", "relationships", "predicates")}
    arrays |= {f"img_to_{end}_{what}": [] for what in ("box", "rel") for end in ("first", "last")}
    for number, scene in enumerate(scenes):
        height, width, _ = scene.pixels.shape
        first_box, first_relation = len(arrays["labels"]), len(arrays["predicates"])
        for each in scene.objects:
            arrays["labels"].append([NAMES.index(each.category.coco) + 1])
            for side in LONG_SIDES:
                arrays[f"boxes_{side}"].append(_encoded(each, width, height, side))
        for guest, host in scene.relations:
            for predicate in _predicates(scene.objects[guest], number):
                arrays["relationships"].append([first_box + guest, first_box + host])
                arrays["predicates"].append([PREDICATES.index(predicate) + 1])
        for what, first, end in (
            ("box", first_box, len(arrays["labels"])),
            ("rel", first_relation, len(arrays["predicates"])),
        ):
            arrays[f"img_to_first_{what}"].append(first if end > first else -1)
            arrays[f"img_to_last_{what}"].append(end - 1 if end > first else -1)
    return arrays


def _encoded(each: Object, width: int, height: int, long_side: int) -> tuple[int, int, int, int]:
    """Returns the box of an object as (cx, cy, w, h) on an image scaled to `long_side`, enlarged to whole pixels."""
    size = max(width, height)
    x1, y1, x2, y2 = each.box
    x, y = x1 * long_side // size, y1 * long_side // size
    w, h = -(-(x2 + 1 - x1) * long_side // size), -(-(y2 + 1 - y1) * long_side // size)
    if each.truncated and y2 == height - 1:
        h += BEYOND * long_side // 1024
    w, h = min(w, long_side - x), min(h, long_side - y)  # Xu et al. clip to a square.
    return x + w // 2, y + h // 2, w, h


def _predicates(guest: Object, number: int) -> list[str]:
    also = ["on"] if guest.category is PERSON and number % ALSO_ON == 0 else []
    return [PREDICATE_OF[guest.category], *also]
