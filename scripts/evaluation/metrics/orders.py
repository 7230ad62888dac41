"""Reference orders: rankings of pairs of ROIs that use no attention.

Recall of an attention says little by itself: ROIs cluster on objects, so any list of pairs finds relations. Three
reference orders use only what the detector knows without pair weights:

random     a random order of the N(N − 1) pairs of different ROIs; recall is its expected value
rpn        the order of pairs of equal weight: the RPN's best ROI with all others in the RPN's order, then the
           second-best ROI with all others, and so on
detector   pairs sorted by the product of their ROIs' best class scores; if relations are between different
           categories, pairs of the same predicted category come last

`without_duplicates` removes from any order the pairs that repeat a better one.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.special import gammaln

from data.images.proposals import largest
from scripts.evaluation.metrics.relations import combinations, lists_of

DUPLICATE_IOU = 0.5
BLOCK = 256  # pairs processed together


@lru_cache
def rpn_order(rois: int, most: int) -> np.ndarray:
    """[P, 2] the first `most` pairs of different ROIs, sorted by the first ROI and then by the second.

    Example:
        >>> rpn_order(3, most=4).tolist()
        [[0, 1], [0, 2], [1, 0], [1, 2]]
    """
    rows = np.arange(min(most, rois * (rois - 1)))
    first, second = np.divmod(rows, max(rois - 1, 1))
    pairs = np.stack([first, second + (second >= first)], axis=1)  # skips the first ROI
    pairs.flags.writeable = False  # cached: shared by all images with as many ROIs
    return pairs


def detector_order(scores: np.ndarray, labels: np.ndarray, most: int, by_category: bool) -> np.ndarray:
    """[P, 2] the first `most` pairs by the product of the two ROIs' scores, each in both orders.

    Args:
        scores: [N] probability of each ROI's most likely category.
        labels: [N] that category.
        most: number of pairs to return.
        by_category: whether pairs of the same category come last.

    Example:
        >>> detector_order(np.array([0.9, 0.8, 0.5]), np.array([3, 3, 7]), most=4, by_category=True).tolist()
        [[0, 2], [2, 0], [1, 2], [2, 1]]
    """
    first, second = _unordered_pairs(len(scores))
    keys = scores[first] * scores[second]  # the same for both orders of a pair
    if by_category:
        keys = keys - (labels[first] == labels[second])  # below all other keys, which are at least 0
    best = largest(keys, min((most + 1) // 2, len(keys)))
    first, second = first[best], second[best]
    return np.stack([first, second, second, first], axis=1).reshape(-1, 2)[:most]


@lru_cache
def _unordered_pairs(rois: int) -> tuple[np.ndarray, np.ndarray]:
    """First and second ROI of all unordered pairs, the smaller index first."""
    return np.triu_indices(rois, k=1)


def pairs_on_relations(on_object: np.ndarray, relations: np.ndarray, directed: bool) -> np.ndarray:
    """[U] how many of the N(N − 1) pairs of ROIs find each relation.

    With a ROIs on the first object, b on the second and d on both, ab − d pairs find a directed relation, because a ROI
    does not pair with itself. If either order counts, 2ab − d² − d pairs find it: pairs of two ROIs that are both on
    both objects match in both orders and count once.

    Args:
        on_object: [N, G] bool, which objects each ROI is on.
        relations: [U, 2] indices of different objects.
        directed: whether the order of a pair must match.

    Example:
        >>> on_object = np.array([[True, False], [True, False], [False, True]])
        >>> pairs_on_relations(on_object, np.array([[0, 1]]), directed=False).tolist()
        [4]
    """
    counts = on_object.sum(axis=0)
    first, second = relations.T
    products, both = counts[first] * counts[second], (on_object[:, first] & on_object[:, second]).sum(axis=0)
    return products - both if directed else 2 * products - both**2 - both


def found_at_random(finding: np.ndarray, rois: int, top_k: Sequence[int]) -> np.ndarray:
    """[K] expected number of relations that the first K pairs of a random order find.

    A relation found by c of the T = N(N − 1) pairs is missed with probability C(T − c, K) / C(T, K).

    Args:
        finding: [U] c of each relation, from `pairs_on_relations`.
        rois: N.
        top_k: the values of K.

    Example:
        >>> found_at_random(np.array([4]), rois=3, top_k=[1, 2, 6]).round(4).tolist()
        [0.6667, 0.9333, 1.0]
    """
    total = rois * (rois - 1)
    k = np.minimum(top_k, total)  # [K]
    others = total - finding[:, None]  # [U, 1]
    with np.errstate(invalid="ignore"):  # where K > T − c, which is replaced
        log_missed = gammaln(others + 1) - gammaln(others - k + 1) - gammaln(total + 1) + gammaln(total - k + 1)
    missed = np.where(k > others, 0, np.exp(log_missed))
    return (1 - missed).sum(axis=0)


def without_duplicates(pairs: np.ndarray, same_place: np.ndarray, most: int) -> np.ndarray:
    """[Q] indices of the best pairs, at most `most`, after removing those that repeat a better one.

    A pair repeats another if its first ROI overlaps the other's first and its second ROI the other's second. As in
    non-maximum suppression of boxes, a removed pair does not remove others.

    Pairs are processed in blocks: those that repeat a pair kept from an earlier block are dropped, the others are
    compared with one another.

    Args:
        pairs: [P, 2] indices of ROIs, best first.
        same_place: [N, N] bool, whether two ROIs overlap with an IoU above `DUPLICATE_IOU`; symmetric, true on the
            diagonal.
        most: number of pairs to keep.

    Example:
        >>> same_place = np.eye(3, dtype=bool)
        >>> same_place[0, 1] = same_place[1, 0] = True
        >>> without_duplicates(np.array([[0, 2], [1, 2], [2, 0]]), same_place, most=3).tolist()
        [0, 2]
    """
    first, second = pairs.T.astype(np.intp)
    neighbours = lists_of(same_place)
    repeated = np.zeros(same_place.shape, bool)  # [m, n] pairs that repeat a kept pair
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
    """[L] bool, which pairs repeat no kept pair, from repeats [L, L]: whether the row repeats the better column.

    An entry is final once those of all pairs that it repeats are, so the number of rounds is the length of the longest
    chain of repetitions.
    """
    repeats = repeats.astype(np.float32)
    stays = np.ones(len(repeats), bool)
    while True:
        settled = stays
        stays = repeats @ settled == 0
        if (stays == settled).all():
            return stays
