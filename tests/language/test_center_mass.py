"""The center-mass loss against the paper's equations in float64 NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from language.center_mass import center_mass_loss
from tests.center_mass_reference import CASES, MODES, PENALTIES, assert_close, reference, sample


def ours(weights, targets, mask, mode, penalty, gamma):
    variable = tf.Variable(weights)
    with tf.GradientTape() as tape:
        loss, mass = center_mass_loss(
            variable, tf.constant(targets), None if mask is None else tf.constant(mask), mode, penalty, gamma
        )
        total = tf.reduce_sum(loss)
    return loss.numpy(), mass.numpy(), tape.gradient(total, variable).numpy()


@pytest.mark.parametrize("case", [*CASES, "sentences of the paper's size"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("penalty", "gamma"), PENALTIES)
def test_loss_center_mass_and_gradient_equal_float64_evaluation(case, mode, penalty, gamma):
    weights, targets, mask = sample(case)
    results = ours(weights, targets, mask, mode, penalty, gamma)
    for actual, expected in zip(results, reference(weights, targets, mask, mode, penalty, gamma), strict=True):
        assert_close(actual, expected)
        assert case != "no positive pair" or not actual.any()  # Exactly 0.


@pytest.mark.parametrize(
    ("exponentials", "mode", "penalty", "center_mass", "loss"),
    [
        ([[1, 1], [1, 1]], "matrix", "focal", 0.25, 0.75**2 * np.log(4)),
        ([[1, 3], [1, 1]], "row", "focal", 0.75, 0.25**2 * -np.log(0.75)),  # Only the first row has a target.
        ([[0.25, 0.75], [1e-30, 1e-30]], "matrix", "smooth_l1", 0.75, 0.0625),
        ([[0.75, 0.25], [1e-30, 1e-30]], "matrix", "smooth_l1", 0.25, 0.5),
    ],
)
def test_hand_worked_cases(exponentials, mode, penalty, center_mass, loss):
    """The second entity is the target of the first."""
    weights, targets = np.log(np.array([exponentials], np.float32)), np.array([[[0, 1], [0, 0]]], np.float32)
    actual = ours(weights, targets, None, mode, penalty, 2.0)
    np.testing.assert_allclose(actual[1], [center_mass], rtol=1e-5)
    np.testing.assert_allclose(actual[0], [loss], rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("penalty", "gamma"), PENALTIES)
def test_padding_changes_no_bit(mode, penalty, gamma):
    weights, targets, mask = sample("padding")
    real = mask[:, :, None] & mask[:, None, :]
    before = ours(weights, targets, mask, mode, penalty, gamma)
    for filler in (1e6, -1e6, np.inf, np.nan):
        changed = np.where(real, weights, filler).astype(np.float32)
        after = ours(changed, np.where(real, targets, 1).astype(np.float32), mask, mode, penalty, gamma)
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8])
def test_masks_of_any_number_type(dtype):
    weights, targets, mask = sample("padding")
    expected = center_mass_loss(weights, targets, mask)
    for output, same in zip(center_mass_loss(weights, targets, mask.astype(dtype)), expected, strict=True):
        np.testing.assert_array_equal(output, same)


@pytest.mark.parametrize(("mode", "penalty"), [("rows", "focal"), ("matrix", "L2")])
def test_unknown_modes_and_penalties_are_refused(mode, penalty):
    with pytest.raises(ValueError, match=f"'{mode}'.*'{penalty}'"):
        center_mass_loss(*sample("random"), mode, penalty)


def test_loss_is_serialisable():
    serialised = keras.saving.serialize_keras_object(center_mass_loss)
    assert keras.saving.deserialize_keras_object(serialised) is center_mass_loss
