import numpy as np
import pytest

from data.common.errors import UserError
from scripts.evaluation.metrics.classification import accuracy, class_accuracies

PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.5, 0.4, 0.1]])
LABELS = np.array([0, 1, 0, 1])


def test_accuracy_is_the_fraction_whose_likeliest_class_is_right():
    assert accuracy(PROBABILITIES, LABELS) == 2 / 4


def test_the_first_of_equally_likely_classes_is_the_answer():
    tied = np.array([[0.4, 0.4, 0.2]])
    assert accuracy(tied, np.array([0])) == 1
    assert accuracy(tied, np.array([1])) == 0


def test_class_accuracies_count_within_each_class_and_are_nan_for_an_absent_one():
    labels = np.array([0, 1, 0, 0])
    np.testing.assert_array_equal(class_accuracies(PROBABILITIES, labels), [2 / 3, 1, np.nan])


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (PROBABILITIES[:0], LABELS[:0], "no predictions"),
        (PROBABILITIES[:, :0], LABELS, "no predictions"),
        (PROBABILITIES, LABELS[:3], r"labels \[3\] and probabilities \[4, 3\]"),
        (PROBABILITIES[0], LABELS[:3], r"labels \[3\] and probabilities \[3\]"),
        (PROBABILITIES, LABELS + 2, "from 2 to 3, with 3 classes"),
        (PROBABILITIES, LABELS - 1, "from -1 to 0, with 3 classes"),
        (PROBABILITIES, LABELS.astype(float), "float64, not integers"),
        (np.where(PROBABILITIES == 0.8, np.nan, PROBABILITIES), LABELS, "not finite"),
    ],
)
def test_bad_predictions_are_refused(probabilities, labels, message):
    with pytest.raises(UserError, match=message):
        accuracy(probabilities, labels)
