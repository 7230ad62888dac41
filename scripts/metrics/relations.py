"""Recall of relationship proposals (Tables 1 to 3; appendix A.2 of the paper): R = C(rel | top K) / C(rel).

C(rel) is the number of relations an image holds: unique pairs of its objects. C(rel | top K) of them are found by the K
pairs of ROIs with the largest weights: a pair finds a relation if its ROIs overlap the relation's two objects, each its
own, with an IoU above 0.5, as in the targets of training. The mean is taken over the images that
hold a relation; pooled recall, over all relations of the data set alike, is given beside it.

Where nobody has annotated relations (VOC, COCO), they are all pairs of objects of different categories, or all pairs of
objects (§3.2, A.4), and have no direction: a pair of ROIs may find one in either order. Weights do have one, so (m, n)
and (n, m) are two entries of the list that K counts. Annotated relations (Visual Genome) lead from a subject to an
object, so m must lie on the one and n on the other, as in the work that the paper cites; a switch takes either order.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from data.records import ImageRecord
from scripts.metrics.boxes import iou

RELATION_IOU = 0.5

Rule = Literal["different_category", "different_instance", "annotated"]


class Recall(NamedTuple):
    """Recall over a list of K.

    Args:
        mean: [K] fractions, the mean over images.
        pooled: [K] fractions of all relations.
        images: number of images that hold a relation.
        relations: their number of relations.
    """

    mean: np.ndarray
    pooled: np.ndarray
    images: int
    relations: int


def relations_of(record: ImageRecord, rule: Rule) -> np.ndarray:
    """The relations of an image: [R, 2] rows of its boxes. Difficult objects and crowds have none.

    Args:
        record: the image; `annotated` needs its `relations`.
        rule: `annotated`, or as for `relations_between`.
    """
    kept = ~(record.difficult | record.crowd)
    if rule == "annotated":
        return record.relations[kept[record.relations].all(axis=1)]
    return np.flatnonzero(kept)[relations_between(record.labels[kept], rule)]


def relations_between(labels: np.ndarray, rule: Rule) -> np.ndarray:
    """The relations of an image whose objects nobody has related: pairs of objects, in either order.

    Args:
        labels: [G] category of each object.
        rule: `different_category`, or `different_instance` for all pairs.

    Returns:
        [R, 2] indices of objects, the smaller one first.
    """
    first, second = np.triu_indices(len(labels), k=1)
    related = labels[first] != labels[second] if rule == "different_category" else np.full(len(first), True)
    return np.stack([first[related], second[related]], axis=1)


def ranks_of_relations(
    rois: np.ndarray, pairs: np.ndarray, boxes: np.ndarray, relations: np.ndarray, directed: bool = False
) -> np.ndarray:
    """The first place in an image's list of pairs at which each of its relations is found.

    No pair is compared with a relation: the ranks of all pairs of ROIs, [N, N], are reduced to the best one for each
    pair of objects, [G, G], first over the ROIs on the one object, then over those on the other. That takes O(N² + NH)
    time, for H overlaps of a ROI with an object, and O(N² + NG) memory, however many relations there are.

    Args:
        rois: [N, 4] corner form, in pixels.
        pairs: [P, 2] indices of ROIs, m then n, the best first.
        boxes: [G, 4] the image's objects.
        relations: [R, 2] indices of objects; some may come more than once.
        directed: whether m must lie on a relation's first object and n on its second; else either order will do.

    Returns:
        [U] ranks of the U unique relations, from 1; infinite for one that no pair finds.
    """
    ranks = np.full((len(rois), len(rois)), np.inf)  # [m, n]
    last_first = pairs[::-1]  # where a pair comes twice, its better rank is written last
    ranks[last_first[:, 0], last_first[:, 1]] = np.arange(len(pairs), 0, -1)
    on_object = iou(rois[:, None], boxes) > RELATION_IOU  # [N, G]
    best = _best_of_objects(_best_of_objects(ranks, on_object).T, on_object).T  # [m's object, n's object]
    if not directed:
        best, relations = np.minimum(best, best.T), np.sort(relations, axis=1)
    first, second = np.unique(relations, axis=0).T
    return best[first, second]


def recall(ranks_of_images: Iterable[np.ndarray], top_k: Sequence[int]) -> Recall:
    """Recall at each K of `top_k`, from the `ranks_of_relations` of one image after the other.

    Without any relation it is NaN.
    """
    found, totals = [], []
    for ranks in ranks_of_images:
        if len(ranks):
            found.append(np.count_nonzero(ranks[:, None] <= np.asarray(top_k), axis=0))
            totals.append(len(ranks))
    if not totals:
        return Recall(np.full(len(top_k), np.nan), np.full(len(top_k), np.nan), images=0, relations=0)
    found, totals = np.array(found), np.array(totals)  # [images, K], [images]
    return Recall(
        mean=(found / totals[:, None]).mean(axis=0),
        pooled=found.sum(axis=0) / totals.sum(),
        images=len(totals),
        relations=int(totals.sum()),
    )


def _best_of_objects(ranks: np.ndarray, on_object: np.ndarray) -> np.ndarray:
    """Reduces ranks [N, …] over the ROIs `on_object` [N, G] to the best of each object: [G, …]."""
    objects, rois = np.nonzero(on_object.T)  # sorted by object
    best = np.full((on_object.shape[1], *ranks.shape[1:]), np.inf)
    hit, starts = np.unique(objects, return_index=True)
    if len(hit):
        best[hit] = np.minimum.reduceat(ranks[rois], starts, axis=0)
    return best
