"""Metrics of images: average precision from a `detections.json`, recall of relations from a `relations.npz`.

Names of recall in metrics.json have four parts; the first three may be empty:

    annotated_unordered_     which relations count, and that pairs may match in either order
    row_                     order of the pairs: by W̃ (empty), by W_agg (row_) or a reference (random_, rpn_, detector_)
    pooled_ or distinct_     pooled over all relations of the dataset; without duplicate pairs
    recall@100               K
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from data.common.errors import UserError
from data.images.boxes import iou
from data.images.proposals import PAIRS, Proposals
from data.images.relations import Rule, relations_of
from data.records import ImageDataset, ImageRecord
from scripts.evaluation.items import Metrics
from scripts.evaluation.metrics.detection import average_precisions, objects_of
from scripts.evaluation.metrics.orders import (
    DUPLICATE_IOU,
    detector_order,
    found_at_random,
    pairs_on_relations,
    rpn_order,
    without_duplicates,
)
from scripts.evaluation.metrics.relations import (
    Recall,
    found_at,
    objects_under,
    ranks_of_relations,
    recall,
    unique_relations,
)
from scripts.evaluation.predictions import read_detections, read_relations

HARD_NMS = "hard_nms_"
BY_MATRIX, BY_ROW = "", "row_"
RANDOM, RPN, DETECTOR = "random_", "rpn_", "detector_"
DISTINCT = "distinct_"
MOST_DISTINCT = 1000  # largest K without duplicates: a list of 5,000 pairs rarely has more distinct ones
SEED = 0  # of each image's random order, from which duplicates are removed


# --- detections -----------------------------------------------------------------------------------------------------


def detection_metrics(path: Path, dataset: ImageDataset, data: Path, nms: str = "soft") -> Metrics:
    """Mean average precision over the categories, and the average precision of each category.

    `map` and `map_50` are COCO's; `voc_map`, `voc_map_50` and `voc_area_map_50` are VOC's. `ap/<category>` and so on
    are the values that they average. A category without an object to find has none.

    Args:
        path: a `detections.json`.
        dataset: its images.
        data: the data folder, for error messages.
        nms: with "hard", all names begin with `hard_nms_`.
    """
    detections = read_detections(path, dataset)
    precisions = average_precisions(detections, objects_of(dataset), len(dataset.classes))._asdict()
    if np.isnan(precisions["ap"]).all():
        raise UserError(f"{data}: the test images have no object to find; add their annotations")
    metrics: Metrics = {name.replace("ap", "map"): float(np.nanmean(values)) for name, values in precisions.items()}
    metrics |= {"detections": len(detections.scores), "images": len(dataset.records)}
    for name, values in precisions.items():
        by_category = zip(dataset.classes, values.tolist(), strict=True)
        metrics |= {f"{name}/{category}": value for category, value in by_category if not np.isnan(value)}
    prefix = HARD_NMS if nms == "hard" else ""
    return {f"{prefix}{name}": value for name, value in metrics.items()}


def describe_detection(metrics: Metrics) -> str:
    """One line for the screen."""
    values = {name.removeprefix(HARD_NMS): value for name, value in metrics.items()}
    return (
        f"mAP@0.50:0.95 {values['map']:.2%}, mAP@0.50 {values['map_50']:.2%}; "
        f"VOC mAP@0.5 {values['voc_map_50']:.2%} (11 points), {values['voc_area_map_50']:.2%} (area), "
        f"mAP@0.50:0.95 {values['voc_map']:.2%} (11 points); "
        f"{values['detections']:,} detections in {values['images']:,} images"
    )


# --- relations ------------------------------------------------------------------------------------------------------


def relation_metrics(
    path: Path,
    dataset: ImageDataset,
    data: Path,
    top_k: list[int],
    rule: Rule,
    unordered: bool = False,
    distinct: bool = False,
) -> Metrics:
    """Recall of relations at each K, for the rankings of the network and for the reference orders.

    Args:
        path: a `relations.npz`.
        dataset, data: as for `detection_metrics`.
        top_k: the values of K.
        rule: which objects are related.
        unordered: whether a pair of ROIs may match an annotated relation in either order.
        distinct: whether to measure recall without duplicate pairs as well.
    """
    if unordered and rule != "annotated":
        raise UserError(f"--unordered: relations by the rule {rule} have no order; omit it, or give --rule annotated")
    if rule == "annotated" and dataset.records[0].relations is None:
        raise UserError(f"{data}: the test images have no annotated relations; give another --rule")
    directed = rule == "annotated" and not unordered
    found = recall_of_orders(path, dataset, top_k, rule, directed, distinct)
    if not found.images:
        raise UserError(f"{data}: no test image has a relation ({rule}); give images that do")
    prefix = ("" if rule == "different_category" else f"{rule}_") + ("unordered_" if unordered else "")
    metrics: Metrics = {}
    for order, values in found.orders.items():
        name = f"{prefix}{order}"
        mean = zip(top_k, values.mean.tolist(), strict=False)  # without duplicates only the smaller K are measured
        metrics |= {f"{name}recall@{k}": value for k, value in mean}
        if not order.endswith(DISTINCT):
            pooled = zip(top_k, values.pooled.tolist(), strict=True)
            metrics |= {f"{name}pooled_recall@{k}": value for k, value in pooled}
    return {
        **metrics,
        f"{prefix}relations": found.relations,
        f"{prefix}relation_images": found.images,
        f"{prefix}images_without_relation": len(dataset.records) - found.images,
    }


class RelationRecall(NamedTuple):
    """Recall of every order.

    Args:
        orders: recall by name of the order, which ends in `DISTINCT` where duplicates are removed.
        images: number of images that have a relation.
        relations: number of their relations.
    """

    orders: dict[str, Recall]
    images: int
    relations: int


def recall_of_orders(
    path: Path, dataset: ImageDataset, top_k: list[int], rule: Rule, directed: bool, distinct: bool
) -> RelationRecall:
    """Recall at each K, computed image by image so that memory does not grow with the dataset.

    Args:
        path, dataset, top_k, rule, distinct: as for `relation_metrics`.
        directed: whether a pair of ROIs must match a relation in its order.
    """
    records = dataset.records
    positions = {record.id: position for position, record in enumerate(records)}
    found: dict[str, list[np.ndarray]] = {}
    totals = []
    images = read_relations(path, positions.keys(), max(top_k))
    for image_id, proposals in tqdm(images, total=len(records), desc="recall", unit="image", delay=5, leave=False):
        record = records[positions[image_id]]
        relations = unique_relations(relations_of(record, rule), directed)
        if len(relations):
            totals.append(len(relations))
            image = _Image(proposals, record, relations, directed, zlib.crc32(image_id.encode()))
            for order, counts in _found_in(image, rule, top_k, distinct):
                found.setdefault(order, []).append(counts)
    orders = {order: recall(np.array(counts), np.array(totals)) for order, counts in found.items()}
    return RelationRecall(orders, images=len(totals), relations=sum(totals))


class _Image(NamedTuple):
    """An image: its proposals, record, unique relations [U, 2], whether these are directed, and a random seed."""

    proposals: Proposals
    record: ImageRecord
    relations: np.ndarray
    directed: bool
    seed: int


def _found_in(image: _Image, rule: Rule, top_k: list[int], distinct: bool) -> Iterator[tuple[str, np.ndarray]]:
    """Yields each order with the number of relations of an image that it finds at each K, [K]."""
    proposals, _, relations, directed, seed = image
    under = objects_under(proposals.rois, image.record.boxes)
    orders = _orders(proposals, max(PAIRS, *top_k), by_category=rule == "different_category")
    for order, pairs in orders.items():
        yield order, found_at(ranks_of_relations(pairs, under, relations, directed), top_k)
    finding = pairs_on_relations(under.mask, relations, directed)
    yield RANDOM, found_at_random(finding, len(proposals.rois), top_k)
    top_k = [k for k in top_k if k <= MOST_DISTINCT]
    if not (distinct and top_k):
        return
    same_place = iou(proposals.rois[:, None], proposals.rois) > DUPLICATE_IOU
    np.fill_diagonal(same_place, True)  # a ROI without area does not overlap even itself
    orders[RANDOM] = _random_order(len(proposals.rois), len(orders[RPN]), seed)
    for order, pairs in orders.items():
        pairs = pairs[without_duplicates(pairs, same_place, max(top_k))]
        yield order + DISTINCT, found_at(ranks_of_relations(pairs, under, relations, directed), top_k)


def _orders(proposals: Proposals, most: int, by_category: bool) -> dict[str, np.ndarray]:
    """The pairs [P, 2] of each order that is a list, by name of the order.

    All lists have the same length, since recall without duplicates depends on it: the length of the network's rankings,
    or `most` for a network without pair weights.
    """
    rankings = {}
    if proposals.by_matrix is not None:
        rankings = {BY_MATRIX: proposals.by_matrix.pairs, BY_ROW: proposals.by_row.pairs}
        most = len(proposals.by_matrix.pairs)
    return rankings | {
        RPN: rpn_order(len(proposals.rois), most),
        DETECTOR: detector_order(proposals.scores, proposals.labels, most, by_category),
    }


def _random_order(rois: int, most: int, seed: int) -> np.ndarray:
    """[P, 2] at most `most` different pairs of ROIs, drawn without replacement."""
    total = rois * (rois - 1)
    drawn = np.random.default_rng([SEED, seed]).choice(total, min(most, total), replace=False)
    return rpn_order(rois, total)[drawn]


def describe_relations(metrics: Metrics) -> str:
    """A line on the relations and a table of recall (%): one line per order, one column per K."""
    relations, images, without = (value for name, value in metrics.items() if "@" not in name)
    recalls: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        order, _, k = name.partition("recall@")
        if k and not order.endswith("pooled_"):
            recalls.setdefault(order, {})[k] = value
    first = next(iter(recalls.values()))
    lines = [f"{relations:,} relations in {images:,} images, {without:,} images without a relation"]
    lines.append(f"{'recall (%) at K =':34}" + "".join(f"{k:>8}" for k in first))
    for order, values in recalls.items():
        lines.append(f"{title_of(order):>34}" + "".join(f"{value:8.1%}".replace("%", "") for value in values.values()))
    return "\n".join(lines)


def title_of(order: str) -> str:
    """An order of pairs in words, from its name in metrics.json."""
    titles = {"row_": "W_agg", "random_": "random order", "rpn_": "RPN's order", "detector_": "detector's order"}
    key = order.removesuffix(DISTINCT)
    title = next((title for name, title in titles.items() if key.endswith(name)), "W̃")
    return title + (", no duplicates" if order != key else "")
