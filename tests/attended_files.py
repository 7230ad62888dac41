"""Made-up files of `vision.attended`, of two networks that detect a cat and a dog in every image."""

from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 200, 100

# Box, label (cat, dog), probability and score of each region of an image.
CAT, DOG, DOG_AGAIN, NOTHING = range(4)
REGIONS = [
    ([10, 10, 49, 49], 0, 0.9, 0.9),
    ([100, 20, 159, 79], 1, 0.8, 0.8),
    ([102, 22, 161, 81], 1, 0.7, 0.2),  # repeats the dog
    ([60, 60, 90, 95], 0, 0.1, 0.1),
]
# Mass of the row, weight of itself, attended regions and their weights, of each region.
UNSUP = [
    (0.1, 0.5, [NOTHING, DOG, DOG_AGAIN], [0.3, 0.15, 0.05]),
    (0.2, 0.4, [DOG_AGAIN, NOTHING, CAT], [0.5, 0.0604, 0.0396]),
    (0.3, 0.0, [DOG, CAT, -1], [0.9, 0.1, 0]),
    (0.4, 1.0, [CAT, DOG, -1], [0, 0, 0]),
]
SUP = [
    (0.6, 0.1, [DOG, DOG_AGAIN, NOTHING], [0.6, 0.25, 0.05]),
    (0.4, 0.2, [CAT, DOG_AGAIN, NOTHING], [0.75, 0.0495, 0.0005]),
    (0.0, 0.5, [CAT, NOTHING, DOG], [0.5, 0, 0]),
    (0.0, 0.5, [CAT, NOTHING, -1], [0.5, 0, 0]),
]
SHIFT = 4  # pixels by which the boxes of the supervised network are shifted to the right


def arrays_of(paths: list[Path], variant: str = "fan-sup", **changes: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of a file; `changes` replace some of them."""
    count = len(paths)
    boxes, labels, probabilities, scores = zip(*REGIONS, strict=True)
    row_masses, self_weights, attended, weights = zip(*(SUP if variant == "fan-sup" else UNSUP), strict=True)
    boxes = np.array(boxes) + (variant == "fan-sup") * SHIFT * np.array([1, 0, 1, 0])
    columns = {
        "rois": (boxes, np.float32),
        "boxes": (boxes, np.float32),
        "labels": (labels, np.int64),
        "probabilities": (probabilities, np.float32),
        "scores": (scores, np.float32),
        "row_masses": (row_masses, np.float32),
        "self_weights": (self_weights, np.float32),
        "attended": (attended, np.int16),
        "weights": (weights, np.float32),
    }
    return {
        "run": np.array(f"mini/pets/{variant}/seed0"),
        "variant": np.array(variant),
        "classes": np.array(["cat", "dog"]),
        "images": np.array([str(path) for path in paths]),
        "sizes": np.array(count * [(WIDTH, HEIGHT)]),
        "roi_offsets": np.arange(count + 1) * len(REGIONS),
        "left_out": np.array([], str),
        **{name: np.concatenate(count * [np.array(rows, dtype)]) for name, (rows, dtype) in columns.items()},
        **changes,
    }


def write_file(file: Path, paths: list[Path], variant: str = "fan-sup", **changes: np.ndarray) -> Path:
    """Writes a file of the images `paths`, and the images that do not exist, each with a different gray."""
    for number, path in enumerate(paths):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (WIDTH, HEIGHT), (60 + 30 * number,) * 3).save(path)
    np.savez(file, **arrays_of(paths, variant, **changes))
    return file


def write_pair(folder: Path, paths: list[Path], **changes: np.ndarray) -> list[Path]:
    """Files of the same images, without and with supervision."""
    return [write_file(folder / f"{variant}.npz", paths, variant, **changes) for variant in ("fan-unsup", "fan-sup")]
