"""Measures recall of annotated relations at the size of Visual Genome: `python -m scripts.bench.recall --work DIR`.

Writes made-up objects, relations and ranked pairs of ROIs, image by image like `vision.predict`. Then evaluates them
with the functions of `scripts.evaluate`: recall of both rankings and of the three reference orders, and on request also
without duplicate pairs.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.common.errors import run_command
from data.common.files import open_array, write_arrays
from data.common.options import count_from_1
from data.images.proposals import Proposals, Ranking, relations_writer
from data.records import ImageDataset, ImageRecord
from scripts.bench.measuring import machine_and_threads, peak_resident
from scripts.bench.relation_loops import CATEGORIES, ROIS, made_up_scene
from scripts.evaluate import TOP_K, positive_numbers
from scripts.evaluation.images import RelationRecall, recall_of_orders, title_of

EXAMPLE = """\
example, a thousandth of the size:
  python -m scripts.bench.recall --work /tmp/recall --images 26

The files take about 80 kB per image; they remain in the folder and are replaced by the next run.
"""

IMAGES, PAIRS = 26_000, 5000  # the test images of Visual Genome that have a relation
OBJECTS, RELATIONS = 11, 6  # per image, on average
WIDTH, HEIGHT = 1000, 600


# --- the files ------------------------------------------------------------------------------------------------------


def write_files(work: Path, images: int, pairs: int) -> None:
    """Writes `relations.npz`, objects and annotated relations; prints time and memory."""
    work.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    generator = np.random.default_rng(0)
    objects = np.maximum(generator.poisson(OBJECTS, images), 2)  # [I]
    related = [made_up_relations(generator, count) for count in objects.tolist()]
    offsets = {"boxes": np.cumsum([0, *objects]), "annotated": np.cumsum([0, *map(len, related)])}
    write_arrays(work / "offsets.npz", **offsets)
    np.save(work / "annotated.npy", np.concatenate(related))
    boxes = np.lib.format.open_memmap(work / "boxes.npy", "w+", np.float32, (int(objects.sum()), 4))
    with peak_resident() as peaks, relations_writer(work / "relations.npz", with_pairs=True) as add:
        for number in tqdm(range(images), desc="writing", unit="image", mininterval=1, leave=False):
            scene = made_up_scene(number, HEIGHT, WIDTH, int(objects[number]))
            boxes[slice(*offsets["boxes"][number : number + 2])] = scene.boxes
            scores, labels = generator.random(ROIS, np.float32), generator.integers(0, CATEGORIES, ROIS)
            rankings = (made_up_ranking(generator, pairs) for _ in range(2))
            add(str(number), Proposals(scene.rois, scores, labels, *rankings))
    size = (work / "relations.npz").stat().st_size / 1e6
    print(f"relations.npz: {size:,.0f} MB in {time.perf_counter() - start:.1f} s, peak memory {_shown(peaks)}")


def made_up_relations(generator: np.random.Generator, objects: int) -> np.ndarray:
    """[R, 2] distinct pairs of different objects of an image, at least one."""
    first, second = generator.integers(0, (objects, objects - 1), (1 + generator.poisson(RELATIONS - 1), 2)).T
    return np.unique(np.stack([first, second + (second >= first)], axis=1), axis=0)


def made_up_ranking(generator: np.random.Generator, pairs: int) -> Ranking:
    """Distinct pairs of different ROIs with decreasing weights."""
    first, second = np.divmod(generator.permutation(ROIS * (ROIS - 1))[:pairs], ROIS - 1)
    weights = np.sort(generator.exponential(size=pairs))[::-1] / ROIS**2
    ranked = np.stack([first, second + (second >= first)], axis=1)
    return Ranking(ranked.astype(np.uint16), weights.astype(np.float32))


# --- their evaluation -----------------------------------------------------------------------------------------------


class MadeUpRecords(Sequence[ImageRecord]):
    """The images of `write_files`; objects and relations are read on access."""

    def __init__(self, work: Path):
        with np.load(work / "offsets.npz") as offsets:
            self._boxes_from, self._annotated_from = offsets["boxes"], offsets["annotated"]
        self._boxes, self._annotated = (
            open_array(work / f"{name}.npy", "made-up file", "run the command again") for name in ("boxes", "annotated")
        )

    def __len__(self) -> int:
        return len(self._boxes_from) - 1

    def __getitem__(self, number: int) -> ImageRecord:
        if number >= len(self):
            raise IndexError(number)
        boxes = np.array(self._boxes[slice(*self._boxes_from[number : number + 2])])
        none = np.zeros(len(boxes), bool)
        labels = np.arange(len(boxes)) % CATEGORIES
        relations = np.array(self._annotated[slice(*self._annotated_from[number : number + 2])])
        return ImageRecord(str(number), Path(), WIDTH, HEIGHT, boxes, labels, none, none, relations)


def evaluate_files(work: Path, pairs: int, distinct: bool) -> None:
    """Prints recall over K with time and memory; if `distinct`, measures it again without duplicate pairs."""
    dataset = ImageDataset(("made up",) * CATEGORIES, tuple(range(1, CATEGORIES + 1)), MadeUpRecords(work))
    top_k = [k for k in positive_numbers(TOP_K) if k <= pairs] or [pairs]
    found = _evaluate(work, dataset, top_k, distinct=False)
    print(f"{found.images:,} images, {pairs:,} pairs per ranking, {found.relations:,} relations")
    for order, recall in found.orders.items():
        recalls = ", ".join(f"@{k} {value:.2%}" for k, value in zip(top_k, recall.mean.tolist(), strict=True))
        print(f"{title_of(order)}: {recalls}")
    if distinct:
        _evaluate(work, dataset, top_k, distinct=True)


def _evaluate(work: Path, dataset: ImageDataset, top_k: list[int], distinct: bool) -> RelationRecall:
    start = time.perf_counter()
    with peak_resident() as peaks:
        found = recall_of_orders(work / "relations.npz", dataset, top_k, "annotated", directed=True, distinct=distinct)
    seconds = time.perf_counter() - start
    what = "recall, with and without duplicates" if distinct else "recall"
    print(f"{what}: {seconds:.1f} s, {found.images / seconds:.0f} images/s, peak memory {_shown(peaks)}")
    return found


def _shown(peaks: dict[str, float]) -> str:
    return f"{peaks['anonymous']:,.0f} MiB, and {peaks['mapped']:,.0f} MiB of files and libraries"


# --- command line ---------------------------------------------------------------------------------------------------


def main() -> None:
    """Command line of `python -m scripts.bench.recall`."""
    arguments = _parse_arguments()
    print(machine_and_threads(), flush=True)
    # In another process, so that its memory is not counted for the evaluation.
    write = get_context("spawn").Process(target=_write, args=(arguments.work, arguments.images, arguments.pairs))
    write.start()
    write.join()
    if write.exitcode:
        sys.exit(write.exitcode)
    evaluate_files(arguments.work, arguments.pairs, arguments.distinct)


def _write(work: Path, images: int, pairs: int) -> None:
    run_command(lambda: write_files(work, images, pairs))


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench.recall",
        description="Measures time and memory of recall@K on a made-up relations.npz of the size of Visual Genome.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="folder for the files")
    parser.add_argument(
        "--images", type=count_from_1, default=IMAGES, metavar="N", help=f"number of images (default: {IMAGES:,})"
    )
    parser.add_argument(
        "--pairs",
        type=_pairs,
        default=PAIRS,
        metavar="N",
        help=f"ranked pairs per image (default: {PAIRS:,})",
    )
    parser.add_argument("--distinct", action="store_true", help="also measure recall without duplicate pairs")
    return parser.parse_args()


def _pairs(text: str) -> int:
    pairs, most = count_from_1(text), ROIS * (ROIS - 1)
    if pairs > most:
        raise argparse.ArgumentTypeError(f"{text} must be at most {most:,}, the number of pairs of {ROIS} ROIs")
    return pairs


if __name__ == "__main__":
    run_command(main)
