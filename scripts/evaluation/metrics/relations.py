"""Recall of relationship proposals (Tables 1 to 3; appendix A.2 of the paper): R = C(rel | top K) / C(rel).

C(rel) is the number of relations of an image: unique pairs of its objects. C(rel | top K) is the number found by the K
pairs of ROIs with the largest weights. A pair finds a relation if its two ROIs overlap the two objects with an IoU
above 0.5, as in the training targets. Recall is averaged over the images that have a relation; pooled recall, over all
relations of the dataset, is also reported.

Without relation annotations (VOC, COCO), relations follow a rule of `data.images.relations` and have no direction: a
pair of ROIs may match in either order. Weights are directed, so (m, n) and (n, m) are two of the K entries. Annotated
relations (Visual Genome) lead from a subject to an object: m must be on the subject and n on the object, as in the
work that the paper cites. With `--unordered`, either order matches.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data.images.boxes import iou

RELATION_IOU = 0.5


class Lists(NamedTuple):
    """N lists of indices in one array.

    Args:
        counts: [N] length of each list.
        starts: [N] position in `items` where each list begins.
        items: [E] the indices, list after list.
    """

    counts: np.ndarray
    starts: np.ndarray
    items: np.ndarray


class ObjectsUnder(NamedTuple):
    """The objects that each ROI of an image is on, as a mask [N, G] and as one list per ROI."""

    mask: np.ndarray
    lists: Lists


class Recall(NamedTuple):
    """Recall at each K.

    Args:
        mean: [K] recall averaged over images.
        pooled: [K] recall over all relations.
    """

    mean: np.ndarray
    pooled: np.ndarray


def unique_relations(relations: np.ndarray, directed: bool) -> np.ndarray:
    """[U, 2] the distinct relations of [R, 2], sorted; undirected ones have the smaller index first."""
    return np.unique(relations if directed else np.sort(relations, axis=1), axis=0)


def objects_under(rois: np.ndarray, boxes: np.ndarray) -> ObjectsUnder:
    """The objects `boxes` [G, 4] that each of the ROIs [N, 4] is on."""
    mask = iou(rois[:, None], boxes) > RELATION_IOU
    return ObjectsUnder(mask, lists_of(mask))


def ranks_of_relations(
    pairs: np.ndarray, under: ObjectsUnder, relations: np.ndarray, directed: bool = False
) -> np.ndarray:
    """The rank of the first pair that finds each relation of an image.

    Pairs with both ROIs on objects are expanded into pairs of objects. Their ranks are written from the worst to the
    best, so that the best remains: O(P + C) time for C pairs of objects, independent of the number of relations.

    Args:
        pairs: [P, 2] indices of ROIs (m, n), best first.
        under: the objects under the ROIs.
        relations: [U, 2] indices of objects.
        directed: whether m must be on a relation's first object and n on its second; otherwise either order matches.

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
    hits = np.flatnonzero(counts[first] * counts[second])[::-1]  # pairs with both ROIs on objects, worst first
    pair, subject, object_ = combinations(under.lists, first[hits], second[hits])
    best = np.full(2 * under.mask.shape[1:], np.inf)  # [G, G]
    best[subject, object_] = hits[pair] + 1  # NumPy keeps the last of several values for one entry
    if not directed:
        best = np.minimum(best, best.T)
    return best[tuple(relations.T)]


def found_at(ranks: np.ndarray, top_k: Sequence[int]) -> np.ndarray:
    """[K] number of an image's relations, given their ranks [U], that the first K pairs find."""
    return np.count_nonzero(ranks[:, None] <= np.asarray(top_k), axis=0)


def recall(found: np.ndarray, totals: np.ndarray) -> Recall:
    """Recall from the number of relations found in each image, [I, K], and of all its relations, [I], at least 1.

    Example:
        >>> recall(np.array([[0, 1], [2, 3]]), np.array([1, 3]))
        Recall(mean=array([0.33333333, 1.        ]), pooled=array([0.5, 1. ]))
    """
    return Recall((found / totals[:, None]).mean(axis=0), found.sum(axis=0) / totals.sum())


def lists_of(mask: np.ndarray) -> Lists:
    """The columns at which each row of a mask [N, M] is true."""
    counts = np.count_nonzero(mask, axis=1)
    return Lists(counts, np.cumsum(counts) - counts, np.nonzero(mask)[1])


def combinations(lists: Lists, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All combinations of an item of the list `first[p]` and an item of the list `second[p]`, for each p.

    Args:
        lists: the lists.
        first: [P] index of a list.
        second: [P] index of a list.

    Returns:
        p [C] of each combination in ascending order, and its two items [C], [C].

    Example:
        >>> lists = lists_of(np.array([[True, True, False], [False, False, True]]))
        >>> [each.tolist() for each in combinations(lists, np.array([0, 1]), np.array([1, 1]))]
        [[0, 0, 1], [0, 1, 2], [2, 2, 2]]
    """
    counts = lists.counts[first] * lists.counts[second]  # [P]
    pair = np.repeat(np.arange(len(counts)), counts)  # [C]
    place = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
    of_second = lists.counts[second][pair]
    row = place // of_second
    return (
        pair,
        lists.items[lists.starts[first][pair] + row],
        lists.items[lists.starts[second][pair] + place - row * of_second],
    )
