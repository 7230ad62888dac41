import itertools
from math import comb

import numpy as np
import pytest

from scripts.evaluation.metrics.orders import (
    detector_order,
    found_at_random,
    pairs_on_relations,
    rpn_order,
    without_duplicates,
)
from scripts.evaluation.metrics.relations import ObjectsUnder, found_at, lists_of, ranks_of_relations


def all_pairs(rois):
    return np.array(list(itertools.permutations(range(rois), 2))).reshape(-1, 2)


# --- RPN and detector order -------------------------------------------------------------------------------------------


def test_rpn_order_is_that_of_equal_weights():
    assert rpn_order(4, 5).tolist() == [[0, 1], [0, 2], [0, 3], [1, 0], [1, 2]]
    for rois in (0, 1, 2, 7):
        assert rpn_order(rois, 100).tolist() == all_pairs(rois).tolist()


def test_detector_order_sorts_by_the_product_of_scores():
    scores, labels = np.array([0.5, 0.9, 0.8], np.float32), np.array([0, 1, 1])
    by_category = detector_order(scores, labels, 6, by_category=True)  # 1 and 2 are of one category
    assert by_category.tolist() == [[0, 1], [1, 0], [0, 2], [2, 0], [1, 2], [2, 1]]
    by_score = detector_order(scores, labels, 4, by_category=False)
    assert by_score.tolist() == [[1, 2], [2, 1], [0, 1], [1, 0]]
    assert detector_order(scores[:0], labels[:0], 4, by_category=True).shape == (0, 2)
    assert detector_order(scores[:1], labels[:1], 4, by_category=True).shape == (0, 2)


# --- random orders --------------------------------------------------------------------------------------------------

# ROIs 0 and 3 are on objects 0 and 1, ROI 1 is on object 1, ROI 2 on object 0, ROI 4 on none.
ON_OBJECT = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]], bool)
UNDER = ObjectsUnder(ON_OBJECT, lists_of(ON_OBJECT))
RELATIONS = np.array([[0, 1], [0, 2], [1, 0]])


@pytest.mark.parametrize("directed", [True, False])
def test_counts_of_pairs_that_find_a_relation(directed):
    pairs = all_pairs(5)
    expected = []
    for first, second in RELATIONS:
        finds = ON_OBJECT[pairs[:, 0], first] & ON_OBJECT[pairs[:, 1], second]
        if not directed:
            finds |= ON_OBJECT[pairs[:, 0], second] & ON_OBJECT[pairs[:, 1], first]
        expected.append(finds.sum())
    assert pairs_on_relations(ON_OBJECT, RELATIONS, directed).tolist() == expected
    assert expected == ([7, 0, 7] if directed else [12, 0, 12])


def test_random_order_finds_the_expected_number():
    found = found_at_random(np.array([3, 0, 12]), rois=4, top_k=[1, 2, 12, 5000])  # of 12 pairs
    missed = [comb(9, k) / comb(12, k) for k in (1, 2)]
    np.testing.assert_allclose(found, [1 - missed[0] + 1, 1 - missed[1] + 1, 2, 2], rtol=1e-9)
    assert found_at_random(np.array([0]), rois=1, top_k=[10]).tolist() == [0]
    assert found_at_random(np.array([], int), rois=3, top_k=[10]).tolist() == [0]


@pytest.mark.parametrize("directed", [True, False])
def test_expected_number_is_the_mean_over_random_orders(directed):
    generator, relations, top_k = np.random.default_rng(0), RELATIONS[:2], [1, 3, 8]
    pairs = all_pairs(5)
    drawn = [
        found_at(ranks_of_relations(generator.permutation(pairs), UNDER, relations, directed), top_k)
        for _ in range(4000)
    ]
    expected = found_at_random(pairs_on_relations(ON_OBJECT, relations, directed), 5, top_k)
    np.testing.assert_allclose(np.mean(drawn, axis=0), expected, atol=4 * 0.5 / np.sqrt(4000))


# --- duplicates -----------------------------------------------------------------------------------------------------


def symmetric(size, *pairs):
    """[size, size] which ROIs are at the same place: each with itself, and these pairs."""
    same = np.eye(size, dtype=bool)
    for first, second in pairs:
        same[first, second] = same[second, first] = True
    return same


def test_pairs_that_repeat_a_better_one_are_removed():
    same = symmetric(5, (0, 1), (2, 3))
    pairs = np.array([[0, 2], [1, 2], [1, 3], [2, 0], [0, 4], [3, 1], [1, 4]])
    # (1, 2) and (1, 3) repeat (0, 2); (2, 0) is another order; (3, 1) repeats it; (1, 4) repeats (0, 4).
    assert without_duplicates(pairs, same, 10).tolist() == [0, 3, 4]
    assert without_duplicates(pairs, same, 2).tolist() == [0, 3]
    assert without_duplicates(pairs[:0], same, 10).tolist() == []
    assert without_duplicates(pairs[:0], same[:0, :0], 10).tolist() == []


def test_removed_pairs_do_not_remove_others():
    same = symmetric(4, (0, 1), (1, 2))  # 0 and 2 are apart
    assert without_duplicates(np.array([[0, 3], [1, 3], [2, 3]]), same, 10).tolist() == [0, 2]


@pytest.mark.parametrize(("seed", "rois", "share"), [(0, 12, 0.2), (1, 40, 0.1), (2, 40, 0.0), (3, 40, 0.6)])
def test_duplicates_agree_with_a_loop(seed, rois, share):
    generator = np.random.default_rng(seed)
    upper = np.triu(generator.random((rois, rois)) < share, k=1)
    same = upper | upper.T | np.eye(rois, dtype=bool)
    pairs = generator.permutation(all_pairs(rois))[:1200].astype(np.uint16)  # several blocks of 256
    kept = []
    for row, (m, n) in enumerate(pairs):
        if not any(same[m, pairs[better, 0]] and same[n, pairs[better, 1]] for better in kept):
            kept.append(row)
    assert without_duplicates(pairs, same, 5000).tolist() == kept
    assert without_duplicates(pairs, same, 7).tolist() == kept[:7]
