"""The order of pairs, by hand and against a full sort; the file of proposals."""

import tracemalloc

import numpy as np
import pytest
from mxnet import nd

from data.common.errors import UserError
from data.images.proposals import Proposals, Ranking, has_pairs, relations_writer
from scripts.evaluation.predictions import read_relations
from vision.proposals import relationship_proposals


def propose(logits, mask=None, scale=1.0, most=5000, categories=None):
    """The proposals of one image with W [N, N]; the i-th ROI is (10 i, 10 i + 1, 10 i + 2, 10 i + 3)."""
    logits = nd.array([logits])
    rois = 10 * nd.arange(logits.shape[1]).reshape((1, -1, 1)) + nd.arange(4).reshape((1, 1, 4))
    mask = nd.ones(rois.shape[:2]) if mask is None else nd.array([mask])
    categories = nd.zeros((*rois.shape[:2], 4)) if categories is None else nd.array([categories])
    (proposals,) = relationship_proposals(rois, mask, categories, logits, nd.array([scale]), most)
    return proposals


def flat(proposals):
    """The arrays of proposals with both rankings."""
    return [*proposals[:3], *proposals.by_matrix, *proposals.by_row]


def test_pairs_are_ranked_without_the_diagonal():
    logits = np.log([[90, 1, 6], [4, 90, 3], [2, 5, 90]])
    proposals = propose(logits)
    assert proposals.by_matrix.pairs.tolist() == [[0, 2], [2, 1], [1, 0], [1, 2], [2, 0], [0, 1]]
    np.testing.assert_allclose(proposals.by_matrix.weights, np.array([6, 5, 4, 3, 2, 1]) / 291, rtol=1e-5)  # of nine
    dtypes = [np.float32, np.float32, np.uint16, np.uint16, np.float32, np.uint16, np.float32]
    assert [array.dtype for array in flat(proposals)] == dtypes


def test_scores_are_those_of_the_best_category():
    categories = np.log([[8, 1, 0.5, 0.5], [0.2, 0.2, 0.2, 0.4], [1, 1, 7, 1]])
    proposals = propose(np.zeros((3, 3)), mask=[1, 0, 1], categories=categories)
    np.testing.assert_allclose(proposals.scores, [0.1, 0.7], rtol=1e-5)
    assert proposals.labels.tolist() == [0, 1]


def test_without_pair_weights_only_rois_are_proposed():
    arrays = nd.ones((1, 2, 4)), nd.ones((1, 2)), nd.zeros((1, 2, 3))
    (proposals,) = relationship_proposals(*arrays, None, nd.array([1]))
    assert (len(proposals.rois), proposals.by_matrix, proposals.by_row) == (2, None, None)


def test_padded_rois_are_dropped_and_the_others_renumbered():
    logits = np.log([[1, 50, 4, 5], [50, 50, 50, 50], [3, 50, 1, 6], [2, 50, 7, 1]])
    proposals = propose(logits, mask=[1, 0, 1, 1])
    assert proposals.rois[:, 0].tolist() == [0, 20, 30]
    assert proposals.by_matrix.pairs.tolist() == [[2, 1], [1, 2], [0, 2], [0, 1], [1, 0], [2, 0]]
    np.testing.assert_allclose(proposals.by_matrix.weights, np.array([7, 6, 5, 4, 3, 2]) / 30, rtol=1e-5)


def test_each_image_of_a_batch_has_its_own_mask_and_scale():
    rois, mask = nd.ones((2, 3, 4)), nd.array([[1, 1, 1], [1, 1, 0]])
    categories, weights = nd.zeros((2, 3, 5)), nd.zeros((2, 3, 3))
    first, second = relationship_proposals(rois, mask, categories, weights, nd.array([1, 4]))
    assert (first.rois.tolist(), second.rois.tolist()) == ([[1] * 4] * 3, [[0.25] * 4] * 2)
    assert (len(first.by_matrix.pairs), second.by_matrix.pairs.tolist()) == (6, [[0, 1], [1, 0]])


@pytest.mark.parametrize("most", [1, 7, 379, 380, 5000])
def test_the_best_pairs_are_those_of_a_full_sort(most):
    # Rounded to tenths, so that many are equal, also around the last pair that is kept.
    logits = np.random.default_rng(0).normal(size=(20, 20)).round(1).astype(np.float32)
    first, second = np.nonzero(~np.eye(20, dtype=bool))
    order = sorted(range(380), key=lambda pair: -logits[first[pair], second[pair]])[:most]
    proposals = propose(logits, most=most)
    assert proposals.by_matrix.pairs.tolist() == np.stack([first, second], axis=1)[order].tolist()
    expected = np.exp(logits, dtype=float) / np.exp(logits, dtype=float).sum()
    np.testing.assert_allclose(proposals.by_matrix.weights, expected[first, second][order], rtol=1e-5)


def test_saturated_logits_keep_their_order():
    logits = [[0, -1e4, 1e4], [9999, 0, -9999], [-9998, -1e4, 1e4]]
    proposals = propose(logits)
    assert proposals.by_matrix.pairs.tolist() == [[0, 2], [1, 0], [2, 0], [1, 2], [0, 1], [2, 1]]
    total = 2 + np.exp(-1)
    np.testing.assert_allclose(proposals.by_matrix.weights, [1 / total, np.exp(-1) / total, 0, 0, 0, 0], rtol=1e-5)


def test_weights_of_close_logits_never_rise():
    logits = np.float32(3) + np.arange(90_000, dtype=np.float32)[::-1].reshape(300, 300) * np.float32(2.4e-7)
    weights = propose(logits, most=89_700).by_matrix.weights
    assert (weights[1:] <= weights[:-1]).all()


@pytest.mark.parametrize(("mask", "rois"), [([1], 1), ([0], 0), ([0, 1], 1), ([0, 0], 0)])
def test_an_image_may_have_one_roi_or_none(mask, rois):
    proposals = propose(np.zeros((len(mask), len(mask))), mask)
    assert [array.shape for array in flat(proposals)] == [(rois, 4), (rois,), (rois,), *2 * [(0, 2), (0,)]]


def made_up(seed, count):
    """Proposals of an image with `count` ROIs."""
    generator = np.random.default_rng(seed)
    rois = nd.array(generator.uniform(0, 100, (1, max(count, 1), 4)))
    mask = nd.array([[1] * count or [0]])
    categories, relations = (nd.array(generator.normal(size=(1, max(count, 1), each))) for each in (6, max(count, 1)))
    return relationship_proposals(rois, mask, categories, relations, nd.array([0.7]), most=50)[0]


@pytest.mark.parametrize("with_pairs", [True, False])
@pytest.mark.parametrize("counts", [(6, 0, 1, 9), (1, 0), (0,), ()])
def test_the_evaluation_can_read_the_file(tmp_path, counts, with_pairs):
    images = {f"{number:06}": made_up(number, count) for number, count in enumerate(counts)}
    if not with_pairs:
        images = {name: Proposals(*proposals[:3]) for name, proposals in images.items()}
    path = tmp_path / "run" / "relations.npz"
    with relations_writer(path, with_pairs) as add:
        for image_id, proposals in images.items():
            add(image_id, proposals)
    found = dict(read_relations(path, images, pairs_needed=50))
    assert list(found) == list(images)
    for image_id, proposals in images.items():
        if not with_pairs:
            assert found[image_id].by_matrix is None and found[image_id].by_row is None
        arrays = flat if with_pairs else lambda proposals: proposals[:3]
        for ours, theirs in zip(arrays(found[image_id]), arrays(proposals), strict=True):
            assert ours.dtype == theirs.dtype and ours.tolist() == theirs.tolist()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_has_enough_pairs_or_all_there_are(tmp_path):
    path = tmp_path / "relations.npz"
    with relations_writer(path, with_pairs=True) as add:
        add("a", made_up(0, 4))  # all 12
        add("b", made_up(1, 9))  # 50 of 72
    assert [has_pairs(path, True, most) for most in (12, 50, 51)] == [True, True, False]
    with relations_writer(path, with_pairs=False) as add:
        add("a", made_up(0, 4))
    assert has_pairs(path, False, 5000) and not has_pairs(path, True, 1)


def test_a_file_of_an_older_version_is_incomplete(tmp_path):
    path = tmp_path / "relations.npz"
    with relations_writer(path, with_pairs=True) as add:
        add("a", made_up(0, 4))
    with np.load(path) as archive:
        arrays = dict(archive)
    del arrays["roi_scores"]
    np.savez(path, **arrays)
    assert not has_pairs(path, True, 1)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match=str(path)):
        has_pairs(path, True, 1)


def test_an_error_keeps_the_old_file(tmp_path):
    path = tmp_path / "relations.npz"
    path.write_text("old")

    def stop_half_way():
        with relations_writer(path, with_pairs=True) as add:
            add("a", made_up(0, 4))
            raise OSError(2, "No such file", "image.jpg")

    with pytest.raises(OSError, match=r"image\.jpg"):  # not relations.npz
        stop_half_way()
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(path.name, "old")]


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    ranking = Ranking(np.zeros((5000, 2), np.uint16), np.zeros(5000, np.float32))
    proposals = Proposals(np.zeros((300, 4)), np.zeros(300), np.zeros(300, np.uint16), ranking, ranking)
    tracemalloc.start()
    with relations_writer(tmp_path / "relations.npz", with_pairs=True) as add:
        for number in range(200):
            add(str(number), proposals)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 700_000  # bytes; the rows are 17,320,000
