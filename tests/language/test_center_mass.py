"""The center-mass loss against the paper's equations, written out in float64 NumPy."""

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
def test_loss_center_mass_and_gradient_equal_the_float64_evaluation(case, mode, penalty, gamma):
    weights, targets, mask = sample(case)
    results = ours(weights, targets, mask, mode, penalty, gamma)
    for actual, expected in zip(results, reference(weights, targets, mask, mode, penalty, gamma), strict=True):
        assert_close(actual, expected)


@pytest.mark.parametrize("mode", MODES)
def test_without_a_positive_pair_loss_center_mass_and_gradient_are_exactly_zero(mode):
    weights, targets, mask = sample("no positive pair")
    for penalty, gamma in PENALTIES:
        for result in ours(weights, targets, mask, mode, penalty, gamma):
            assert not result.any()


def test_hand_worked_matrix_case():
    """Four equal weights and one target: M = 1/4, so L = (3/4)^2 log 4."""
    weights = np.zeros((1, 2, 2), np.float32)
    targets = np.array([[[0, 1], [0, 0]]], np.float32)
    loss, mass, _ = ours(weights, targets, None, "matrix", "focal", 2.0)
    np.testing.assert_allclose(mass, [0.25], rtol=1e-6)
    np.testing.assert_allclose(loss, [0.5625 * np.log(4)], rtol=1e-6)


def test_row_mode_averages_over_the_rows_that_hold_a_target():
    weights = np.log(np.array([[[1, 3], [1, 1]]], np.float32))
    targets = np.array([[[0, 1], [0, 0]]], np.float32)
    loss, mass, _ = ours(weights, targets, None, "row", "focal", 0.0)
    np.testing.assert_allclose(mass, [0.75], rtol=1e-6)
    np.testing.assert_allclose(loss, [-np.log(0.75)], rtol=1e-5)


@pytest.mark.parametrize(("m", "expected"), [(0.75, 0.0625), (0.25, 0.5)])
def test_smooth_l1_follows_equation_5(m, expected):
    weights = np.log(np.array([[[m, 1 - m], [1e-30, 1e-30]]], np.float32))
    targets = np.array([[[1, 0], [0, 0]]], np.float32)
    loss, _, _ = ours(weights, targets, None, "matrix", "smooth_l1", 2.0)
    np.testing.assert_allclose(loss, [expected], rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("penalty", "gamma"), PENALTIES)
def test_what_stands_in_padded_slots_changes_no_bit(mode, penalty, gamma):
    weights, targets, mask = sample("padding")
    real = mask[:, :, None] & mask[:, None, :]
    before = ours(weights, targets, mask, mode, penalty, gamma)
    for filler in (1e6, -1e6, np.inf, np.nan):
        changed = np.where(real, weights, filler).astype(np.float32)
        after = ours(changed, np.where(real, targets, 1).astype(np.float32), mask, mode, penalty, gamma)
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8])
def test_masks_may_be_of_any_number_type(dtype):
    generator, mask = np.random.default_rng(0), np.arange(5) < np.array([[5], [3], [0]])
    weights = generator.normal(size=(3, 5, 5)).astype(np.float32)
    targets = (generator.random((3, 5, 5)) < 0.3).astype(np.float32)
    expected = center_mass_loss(weights, targets, mask)
    for output, same in zip(center_mass_loss(weights, targets, mask.astype(dtype)), expected, strict=True):
        np.testing.assert_array_equal(output, same)


def test_unknown_modes_and_penalties_are_refused():
    weights, targets, mask = sample("random")
    for mode, penalty in (("rows", "focal"), ("matrix", "L2")):
        with pytest.raises(ValueError, match="must be of"):
            center_mass_loss(weights, targets, tf.constant(mask), mode, penalty)


def test_the_loss_survives_serialisation():
    assert (
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(center_mass_loss)) is center_mass_loss
    )
