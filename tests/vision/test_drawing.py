"""The relations that are drawn, and the content of pictures."""

import numpy as np
import pytest
from matplotlib.image import imread

from data.images.proposals import Proposals, Ranking
from vision.drawing import class_color, draw_detections, strongest_relations
from vision.postprocess import Detections

CLASSES = ("cat", "dog", "price in $")

# ROIs 0 and 1 overlap, and 2 and 3; 4 is elsewhere.
ROIS = np.array(
    [[0, 0, 19, 19], [1, 1, 19, 19], [40, 0, 59, 19], [40, 1, 59, 18], [20, 30, 49, 39]],
    np.float32,
)


ROIS_ALONE = Proposals(ROIS, np.ones(len(ROIS)), np.zeros(len(ROIS), np.uint16))


def proposals(*pairs, rois=ROIS):
    weights = np.linspace(0.5, 0.1, len(pairs), dtype=np.float32)
    ranking = Ranking(np.array(pairs, np.uint16).reshape(-1, 2), weights)
    return ROIS_ALONE._replace(rois=rois, by_matrix=ranking)


def detections(*scores):
    count = len(scores)
    return Detections(ROIS[[0, 2, 4]][:count], np.array(scores, np.float32), np.arange(count))


NOTHING = Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, int))


def test_pairs_that_repeat_a_better_one_are_skipped():
    found = strongest_relations(proposals((0, 2), (2, 0), (1, 3), (3, 0), (0, 4), (4, 1), (0, 1), (2, 4)), most=10)
    assert found == [0, 4, 6, 7]
    assert strongest_relations(proposals((4, 2), (0, 2), (0, 4)), most=2) == [0, 1]
    assert strongest_relations(proposals(rois=ROIS[:1]), most=10) == []
    without_area = np.array([[5, 5, 4, 4]] * 3, np.float32)
    assert strongest_relations(proposals((0, 1), (1, 2), rois=without_area), most=10) == [0, 1]


def test_classes_have_different_colours():
    colors = np.array([class_color(label) for label in range(20)])
    distances = np.linalg.norm(colors[:, None] - colors, axis=2)
    assert (distances + 2 * np.eye(20)).min() > 0.2
    assert len({tuple(class_color(label)) for label in range(80)}) == 80


def draw(folder, found, related, name="some_$picture$.png", shape=(40, 60, 3), **options):
    """The picture drawn on gray, [H, W, 3] of 0 to 1."""
    path = folder / "pictures" / name
    draw_detections(np.full(shape, 128, np.uint8), found, CLASSES, related, path, **options)
    assert [file.name for file in path.parent.iterdir()] == [name]
    return imread(path)[..., :3]


def holds(picture, color):
    """Whether more than a hundred points have the colour."""
    return np.count_nonzero(abs(picture - color).max(axis=2) < 0.02) > 100


def test_detections_have_the_colour_of_their_class(tmp_path):
    picture = draw(tmp_path, detections(0.9, 0.6, 0.4), ROIS_ALONE)
    assert [holds(picture, class_color(label)) for label in range(3)] == [True, True, False]
    picture = draw(tmp_path, detections(0.9, 0.6, 0.4), ROIS_ALONE, threshold=0.3)
    assert holds(picture, class_color(2))


def test_with_relations_there_is_a_second_panel(tmp_path):
    related = proposals((0, 2), (2, 4))
    without, none, one, two = (
        draw(tmp_path, detections(0.9), *settings)
        for settings in [(ROIS_ALONE,), (proposals(),), (proposals((0, 2)),), (related,)]
    )
    assert none.shape[1] == 2 * without.shape[1]
    half = none.shape[1] // 2
    assert (none[:, half:] != one[:, half:]).any()
    assert (one[:, half:] != two[:, half:]).any()
    first_only = draw(tmp_path, detections(0.9), related, relations=1)
    assert (first_only != two).any()
    assert holds(two[:, half:], class_color(0))  # ROI 0 is on a detection,
    assert not holds(two[:, half:], class_color(1))  # the others are not


@pytest.mark.parametrize("shape", [(20, 400, 3), (400, 20, 3)])
def test_images_of_odd_shape_without_detections(tmp_path, shape):
    picture = draw(tmp_path, NOTHING, proposals(rois=ROIS[:0]), shape=shape)
    assert max(picture.shape) < 2100
    assert holds(picture, np.full(3, 128 / 255))


def test_weights_may_all_be_zero(tmp_path):
    related = ROIS_ALONE._replace(by_matrix=Ranking(np.array([[0, 2]]), np.zeros(1, np.float32)))
    with np.errstate(all="raise"):
        assert (draw(tmp_path, NOTHING, related) != draw(tmp_path, NOTHING, proposals())).any()
