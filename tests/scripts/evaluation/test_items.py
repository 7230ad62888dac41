import numpy as np
import pytest

from data.common.errors import UserError
from scripts.evaluation.items import accuracy, class_accuracies, mean_center_mass

PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.5, 0.4, 0.1]])
LABELS = np.array([0, 1, 0, 1])


def test_accuracy_is_the_fraction_of_correct_items():
    assert accuracy(PROBABILITIES, LABELS) == 2 / 4
    tied = np.array([[0.4, 0.4, 0.2]])
    assert (accuracy(tied, np.array([0])), accuracy(tied, np.array([1]))) == (1, 0)


def test_class_accuracy_is_nan_for_a_class_without_items():
    np.testing.assert_array_equal(class_accuracies(PROBABILITIES, np.array([0, 1, 0, 0])), [2 / 3, 1, np.nan])


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        (PROBABILITIES[:0], LABELS[:0]),
        (PROBABILITIES[:, :0], LABELS),
        (PROBABILITIES, LABELS[:3]),
        (PROBABILITIES[0], LABELS[:3]),
        (PROBABILITIES, LABELS + 2),
        (PROBABILITIES, LABELS - 1),
        (PROBABILITIES, LABELS.astype(float)),
        (np.where(PROBABILITIES == 0.8, np.nan, PROBABILITIES), LABELS),
    ],
)
def test_invalid_predictions_are_refused(probabilities, labels):
    with pytest.raises(UserError):
        accuracy(probabilities, labels)


def test_center_mass_is_averaged_over_items_with_a_pair():
    assert mean_center_mass(np.array([0.2, np.nan, 0.6, 0.1, np.nan])) == (pytest.approx(0.3), 3, 2)
    many = np.full(100_000, 0.1, np.float32)  # averaged in float64
    assert mean_center_mass(many).mean == pytest.approx(float(np.float32(0.1)), abs=1e-12)


@pytest.mark.parametrize(
    "values", [[], [np.nan, np.nan], [0.5, 1.2], [-0.1, 0.5], [0.5, np.inf], [[0.5]], np.array([1, 0])]
)
def test_invalid_center_masses_are_refused(values):
    with pytest.raises(UserError):
        mean_center_mass(np.asarray(values) if isinstance(values, np.ndarray) else np.array(values, float))
