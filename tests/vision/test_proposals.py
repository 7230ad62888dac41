"""The order of pairs by hand and against all of them sorted, and their file as the evaluation reads it."""

import tracemalloc

import numpy as np
import pytest
from mxnet import nd

from scripts.predictions import read_relations
from vision.proposals import Proposals, relations_writer, relationship_proposals

FIELDS = ("rois", "pairs", "weights")


def propose(logits, mask=None, scale=1.0, most=5000):
    """The proposals of one image with W [N, N]; its i-th ROI is (10 i, 10 i + 1, 10 i + 2, 10 i + 3)."""
    logits = nd.array([logits])
    rois = 10 * nd.arange(logits.shape[1]).reshape((1, -1, 1)) + nd.arange(4).reshape((1, 1, 4))
    mask = nd.ones(rois.shape[:2]) if mask is None else nd.array([mask])
    (proposals,) = relationship_proposals(rois, mask, logits, nd.array([scale]), most)
    return proposals


def test_pairs_come_by_weight_and_rois_are_not_paired_with_themselves():
    logits = np.log([[90, 1, 6], [4, 90, 3], [2, 5, 90]])
    proposals = propose(logits)
    assert proposals.pairs.tolist() == [[0, 2], [2, 1], [1, 0], [1, 2], [2, 0], [0, 1]]
    np.testing.assert_allclose(proposals.weights, np.array([6, 5, 4, 3, 2, 1]) / 291, rtol=1e-5)  # of all nine
    assert [getattr(proposals, name).dtype for name in FIELDS] == [np.float32, np.uint16, np.float32]


def test_rois_that_fill_the_list_are_left_out_and_the_others_renumbered():
    logits = np.log([[1, 50, 4, 5], [50, 50, 50, 50], [3, 50, 1, 6], [2, 50, 7, 1]])
    proposals = propose(logits, mask=[1, 0, 1, 1])
    assert proposals.rois[:, 0].tolist() == [0, 20, 30]
    assert proposals.pairs.tolist() == [[2, 1], [1, 2], [0, 2], [0, 1], [1, 0], [2, 0]]
    np.testing.assert_allclose(proposals.weights, np.array([7, 6, 5, 4, 3, 2]) / 30, rtol=1e-5)


def test_rois_are_in_pixels_of_the_original_image():
    assert propose(np.zeros((2, 2)), scale=2.0).rois.tolist() == [[0, 0.5, 1, 1.5], [5, 5.5, 6, 6.5]]


def test_each_image_of_a_batch_has_its_own_mask_and_scale():
    rois, mask = nd.ones((2, 3, 4)), nd.array([[1, 1, 1], [1, 1, 0]])
    first, second = relationship_proposals(rois, mask, nd.zeros((2, 3, 3)), nd.array([1, 4]))
    assert (first.rois.tolist(), second.rois.tolist()) == ([[1] * 4] * 3, [[0.25] * 4] * 2)
    assert (len(first.pairs), second.pairs.tolist()) == (6, [[0, 1], [1, 0]])


@pytest.mark.parametrize("most", [1, 7, 379, 380, 5000])
def test_the_best_are_those_of_all_pairs_sorted(most):
    # In steps of a tenth, so that there are many equal ones, among them around the last that is kept.
    logits = np.random.default_rng(0).normal(size=(20, 20)).round(1).astype(np.float32)
    first, second = np.nonzero(~np.eye(20, dtype=bool))
    order = sorted(range(380), key=lambda pair: -logits[first[pair], second[pair]])[:most]
    proposals = propose(logits, most=most)
    assert proposals.pairs.tolist() == np.stack([first, second], axis=1)[order].tolist()
    expected = np.exp(logits, dtype=float) / np.exp(logits, dtype=float).sum()
    np.testing.assert_allclose(proposals.weights, expected[first, second][order], rtol=1e-5)


def test_weights_of_saturated_logits_are_finite_and_keep_their_order():
    logits = [[0, -1e4, 1e4], [9999, 0, -9999], [-9998, -1e4, 1e4]]
    proposals = propose(logits)
    assert proposals.pairs.tolist() == [[0, 2], [1, 0], [2, 0], [1, 2], [0, 1], [2, 1]]
    total = 2 + np.exp(-1)
    np.testing.assert_allclose(proposals.weights, [1 / total, np.exp(-1) / total, 0, 0, 0, 0], rtol=1e-5)


def test_weights_never_rise_where_logits_hardly_differ():
    logits = np.float32(3) + np.arange(90_000, dtype=np.float32)[::-1].reshape(300, 300) * np.float32(2.4e-7)
    weights = propose(logits, most=89_700).weights
    assert (weights[1:] <= weights[:-1]).all()


@pytest.mark.parametrize(("mask", "rois"), [([1], 1), ([0], 0), ([0, 1], 1), ([0, 0], 0)])
def test_an_image_may_have_one_roi_or_none(mask, rois):
    proposals = propose(np.zeros((len(mask), len(mask))), mask)
    assert [getattr(proposals, name).shape for name in FIELDS] == [(rois, 4), (0, 2), (0,)]


def made_up(seed, count):
    """Proposals of an image with `count` ROIs."""
    generator = np.random.default_rng(seed)
    rois = nd.array(generator.uniform(0, 100, (1, max(count, 1), 4)))
    mask = nd.array([[1] * count or [0]])
    relations = nd.array(generator.normal(size=(1, max(count, 1), max(count, 1))))
    return relationship_proposals(rois, mask, relations, nd.array([0.7]), most=50)[0]


@pytest.mark.parametrize("counts", [(6, 0, 1, 9), (1, 0), (0,), ()])
def test_the_file_holds_what_the_evaluation_reads(tmp_path, counts):
    images = {f"{number:06}": made_up(number, count) for number, count in enumerate(counts)}
    path = tmp_path / "run" / "relations.npz"
    with relations_writer(path) as add:
        for image_id, proposals in images.items():
            add(image_id, proposals)
    found = list(read_relations(path, images, pairs_needed=50))
    assert [proposals.image_id for proposals in found] == list(images)
    for ours, theirs in zip(found, images.values(), strict=True):
        for name in FIELDS:
            assert getattr(ours, name).dtype == getattr(theirs, name).dtype
            assert getattr(ours, name).tolist() == getattr(theirs, name).tolist()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_numpy_reads_the_file_too(tmp_path):
    proposals = made_up(0, 4)
    with relations_writer(tmp_path / "relations.npz") as add:
        add("a", proposals)
        add("b", proposals)
    with np.load(tmp_path / "relations.npz") as archive:
        arrays = {name: array.tolist() for name, array in archive.items()}
    assert arrays["image_ids"] == ["a", "b"]
    assert (arrays["roi_offsets"], arrays["pair_offsets"]) == ([0, 4, 8], [0, 12, 24])
    assert arrays["pairs"] == 2 * proposals.pairs.tolist()


def test_after_an_error_the_old_file_stands_and_nothing_else(tmp_path):
    path = tmp_path / "relations.npz"
    path.write_text("old")

    def stop_half_way():
        with relations_writer(path) as add:
            add("a", made_up(0, 4))
            raise OSError(2, "No such file", "image.jpg")

    with pytest.raises(OSError, match=r"image\.jpg"):  # Not relations.npz: that is not what is wrong.
        stop_half_way()
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(path.name, "old")]


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    proposals = Proposals(*(np.zeros(shape, np.float32) for shape in ((300, 4), (5000, 2), (5000,))))
    tracemalloc.start()
    with relations_writer(tmp_path / "relations.npz") as add:
        for number in range(200):
            add(str(number), proposals)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000  # bytes; the rows are 8,960,000
