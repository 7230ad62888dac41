from pathlib import Path

import numpy as np

from data.images.relations import relations_between, relations_of
from data.records import ImageRecord

LABELS = np.array([0, 1, 0])


def test_relations_of_different_categories_or_all_instances():
    assert relations_between(LABELS, "different_category").tolist() == [[0, 1], [1, 2]]
    assert relations_between(LABELS, "different_instance").tolist() == [[0, 1], [0, 2], [1, 2]]
    assert relations_between(LABELS[:1], "different_instance").shape == (0, 2)
    assert relations_between(LABELS[[0, 2]], "different_category").shape == (0, 2)


def test_difficult_objects_and_crowds_have_no_relations():
    difficult, crowd = np.array([True, False, False, False, False]), np.array([False, False, False, False, True])
    annotated = np.array([[3, 1], [0, 1], [1, 2], [2, 4], [2, 3]])
    boxes, labels = np.tile([0, 0, 9, 9], (5, 1)), np.array([0, 1, 0, 0, 1])
    record = ImageRecord("a", Path(), 100, 100, boxes, labels, difficult, crowd, annotated)
    assert relations_of(record, "annotated").tolist() == [[3, 1], [1, 2], [2, 3]]
    assert relations_of(record, "different_category").tolist() == [[1, 2], [1, 3]]
    assert relations_of(record, "different_instance").tolist() == [[1, 2], [1, 3], [2, 3]]
