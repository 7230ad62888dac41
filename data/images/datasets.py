"""Data sets of images by name: `voc07`, `minicoco`, `visual_genome`, or your own folder in VOC or COCO layout."""

from collections import Counter
from pathlib import Path

import numpy as np

from data.common.errors import UserError
from data.common.files import write_text
from data.images import visual_genome, voc
from data.images.annotations import list_splits, some
from data.images.coco import Annotations, load_annotations, read_coco, select
from data.images.subset import WHOLE, Subset, keep_categories, list_folder
from data.images.visual_genome import read_visual_genome
from data.images.voc import read_voc
from data.records import ImageDataset, ImageRecord

GET = "get it with: scripts/get_data.sh {name} --data {root}, or the miniature with: python -m data.mini --out {root}"
NAME = "name a folder in VOC or COCO layout, or voc07, minicoco or visual_genome"

# minicoco (paper, appendix A.1) tests on the 5,000 images of minival and trains on other images of val2014.
COCO = "coco"
TRAIN, MINIVAL = "train", "minival"
MINIVAL_FILES = ("instances_val2017.json", "instances_minival2014.json")  # both list the same images
SAMPLE_SEED = 0


def read_images(
    name: str,
    root: Path,
    split: str,
    images: int | None = None,
    lists: Path | None = None,
    subset: Subset = WHOLE,
) -> ImageDataset:
    """Reads one split of a data set and prints a summary.

    Args:
        name: "voc07", "minicoco", "visual_genome", or the name of a folder in `root`, in VOC or COCO layout.
        root: folder of the data sets.
        split: "trainval" or "test" of voc07, "train" or "minival" of minicoco, "train" or "test" of visual_genome. In
            VOC layout, a list in `ImageSets/Main`; in COCO layout, a folder with `annotations/instances_<split>.json`.
        images: required number of images; for "train" of minicoco, the number to sample, with a fixed seed. None for
            any number.
        lists: folder for the list of sampled ids, `minicoco-train-<images>.txt`; None to write no list.
        subset: lists of ids and categories to restrict the data set to. Lists need VOC layout.

    Raises:
        UserError: the data set is missing or malformed, has no such split, list or category, or has another number of
            images.
    """
    dataset = _read(name, root, split, images, lists, list_folder(subset, split))
    if images not in (None, len(dataset.records)):
        raise UserError(
            f"{root}: {name} {split} has {len(dataset.records):,} images, expected {images:,}; "
            "complete the data set, or change the number in the config"
        )
    dropped = 0
    if subset.categories:
        dataset, dropped = keep_categories(dataset, subset.categories)
    print(f"{name} {split}: {_summary(dataset)}")
    if dropped:
        print(f"{name} {split}: {dropped:,} objects of other categories were dropped (images.categories)")
    return dataset


def _read(
    name: str, root: Path, split: str, images: int | None, lists: Path | None, id_lists: Path | None
) -> ImageDataset:
    """One split with all categories. `id_lists` is a folder of lists to use instead of those in VOC layout."""
    if name == "voc07":
        return read_voc(root / voc.FOLDER, split, voc.CLASSES, GET.format(name=name, root=root), id_lists)
    if (root / name / "ImageSets/Main").is_dir():
        return read_voc(root / name, split, lists=id_lists)
    if id_lists:
        raise UserError(f"images.id_lists is {id_lists.name}: {name} is not in VOC layout; remove images.id_lists")
    if name == "minicoco":
        return _minicoco(root, split, images, lists)
    if name == "visual_genome":
        remedy = GET.format(name="visual-genome", root=root)
        return read_visual_genome(root / visual_genome.FOLDER, split, remedy)
    return _own(root / name, split)


def _minicoco(root: Path, split: str, images: int | None, lists: Path | None) -> ImageDataset:
    if split not in (TRAIN, MINIVAL):
        raise UserError(f"minicoco: no split {split!r}; choose {TRAIN} or {MINIVAL}")
    folder = root / COCO / "annotations"
    remedy = GET.format(name=COCO, root=root)
    minival_file = next((name for name in MINIVAL_FILES if (folder / name).is_file()), MINIVAL_FILES[0])
    ids = list(load_annotations(folder / minival_file, remedy).images)
    val2014 = load_annotations(folder / "instances_val2014.json", remedy)
    if split == TRAIN:
        ids = _sample(val2014, set(ids), images)
        if lists:
            write_text(lists / f"minicoco-{TRAIN}-{len(ids)}.txt", "".join(f"{number}\n" for number in ids))
    return select(val2014, root / COCO / "val2014", ids)


def _sample(val2014: Annotations, minival: set[int], images: int | None) -> list[int]:
    """The ids of `images` training images, or of all, in ascending order. They are not in minival."""
    others = [number for number in val2014.images if number not in minival]
    if images is None:
        return others
    if images > len(others):
        raise UserError(
            f"{val2014.path}: cannot sample {images:,} of the {len(others):,} images outside minival; {val2014.remedy}"
        )
    generator = np.random.default_rng([SAMPLE_SEED, images])
    return sorted(generator.choice(others, images, replace=False).tolist())


def _own(folder: Path, split: str) -> ImageDataset:
    """A folder in COCO layout."""
    annotations = folder / "annotations" / f"instances_{split}.json"
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; {NAME}")
    if not annotations.parent.is_dir():
        raise UserError(
            f"{folder}: not a data set in VOC layout (Annotations/, ImageSets/Main/, JPEGImages/) or COCO layout "
            f"(annotations/instances_<split>.json, <split>/); {NAME}"
        )
    if not annotations.is_file():
        available = list_splits(annotations.parent, "instances_", ".json")
        raise UserError(f"{annotations}: no such annotations ({available}); choose one of these splits")
    return read_coco(folder / split, annotations)


def _summary(dataset: ImageDataset) -> str:
    """The contents of a data set, in one line."""
    counts: Counter[str] = Counter()
    for record in dataset.records:  # a single pass, because large data sets are read from disk
        counts.update(_contents(record))
    parts = [f"{len(dataset.records):,} images", f"{len(dataset.classes)} categories"]
    parts += [f"{count:,} {what}" for what, count in counts.items() if count]
    if dataset.dropped:
        parts.append(f"empty boxes dropped: {len(dataset.dropped):,} ({some(list(dataset.dropped))})")
    return ", ".join(parts)


def _contents(record: ImageRecord) -> dict[str, int]:
    relations = record.relations
    return {
        "objects": len(record.labels),
        "difficult": int(record.difficult.sum()),
        "crowds": int(record.crowd.sum()),
        "related pairs": 0 if relations is None else len(relations),
        "images without an object": int(not len(record.labels)),
        "images without a related pair": int(relations is not None and not len(relations)),
    }
