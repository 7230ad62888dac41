"""Recall of relations from a `relations.npz`, for the rankings of a network and for the reference orders.

Names of the numbers in metrics.json are made of four parts, of which any but the last may be empty:

    annotated_unordered_    which relations, and that either order of a pair counts
    row_                    the order of pairs: W̃ (empty), W_agg (row_) or a reference (random_, rpn_, detector_)
    pooled_ or distinct_    over all relations of the data set; after passing over duplicate pairs
    recall@100              K
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from data.images.proposals import PAIRS, Proposals
from data.records import ImageDataset, ImageRecord
from scripts.evaluation.metrics.boxes import iou
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
    Rule,
    found_at,
    objects_under,
    ranks_of_relations,
    recall,
    relations_of,
    unique_relations,
)
from scripts.evaluation.predictions import read_relations

BY_MATRIX, BY_ROW = "", "row_"
RANDOM, RPN, DETECTOR = "random_", "rpn_", "detector_"
DISTINCT = "distinct_"
MOST_DISTINCT = 1000  # the largest K without duplicates: a list of 5,000 pairs rarely has more that differ
SEED = 0  # of the random order of each image, of which duplicates are removed


class RelationRecall(NamedTuple):
    """Recall of every order.

    Args:
        orders: recall by the name of the order, with `DISTINCT` behind it where duplicates are passed over.
        images: number of images that have a relation.
        relations: number of their relations.
    """

    orders: dict[str, Recall]
    images: int
    relations: int


def recall_of_orders(
    path: Path, dataset: ImageDataset, top_k: list[int], rule: Rule, directed: bool, distinct: bool
) -> RelationRecall:
    """Recall at each K, image by image, so that memory is flat.

    Args:
        path: a `relations.npz`.
        dataset: the images that it is of.
        top_k: the values of K.
        rule: which objects are related.
        directed: whether the order of a pair of ROIs must be that of the relation.
        distinct: whether recall without duplicates is measured, too.
    """
    records = dataset.records
    places = {record.id: place for place, record in enumerate(records)}
    found: dict[str, list[np.ndarray]] = {}
    totals = []
    images = read_relations(path, places.keys(), max(top_k))
    for image_id, proposals in tqdm(images, total=len(records), desc="recall", unit="image", delay=5, leave=False):
        record = records[places[image_id]]
        relations = unique_relations(relations_of(record, rule), directed)
        if len(relations):
            totals.append(len(relations))
            image = _Image(proposals, record, relations, directed, zlib.crc32(image_id.encode()))
            for order, values in _found_in(image, rule, top_k, distinct):
                found.setdefault(order, []).append(values)
    orders = {order: recall(np.array(values), np.array(totals)) for order, values in found.items()}
    return RelationRecall(orders, images=len(totals), relations=sum(totals))


class _Image(NamedTuple):
    """An image's proposals, record, unique relations [U, 2], whether these have a direction, and a seed."""

    proposals: Proposals
    record: ImageRecord
    relations: np.ndarray
    directed: bool
    seed: int


def _found_in(image: _Image, rule: Rule, top_k: list[int], distinct: bool) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the orders, and how many relations of an image each finds at each K, [K]."""
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
    """The pairs [P, 2] of each order that is a list, by its name.

    All lists are equally long: as the network's, or `most` pairs in a network without pair weights. What is found
    without duplicates depends on the length.
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
    """[P, 2] different pairs of so many ROIs, drawn without replacement."""
    total = rois * (rois - 1)
    drawn = np.random.default_rng([SEED, seed]).choice(total, min(most, total), replace=False)
    return rpn_order(rois, total)[drawn]
