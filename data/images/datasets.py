"""Data sets of images by name: `voc07`, `minicoco`, `visual_genome`, or a folder of one's own in VOC or COCO layout."""

from collections import Counter
from pathlib import Path

import numpy as np

from data.common.errors import UserError
from data.common.files import write_text
from data.images import visual_genome, voc
from data.images.annotations import some, splits_there
from data.images.coco import Annotations, load_annotations, read_coco, select
from data.images.subset import WHOLE, Subset, keep_categories, list_folder
from data.images.visual_genome import read_visual_genome
from data.images.voc import read_voc
from data.records import ImageDataset, ImageRecord

GET = "get it with: scripts/get_data.sh {name} --data {root}, or the miniature with: python -m data.mini --out {root}"
NAME = "name a folder in VOC or COCO layout, or voc07, minicoco or visual_genome"

# minicoco (paper, appendix A.1): minival's 5,000 images, and a training list out of the others of val2014.
COCO = "coco"
TRAIN, MINIVAL = "train", "minival"
MINIVAL_FILES = ("instances_val2017.json", "instances_minival2014.json")  # Either holds the same images.
SAMPLE_SEED = 0


def read_images(
    name: str,
    root: Path,
    split: str,
    images: int | None = None,
    lists: Path | None = None,
    subset: Subset = WHOLE,
) -> ImageDataset:
    """Reads one split of a data set and prints what it holds.

    Args:
        name: "voc07", with the splits "trainval" and "test"; "minicoco", with "train" and "minival"; "visual_genome",
            with "train" and "test"; or that of a folder below `root`. In VOC layout the splits are its lists in
            `ImageSets/Main`, in COCO layout its folders of images, each with an `annotations/instances_<split>.json`.
        root: data folder.
        split: as above.
        images: how many the split must hold; of minicoco's "train", how many are drawn, always the same. None for all.
        lists: where minicoco's `minicoco-train-<images>.txt` is written to, an image id a line; None for nowhere.
        subset: the lists of ids and the categories that the data set is restricted to. Lists need VOC layout.

    Raises:
        UserError: the data set is absent or malformed, has no such split, list or category, or too few or too many
            images in it.
    """
    dataset = _read(name, root, split, images, lists, list_folder(subset, split))
    if images not in (None, len(dataset.records)):
        raise UserError(
            f"{root}: {name} {split} holds {len(dataset.records):,} images where {images:,} are expected; "
            "complete it, or say in the config how many there are"
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
    """One split with all its categories; `id_lists` is the folder of lists that replace those of VOC layout."""
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
        raise UserError(f"minicoco: has no split {split!r}; it has {TRAIN} and {MINIVAL}")
    folder = root / COCO / "annotations"
    remedy = GET.format(name=COCO, root=root)
    minival_file = next((name for name in MINIVAL_FILES if (folder / name).is_file()), MINIVAL_FILES[0])
    ids = list(load_annotations(folder / minival_file, remedy).images)
    val2014 = load_annotations(folder / "instances_val2014.json", remedy)
    if split == TRAIN:
        ids = _drawn(val2014, set(ids), images)
        if lists:
            write_text(lists / f"minicoco-{TRAIN}-{len(ids)}.txt", "".join(f"{number}\n" for number in ids))
    return select(val2014, root / COCO / "val2014", ids)


def _drawn(val2014: Annotations, minival: set[int], images: int | None) -> list[int]:
    """The ids of the training images, ascending: `images` of those that are not in minival, or all."""
    others = [number for number in val2014.images if number not in minival]
    if images is None:
        return others
    if images > len(others):
        raise UserError(
            f"{val2014.path}: {len(others):,} images are not in minival, {images:,} are to be drawn; {val2014.remedy}"
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
            f"{folder}: holds no data set in VOC layout (Annotations/, ImageSets/Main/, JPEGImages/) or COCO layout "
            f"(annotations/instances_<split>.json, <split>/); {NAME}"
        )
    if not annotations.is_file():
        there = splits_there(annotations.parent, "instances_", ".json")
        raise UserError(f"{annotations}: no such annotations ({there}); name one of the splits that there are")
    return read_coco(folder / split, annotations)


def _summary(dataset: ImageDataset) -> str:
    """What a data set holds, in one line."""
    counts: Counter[str] = Counter()
    for record in dataset.records:  # Once: large data sets are read as they are gone through.
        counts.update(_contents(record))
    parts = [f"{len(dataset.records):,} images", f"{len(dataset.classes)} categories"]
    parts += [f"{count:,} {what}" for what, count in counts.items() if count]
    if dataset.dropped:
        parts.append(f"boxes of no size left out: {len(dataset.dropped):,} ({some(list(dataset.dropped))})")
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
