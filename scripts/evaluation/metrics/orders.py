"""Reference orders: in which order pairs of ROIs stand without any attention, and what recall that gives.

Recall of an attention means little by itself: ROIs gather on objects, so that any list of their pairs finds relations.
Three orders use what the detector knows without pair weights:

random     every order of the N(N − 1) pairs of different ROIs is equally likely; recall is its expectation
rpn        the order of pairs whose weights are all equal: those of the RPN's best ROI with all others in the RPN's
           order, then those of the second one, and so on
detector   pairs by the product of the two ROIs' best class scores; where relations are between different categories,
           the pairs of one predicted category come after all others

`without_duplicates` removes from any order the pairs that repeat a better one.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.special import gammaln

from data.images.proposals import largest
from scripts.evaluation.metrics.combinations import combinations, lists_of

DUPLICATE_IOU = 0.5
BLOCK = 256  # pairs that are decided together


@lru_cache
def rpn_order(rois: int, most: int) -> np.ndarray:
    """[P, 2] the first `most` pairs of so many ROIs, by the first ROI and then by the second.

    Example:
        >>> rpn_order(3, most=4).tolist()
        [[0, 1], [0, 2], [1, 0], [1, 2]]
    """
    rows = np.arange(min(most, rois * (rois - 1)))
    first, second = np.divmod(rows, max(rois - 1, 1))
    pairs = np.stack([first, second + (second >= first)], axis=1)  # the second skips the first
    pairs.flags.writeable = False  # shared by all images of as many ROIs
    return pairs


def detector_order(scores: np.ndarray, labels: np.ndarray, most: int, by_category: bool) -> np.ndarray:
    """[P, 2] the first `most` pairs by the product of the two ROIs' scores, each in both orders.

    Args:
        scores: [N] probability of each ROI's most likely category.
        labels: [N] that category.
        most: how many pairs.
        by_category: whether pairs of one category come last.

    Example:
        >>> detector_order(np.array([0.9, 0.8, 0.5]), np.array([3, 3, 7]), most=4, by_category=True).tolist()
        [[0, 2], [2, 0], [1, 2], [2, 1]]
    """
    first, second = _unordered_pairs(len(scores))
    keys = scores[first] * scores[second]  # the same for both orders of a pair
    if by_category:
        keys = keys - (labels[first] == labels[second])  # below all others: products are at least 0
    best = largest(keys, min((most + 1) // 2, len(keys)))
    first, second = first[best], second[best]
    return np.stack([first, second, second, first], axis=1).reshape(-1, 2)[:most]


@lru_cache
def _unordered_pairs(rois: int) -> tuple[np.ndarray, np.ndarray]:
    """First and second ROI, the smaller one first, of all pairs of so many."""
    return np.triu_indices(rois, k=1)


def pairs_on_relations(on_object: np.ndarray, relations: np.ndarray, directed: bool) -> np.ndarray:
    """[U] how many of the N(N − 1) pairs of ROIs find each relation.

    Of a ROIs on the one object, b on the other and d on both, a directed relation is found by ab − d pairs: a ROI makes
    no pair with itself. In either order it is found by 2ab − d² − d: the pairs of two ROIs that lie on both objects
    find it in both orders and count once.

    Args:
        on_object: [N, G] which objects each ROI lies on.
        relations: [U, 2] indices of different objects.
        directed: whether the order counts.
    """
    counts = on_object.sum(axis=0)
    first, second = relations.T
    products, both = counts[first] * counts[second], (on_object[:, first] & on_object[:, second]).sum(axis=0)
    return products - both if directed else 2 * products - both**2 - both


def found_at_random(finding: np.ndarray, rois: int, top_k: Sequence[int]) -> np.ndarray:
    """[K] the expected number of relations that the first K pairs of a random order find.

    A relation that c of T = N(N − 1) pairs find is missed with probability C(T − c, K) / C(T, K).

    Args:
        finding: [U] c of each relation, as from `pairs_on_relations`.
        rois: N.
        top_k: the values of K.
    """
    total = rois * (rois - 1)
    k = np.minimum(top_k, total)  # [K]
    others = total - finding[:, None]  # [U, 1]
    with np.errstate(invalid="ignore"):  # where K > T − c, which is replaced
        log_missed = gammaln(others + 1) - gammaln(others - k + 1) - gammaln(total + 1) + gammaln(total - k + 1)
    missed = np.where(k > others, 0, np.exp(log_missed))
    return (1 - missed).sum(axis=0)


def without_duplicates(pairs: np.ndarray, same_place: np.ndarray, most: int) -> np.ndarray:
    """[Q] rows of the best pairs, at most `most` of them, when those that repeat a better one are passed over.

    A pair repeats another if its first ROI overlaps the other's first and its second ROI the other's second. As in
    non-maximum suppression of boxes, a pair that is passed over itself makes no other a duplicate.

    Pairs are decided in blocks: those of a block that repeat a pair of an earlier block are dropped, the others are
    compared with one another.

    Args:
        pairs: [P, 2] indices of ROIs, best first.
        same_place: [N, N] bool, whether two ROIs overlap with an IoU above `DUPLICATE_IOU`; symmetric, true on the
            diagonal.
        most: how many are wanted.
    """
    first, second = pairs.T.astype(np.intp)
    neighbours = lists_of(same_place)
    repeated = np.zeros(same_place.shape, bool)  # [m, n] pairs that repeat one that stays
    kept = np.empty(0, np.intp)
    for start in range(0, len(pairs), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(pairs)))
        rows = rows[~repeated[first[rows], second[rows]]]
        m, n = first[rows], second[rows]
        repeats = same_place[m].take(m, axis=1) & same_place[n].take(n, axis=1)  # [L, L]
        stays = _stay(np.tril(repeats, k=-1))
        kept = np.append(kept, rows[stays])
        if len(kept) >= most:
            break
        _, *repeating = combinations(neighbours, m[stays], n[stays])
        repeated[tuple(repeating)] = True
    return kept[:most]


def _stay(repeats: np.ndarray) -> np.ndarray:
    """[L] bool, which pairs repeat no pair that stays; repeats [L, L]: whether the row repeats the better column.

    A pair's answer is right once those of all pairs that it repeats are, so the number of rounds is the length of the
    longest chain of repetitions.
    """
    repeats = repeats.astype(np.float32)
    stays = np.ones(len(repeats), bool)
    while True:
        settled = stays
        stays = repeats @ settled == 0
        if (stays == settled).all():
            return stays
