"""From a file of detections or relations, and the data set that it is of, to numbers."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.errors import UserError
from data.records import ImageDataset, ImageRecord
from scripts.metrics.detection import average_precisions, objects_of
from scripts.metrics.relations import Recall, Rule, ranks_of_relations, recall, relations_of
from scripts.predictions import Proposals, read_detections, read_relations

Metrics = dict[str, float | int]


def detection_metrics(path: Path, dataset: ImageDataset, data: Path) -> Metrics:
    """Mean average precisions over the categories, and those of each category.

    `map` and `map_50` are COCO's, `voc_map_50` and `voc_area_map_50` VOC's; `ap/<category>` and so on are what they are
    the means of. A category without an object to find has none.

    Args:
        path: a `detections.json`.
        dataset: the images that it is of.
        data: where they lie, for errors.
    """
    detections = read_detections(path, dataset)
    precisions = average_precisions(detections, objects_of(dataset), len(dataset.classes))._asdict()
    if np.isnan(precisions["ap"]).all():
        raise UserError(f"{data}: the test images hold no object to find; give their annotations")
    means = {name.replace("ap", "map"): float(np.nanmean(values)) for name, values in precisions.items()}
    categories = {
        f"{name}/{category}": value
        for name, values in precisions.items()
        for category, value in zip(dataset.classes, values.tolist(), strict=True)
        if not np.isnan(value)
    }
    return means | {"detections": len(detections.scores), "images": len(dataset.records)} | categories


def relation_metrics(
    path: Path, dataset: ImageDataset, data: Path, top_k: list[int], rule: Rule, unordered: bool = False
) -> Metrics:
    """Recall of relations at each K, as mean over the images and pooled.

    Args:
        path: a `relations.npz`.
        dataset, data: as above.
        unordered: whether a pair of ROIs may find an annotated relation in either order; others have none.
    """
    if unordered and rule != "annotated":
        raise UserError(f"--unordered: relations by the rule {rule} have no order; leave it out, or --rule annotated")
    if rule == "annotated" and dataset.records[0].relations is None:
        raise UserError(f"{data}: nobody has annotated relations in the test images; give another --rule")
    found = recall_from(path, dataset, top_k, rule, directed=rule == "annotated" and not unordered)
    if not found.images:
        raise UserError(f"{data}: no test image holds a relation ({rule}); give images that do")
    prefix = ("" if rule == "different_category" else f"{rule}_") + ("unordered_" if unordered else "")
    return {
        **{f"{prefix}recall@{k}": value for k, value in zip(top_k, found.mean.tolist(), strict=True)},
        **{f"{prefix}pooled_recall@{k}": value for k, value in zip(top_k, found.pooled.tolist(), strict=True)},
        f"{prefix}relations": found.relations,
        f"{prefix}relation_images": found.images,
        f"{prefix}images_without_relation": len(dataset.records) - found.images,
    }


def recall_from(path: Path, dataset: ImageDataset, top_k: list[int], rule: Rule, directed: bool) -> Recall:
    """Recall at each K from a `relations.npz`, image by image, so that memory is flat."""
    records = dataset.records
    places = {record.id: place for place, record in enumerate(records)}
    images = tqdm(
        read_relations(path, places.keys(), max(top_k)),
        total=len(records),
        desc="recall",
        unit="image",
        delay=5,
        leave=False,
    )
    ranks = (rank_relations(proposals, records[places[proposals.image_id]], rule, directed) for proposals in images)
    return recall(ranks, top_k)


def rank_relations(proposals: Proposals, record: ImageRecord, rule: Rule, directed: bool) -> np.ndarray:
    """At which pair each relation of an image is found."""
    return ranks_of_relations(
        proposals.rois, proposals.pairs, record.boxes, relations_of(record, rule), directed=directed
    )


def describe_detection(metrics: Metrics) -> str:
    """One line for the screen."""
    return (
        f"mAP@0.50:0.95 {metrics['map']:.2%}, mAP@0.50 {metrics['map_50']:.2%}; "
        f"VOC mAP@0.5 {metrics['voc_map_50']:.2%} at 11 points, {metrics['voc_area_map_50']:.2%} as area; "
        f"{metrics['detections']:,} detections in {metrics['images']:,} images"
    )


def describe_relations(metrics: Metrics) -> str:
    """One line for the screen."""
    recalls = ", ".join(
        f"{name} {value:.2%}" for name, value in metrics.items() if "@" in name and "pooled" not in name
    )
    relations, images, without = (value for name, value in metrics.items() if "@" not in name)
    return f"{recalls}; {relations:,} relations in {images:,} images, {without:,} without"
