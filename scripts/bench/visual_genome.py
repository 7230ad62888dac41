"""Measures reading Visual Genome at its full size: `python -m scripts.bench.visual_genome`.

Writes made-up annotations in the official format, 108,073 images with 1.2 million boxes and 600,000 relations, and
empty image files: the reader checks that they exist but does not open them. Then reads both splits as training and
evaluation do, each in a separate process. Anonymous memory, which does not include the pages of the mapped file, should
not grow.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tqdm import tqdm

from data.common.errors import run_command
from data.common.files import replaced_on_success
from data.common.options import count_from_1
from data.images import visual_genome
from data.images.datasets import read_images
from data.images.visual_genome import DAMAGED, IMAGE_FOLDERS
from scripts.bench.measuring import own_resident, peak_resident
from scripts.tables.markdown import markdown_table

EXAMPLE = """\
example, takes seconds:
  python -m scripts.bench.visual_genome --images 5000
"""

IMAGES, TRAIN = 108_073, 75_651
BOXES, RELATIONS = 1_200_000 / IMAGES, 600_000 / IMAGES  # per image
CATEGORIES, PREDICATES = 150, 50
SIZES = np.array([[500, 375], [375, 500], [800, 600], [600, 800], [1024, 768], [640, 480]])  # width and height
WITHOUT_RELATION = 0.05  # fraction of the images

SINGLE = 5_000  # records read in random order
THREADS = 4


# --- made-up files -------------------------------------------------------------------------------------------------


def write_made_up(root: Path, images: int) -> None:
    """Writes the annotations and empty files of images below a data folder."""
    folder = root / visual_genome.FOLDER
    if (folder / visual_genome.GRAPHS).is_file():  # written last
        return
    generator = np.random.default_rng(0)
    ids = [number for number in range(1, images + len(DAMAGED) + 1) if number not in DAMAGED][:images]
    sizes = SIZES[generator.integers(len(SIZES), size=images)]
    _write_list(folder, ids, sizes)
    names = {"label": CATEGORIES, "predicate": PREDICATES}
    numbers = {what: range(1, count + 1) for what, count in names.items()}
    numbered = {f"idx_to_{what}": {str(k): f"{what} {k}" for k in of_what} for what, of_what in numbers.items()}
    (folder / visual_genome.NAMES).write_text(json.dumps(numbered))
    with replaced_on_success(folder / visual_genome.GRAPHS) as temporary, h5py.File(temporary, "w") as file:
        for name, values in _arrays(generator, sizes).items():
            file[name] = values.astype(np.int32)


def _write_list(folder: Path, ids: list[int], sizes: np.ndarray) -> None:
    for name in IMAGE_FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    entries = []
    progress = tqdm(ids, desc="making up images", unit="image", delay=5, leave=False)
    for number, (width, height) in zip(progress, sizes.tolist(), strict=True):
        path = f"{IMAGE_FOLDERS[number % 2]}/{number}.jpg"
        (folder / path).touch()
        address = {"url": f"https://cs.stanford.edu/people/rak248/{path}", "coco_id": None, "flickr_id": None}
        entries.append({"image_id": number, "width": width, "height": height, **address})
    (folder / visual_genome.IMAGE_LIST).write_text(json.dumps(entries))


def _arrays(generator: np.random.Generator, sizes: np.ndarray) -> dict[str, np.ndarray]:
    """Scene graphs of images with `sizes` [I, 2]."""
    images = len(sizes)
    boxes = _spread(generator, generator.gamma(2, size=images), round(BOXES * images))
    related = (boxes > 1) & (generator.random(images) > WITHOUT_RELATION)
    relations = _spread(generator, related * generator.gamma(2, size=images), round(RELATIONS * images))
    starts = np.cumsum(boxes) - boxes

    scaled = np.repeat(sizes * 1024 // sizes.max(axis=1, keepdims=True), boxes, axis=0)
    wide = np.clip(generator.exponential(0.25, scaled.shape) * scaled, 8, scaled).astype(int)
    first = (generator.random(scaled.shape) * (scaled - wide)).astype(int)
    owners = np.repeat(np.arange(images), relations)
    subjects = (generator.random(len(owners)) * boxes[owners]).astype(int)
    apart = 1 + (generator.random(len(owners)) * (boxes[owners] - 1)).astype(int)
    objects = (subjects + apart) % boxes[owners]
    return {
        "split": np.where(np.arange(images) < round(images * TRAIN / IMAGES), 0, 2),
        "boxes_1024": np.concatenate([first + wide // 2, wide], axis=1),
        "labels": generator.integers(1, CATEGORIES + 1, (len(scaled), 1)),
        "relationships": starts[owners][:, None] + np.stack([subjects, objects], axis=1),
        "predicates": generator.integers(1, PREDICATES + 1, (len(owners), 1)),
        **_rows("box", boxes),
        **_rows("rel", relations),
    }


def _spread(generator: np.random.Generator, weights: np.ndarray, total: int) -> np.ndarray:
    return generator.multinomial(total, weights / weights.sum())


def _rows(what: str, counts: np.ndarray) -> dict[str, np.ndarray]:
    ends = np.cumsum(counts)
    first, last = np.where(counts, [ends - counts, ends - 1], -1)
    return {f"img_to_first_{what}": first, f"img_to_last_{what}": last}


# --- measurements, each split in a separate process ------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """Time and memory of reading a split.

    Args:
        images, objects, relations: their numbers.
        starting: seconds of `read_images`, which checks and counts everything.
        going_through: seconds to read all records in order.
        single: seconds per record in random order.
        threads: the same with `THREADS` threads.
        before, started, passed: MiB of anonymous memory at first, after `read_images`, and after all records.
        start_peak, pass_peak: peaks meanwhile, in MiB.
        mapped: peak of mapped pages, including libraries, in MiB.
    """

    images: int
    objects: int
    relations: int
    starting: float
    going_through: float
    single: float
    threads: float
    before: float
    started: float
    passed: float
    start_peak: float
    pass_peak: float
    mapped: float


def measure(root: Path, split: str) -> Reading:
    """Reads a split as `vision.train` does before its first step, and then all records."""
    before = own_resident()["anonymous"]
    with peak_resident() as start_peaks:
        dataset, starting = _timed(lambda: read_images("visual_genome", root, split))
    started, records = own_resident()["anonymous"], dataset.records
    with peak_resident() as pass_peaks:
        counts, going_through = _timed(lambda: np.sum([(len(each.labels), len(each.relations)) for each in records], 0))
    passed = own_resident()["anonymous"]
    places = np.random.default_rng(1).integers(len(records), size=SINGLE).tolist()
    _, single = _timed(lambda: [records[place] for place in places])
    with ThreadPoolExecutor(THREADS) as pool:
        _, threads = _timed(lambda: list(pool.map(records.__getitem__, places)))
    return Reading(
        images=len(records),
        objects=int(counts[0]),
        relations=int(counts[1]),
        starting=starting,
        going_through=going_through,
        single=single / SINGLE,
        threads=threads / SINGLE,
        before=before,
        started=started,
        passed=passed,
        start_peak=start_peaks["anonymous"],
        pass_peak=pass_peaks["anonymous"],
        mapped=max(start_peaks["mapped"], pass_peaks["mapped"]),
    )


def _timed(function: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


# --- tables -----------------------------------------------------------------------------------------------------------


def time_table(readings: dict[str, Reading]) -> str:
    """Times of reading, one line per split."""
    header = ["split", "images", "objects", "related pairs", "start", "all records", "records/s"]
    header += ["random record", f"{THREADS} threads"]
    lines = []
    for split, one in readings.items():
        counts = [f"{count:,}" for count in (one.images, one.objects, one.relations)]
        seconds = [f"{one.starting:.1f} s", f"{one.going_through:.1f} s", f"{one.images / one.going_through:,.0f}"]
        single = [f"{1e6 * time_of_one:.0f} µs" for time_of_one in (one.single, one.threads)]
        lines.append([split, *counts, *seconds, *single])
    return markdown_table(header, lines)


def memory_table(readings: dict[str, Reading]) -> str:
    """Memory of reading, one line per split."""
    header = ["split", "before", "after the start", "peak", "after all records", "peak", "mapped, with libraries"]
    lines = []
    for split, one in readings.items():
        amounts = (one.before, one.started, one.start_peak, one.passed, one.pass_peak, one.mapped)
        lines.append([split, *(f"{amount:,.0f} MiB" for amount in amounts)])
    return markdown_table(header, lines)


def main() -> None:
    """Command line of `python -m scripts.bench.visual_genome`."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench.visual_genome",
        description="Measures reading Visual Genome at its full size, on made-up annotations.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=count_from_1, default=IMAGES, help="number of images (default: %(default)s)")
    parser.add_argument(
        "--work", type=Path, help="folder in which the made-up files are kept and reused (default: a temporary folder)"
    )
    arguments = parser.parse_args()
    with nullcontext(arguments.work) if arguments.work else tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / f"images-{arguments.images}"
        write_made_up(root, arguments.images)
        readings = {split: _measured(root, split) for split in visual_genome.SPLITS}
    print(f"\nVisual Genome, made up: time\n\n{time_table(readings)}")
    print(f"\nanonymous memory, and mapped files\n\n{memory_table(readings)}")


def _measured(root: Path, split: str) -> Reading:
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(measure, root, split).result()


if __name__ == "__main__":
    run_command(main)
