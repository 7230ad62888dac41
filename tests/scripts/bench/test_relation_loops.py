import numpy as np
import pytest
from mxnet import nd

from scripts.bench.relation_loops import Scene, looped_recall, looped_targets, made_up_pairs, made_up_scene
from scripts.bench.vision import ranked_recall
from vision.targets import relation_targets

TOP_K = (10, 100, 1000, 5000)


@pytest.fixture
def worked() -> Scene:
    """ROIs 0 and 1 are on a sheep, 2 on a horse, 3 on nothing."""
    rois = [[0, 0, 9, 9], [1, 0, 9, 9], [20, 0, 29, 10], [50, 50, 60, 60]]
    boxes = [[0, 0, 9, 9], [20, 0, 29, 11]]
    return Scene(*(np.array(values, np.float32) for values in (rois, boxes, [0, 1])))


def test_loops_on_a_worked_example(worked):
    assert np.argwhere(looped_targets(worked)).tolist() == [[0, 2], [1, 2], [2, 0], [2, 1]]
    pairs = np.array([[0, 1], [3, 2], [2, 1], [0, 2]])
    assert looped_recall(worked, pairs, [2, 3]).tolist() == [0, 1]


@pytest.mark.parametrize("seed", range(3))
def test_loops_agree_with_our_functions(seed):
    scene = made_up_scene(seed)
    targets = looped_targets(scene)
    np.testing.assert_array_equal(targets, relation_targets(*map(nd.array, scene)).asnumpy())
    assert 0.05 < targets.mean() < 0.5
    pairs = made_up_pairs(len(scene.rois), 5000)
    looped = looped_recall(scene, pairs, TOP_K)
    np.testing.assert_array_equal(looped, ranked_recall(scene, pairs))
    assert looped[0] < looped[-1]


def test_made_up_scenes_and_pairs_are_valid():
    rois, boxes, labels = made_up_scene(0, height=128, width=160)
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] < [160, 128]).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all() and (rois[:, 2:] > rois[:, :2]).all()
    assert rois.dtype == boxes.dtype == labels.dtype == np.float32
    pairs = made_up_pairs(rois=40, count=1000)
    assert len(np.unique(pairs, axis=0)) == 1000
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert pairs.min() == 0 and pairs.max() == 39
