import numpy as np
import pytest

from scripts.evaluation.metrics.relations import (
    found_at,
    objects_under,
    ranks_of_relations,
    recall,
    unique_relations,
)

OBJECTS = np.array([[0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]])
ROIS = np.array([*OBJECTS, [60, 0, 69, 9], [0, 0, 9, 4]])  # one on each object, one on none, one on half of the first
PAIRS = np.array([[4, 1], [3, 1], [1, 0], [0, 2], [0, 1], [2, 1]])


def ranks(rois, pairs, boxes, relations, directed=False):
    """Ranks of the unique relations."""
    relations = unique_relations(relations, directed)
    return ranks_of_relations(pairs, objects_under(rois, boxes), relations, directed)


def test_undirected_relations_match_in_either_order():
    # An IoU of exactly 0.5, as that of ROI 4 with the first object, is not enough.
    np.testing.assert_array_equal(ranks(ROIS, PAIRS, OBJECTS, np.array([[0, 1], [1, 2]])), [3, 6])


def test_directed_relations_match_in_one_order():
    relations = np.array([[0, 1], [1, 0], [1, 2], [2, 1]])
    found = ranks(ROIS, PAIRS, OBJECTS, relations, directed=True)
    np.testing.assert_array_equal(found, [5, 3, np.inf, 6])


def test_repeated_relations_count_once():
    relations = np.array([[1, 0], [0, 1], [1, 0]])
    assert ranks(ROIS, PAIRS, OBJECTS, relations).tolist() == [3]
    assert ranks(ROIS, PAIRS, OBJECTS, relations, directed=True).tolist() == [5, 3]


def test_a_pair_finds_all_relations_under_its_rois():
    objects = np.array([[0, 0, 9, 9], [0, 0, 9, 8], [20, 0, 29, 9]])
    rois = objects[[0, 1]]  # each lies on the first two objects
    found = ranks(rois, np.array([[0, 1]]), objects, np.array([[0, 1], [0, 2]]))
    np.testing.assert_array_equal(found, [1, np.inf])


def test_images_without_rois_pairs_objects_or_relations():
    none, relation = np.zeros((0, 4)), np.array([[0, 1]])
    assert ranks(none, PAIRS[:0], OBJECTS, relation).tolist() == [np.inf]
    assert ranks(ROIS, PAIRS[:0], OBJECTS, relation).tolist() == [np.inf]
    assert ranks(ROIS[3:4], PAIRS[:0], OBJECTS, relation).tolist() == [np.inf]
    assert ranks(ROIS, PAIRS, OBJECTS, relation[:0]).shape == (0,)
    assert ranks(ROIS, PAIRS, none, relation[:0]).shape == (0,)


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_ranks_agree_with_a_loop(seed, directed):
    random = np.random.default_rng(seed)
    corners = random.integers(0, 40, (9, 2))
    objects = np.hstack([corners, corners + random.integers(5, 30, (9, 2))])
    rois = objects[random.integers(0, 9, 40)] + random.integers(-3, 4, (40, 4))
    pairs = random.integers(0, 40, (300, 2))  # some come twice
    pairs = pairs[pairs[:, 0] != pairs[:, 1]].astype(np.uint16)
    relations = np.argwhere(random.random((9, 9)) < (0.5 if directed else np.triu(np.full((9, 9), 0.5), k=1)))
    found = ranks(rois, pairs, objects, relations, directed)
    expected = [rank_by_loop(rois, pairs, objects[a], objects[b], directed) for a, b in relations]
    np.testing.assert_array_equal(found, expected)
    assert np.isfinite(found).any() and np.isinf(found).any()


def rank_by_loop(rois, pairs, subject, object, directed):
    for rank, (m, n) in enumerate(pairs, start=1):
        if overlaps(rois[m], subject) and overlaps(rois[n], object):
            return rank
        if not directed and overlaps(rois[n], subject) and overlaps(rois[m], object):
            return rank
    return np.inf


def overlaps(box, other):
    width = min(box[2], other[2]) - max(box[0], other[0]) + 1
    height = min(box[3], other[3]) - max(box[1], other[1]) + 1
    shared = max(width, 0) * max(height, 0)
    areas = [(each[2] - each[0] + 1) * (each[3] - each[1] + 1) for each in (box, other)]
    return shared > 0.5 * (sum(areas) - shared)


def test_recall_averaged_over_images_and_pooled():
    top_k = [1, 2, 7, 5000]
    found = np.array([found_at(np.array(each), top_k) for each in ([2], [1, 7, np.inf])])
    of_images = recall(found, np.array([1, 3]))
    np.testing.assert_allclose(of_images.mean, [(0 + 1 / 3) / 2, (1 + 1 / 3) / 2, (1 + 2 / 3) / 2, (1 + 2 / 3) / 2])
    np.testing.assert_allclose(of_images.pooled, [1 / 4, 2 / 4, 3 / 4, 3 / 4])
