"""Recall of relationship proposals (Tables 1 to 3; appendix A.2 of the paper): R = C(rel | top K) / C(rel).

C(rel) is the number of relations of an image: unique pairs of its objects. C(rel | top K) of them are found by the K
pairs of ROIs with the largest weights. A pair finds a relation if its ROIs overlap the relation's two objects, one
each, with an IoU above 0.5, as in the targets of training. The mean is over the images that have a relation; pooled
recall, over all relations of the data set, is reported as well.

Where the data set annotates no relations (VOC, COCO), they are all pairs of objects of different categories, or all
pairs of objects (section 3.2, A.4), and have no direction: a pair of ROIs may find one in either order. Weights have a
direction, so (m, n) and (n, m) are two entries of the list that K counts. Annotated relations (Visual Genome) lead from
a subject to an object, so m must lie on the subject and n on the object, as in the work that the paper cites; a switch
accepts either order.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data.images.relations import Rule as Rule
from data.images.relations import relations_between as relations_between
from data.images.relations import relations_of as relations_of
from scripts.evaluation.metrics.boxes import iou
from scripts.evaluation.metrics.combinations import Lists, combinations, lists_of

RELATION_IOU = 0.5


class Recall(NamedTuple):
    """Recall over a list of K.

    Args:
        mean: [K] fractions, the mean over images.
        pooled: [K] fractions of all relations.
    """

    mean: np.ndarray
    pooled: np.ndarray


def unique_relations(relations: np.ndarray, directed: bool) -> np.ndarray:
    """[U, 2] the different relations of [R, 2], in ascending order; without a direction the smaller object is first."""
    return np.unique(relations if directed else np.sort(relations, axis=1), axis=0)


class ObjectsUnder(NamedTuple):
    """Which objects the ROIs of an image lie on, as a mask [N, G] and as a list for each ROI."""

    mask: np.ndarray
    lists: Lists


def objects_under(rois: np.ndarray, boxes: np.ndarray) -> ObjectsUnder:
    """Which of the objects `boxes` [G, 4] each of the ROIs [N, 4] lies on."""
    mask = iou(rois[:, None], boxes) > RELATION_IOU
    return ObjectsUnder(mask, lists_of(mask))


def ranks_of_relations(
    pairs: np.ndarray, under: ObjectsUnder, relations: np.ndarray, directed: bool = False
) -> np.ndarray:
    """The first place in an image's list of pairs at which each of its relations is found.

    Only pairs with both ROIs on objects are looked at. Each is expanded into the pairs of objects that it lies on, and
    the ranks are written from the worst to the best, so that the best one stays: O(P + C) time for C such
    combinations, however many relations there are.

    Args:
        pairs: [P, 2] indices of ROIs, m then n, best first.
        under: the objects under the ROIs.
        relations: [U, 2] indices of objects.
        directed: whether m must lie on a relation's first object and n on its second; otherwise either order counts.

    Returns:
        [U] ranks from 1; infinite for a relation that no pair finds.

    Example:
        >>> boxes = np.array([[0, 0, 9, 9], [20, 0, 29, 9]])
        >>> under, pairs = objects_under(boxes, boxes), np.array([[1, 0], [0, 1]])
        >>> ranks_of_relations(pairs, under, relations=np.array([[0, 1]]), directed=True)
        array([2.])
    """
    first, second = pairs.T.astype(np.intp)
    counts = under.lists.counts
    hits = np.flatnonzero(counts[first] * counts[second])[::-1]  # pairs of two ROIs on objects, worst first
    pair, subject, object_ = combinations(under.lists, first[hits], second[hits])
    best = np.full(2 * under.mask.shape[1:], np.inf)  # [G, G]
    best[subject, object_] = hits[pair] + 1  # of several values for one entry NumPy keeps the last
    if not directed:
        best = np.minimum(best, best.T)
    return best[tuple(relations.T)]


def found_at(ranks: np.ndarray, top_k: Sequence[int]) -> np.ndarray:
    """[K] how many of an image's relations, by their ranks [U], are found by the first K pairs."""
    return np.count_nonzero(ranks[:, None] <= np.asarray(top_k), axis=0)


def recall(found: np.ndarray, totals: np.ndarray) -> Recall:
    """Recall from the number of relations found in each image, [I, K], of the number that it has, [I], at least 1.

    Example:
        >>> recall(np.array([[0, 1], [2, 3]]), np.array([1, 3]))
        Recall(mean=array([0.33333333, 1.        ]), pooled=array([0.5, 1. ]))
    """
    return Recall((found / totals[:, None]).mean(axis=0), found.sum(axis=0) / totals.sum())
