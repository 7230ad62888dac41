"""The center-mass loss against the paper's equations, written out in float64 NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from language.center_mass import center_mass_loss

MODES = ["matrix", "row"]
PENALTIES = [
    ("focal", 0.0),
    ("focal", 0.5),
    ("focal", 1.0),
    ("focal", 2.0),
    ("focal", 4.0),
    ("l2", 2.0),
    ("smooth_l1", 2.0),
]
TOLERANCE = 1e-5


def penalty_and_slope(log_m, below, penalty, gamma):
    """Loss and d loss / d log M at M = 1 - below, by the chain rule on equations 3 and 5."""
    m = np.exp(log_m)
    if penalty == "focal":
        slope = -(below**gamma)
        if gamma and below:
            slope += gamma * below ** (gamma - 1) * m * log_m
        return -(below**gamma) * log_m, slope
    if penalty == "l2" or below < 0.5:
        return below**2, -2 * below * m
    return below - 0.25, -m


def reference_group(logits, positive, penalty, gamma):
    """Loss, M and gradient [K] of one softmax over `logits` [K], by sums of float64 exponentials."""
    exponentials = np.exp(logits - logits.max())
    softmax = exponentials / exponentials.sum()
    among_targets = np.where(positive, logits - logits[positive].max(), -np.inf)
    log_m = np.log(np.exp(among_targets).sum()) + logits[positive].max()
    log_m -= np.log(exponentials.sum()) + logits.max()
    below = softmax[~positive].sum()  # 1 - M without cancellation
    if below < 0.5:
        log_m = np.log1p(-below)
    loss, slope = penalty_and_slope(log_m, below, penalty, gamma)
    # d log M / dω = W̃ (T - M) / M: (1 - M) times the share among the targets, -W̃ elsewhere.
    share = np.exp(among_targets) / np.exp(among_targets).sum()
    return loss, np.exp(log_m), slope * np.where(positive, below * share, -softmax)


def reference(weights, targets, mask, mode, penalty, gamma):
    """Loss [B], M [B] and the gradient [B, N, N] of the summed loss."""
    weights = weights.astype(np.float64)
    losses, masses, gradient = [], [], np.zeros_like(weights)
    for b, (w, t, real) in enumerate(zip(weights, targets > 0, mask, strict=True)):
        index = np.flatnonzero(real)
        groups = [np.ix_(index, index)] if mode == "matrix" else [np.ix_([row], index) for row in index]
        groups = [group for group in groups if t[group].any()]
        results = [reference_group(w[group].ravel(), t[group].ravel(), penalty, gamma) for group in groups]
        losses.append(np.mean([loss for loss, _, _ in results]) if results else 0.0)
        masses.append(np.mean([mass for _, mass, _ in results]) if results else 0.0)
        for group, (_, _, slope) in zip(groups, results, strict=True):
            gradient[b][group] = slope.reshape(w[group].shape) / len(groups)
    return np.array(losses), np.array(masses), gradient


def ours(weights, targets, mask, mode, penalty, gamma):
    variable = tf.Variable(weights)
    with tf.GradientTape() as tape:
        loss, mass = center_mass_loss(
            variable, tf.constant(targets), None if mask is None else tf.constant(mask), mode, penalty, gamma
        )
        total = tf.reduce_sum(loss)
    return loss.numpy(), mass.numpy(), tape.gradient(total, variable).numpy()


def assert_close(actual, expected):
    """Each entry to a relative error of `TOLERANCE`; below a millionth of its sample's largest, relative to that."""
    for one, other in zip(actual, expected, strict=True):
        floor = max(np.abs(other).max() * 1e-6, 1e-30)
        assert np.isfinite(one).all()
        assert (np.abs(one - other) / np.maximum(np.abs(other), floor)).max() < TOLERANCE


def sample(name):
    """weights, targets, mask [B, N], [B, N, N] of the named case."""
    generator = np.random.default_rng(0)
    n = {"one entity": 1, "sentences of the paper's size": 30}.get(name, 6)
    weights = generator.normal(size=(4, n, n)).astype(np.float32)
    targets = (generator.random((4, n, n)) < 0.3).astype(np.float32)
    mask = np.ones((4, n), bool)
    if name == "padding":
        mask = np.arange(n) < np.array([[n], [4], [2], [1]])
    if name == "gaps":
        mask = generator.random((4, n)) < 0.6
    if name == "sentences of the paper's size":
        mask = np.arange(n) < np.array([[30], [17], [3], [1]])
    if name == "all masked":
        mask[:] = False
    if name == "no positive pair":
        targets[:] = 0
    if name == "every pair positive":
        targets[:] = 1
    if name == "one entity":
        targets[::2] = 1
    if name == "saturated":
        weights = np.where(generator.random(weights.shape) < 0.5, 1e4, -1e4).astype(np.float32)
    if name == "M near 1":
        weights += 30 * targets
    if name == "M near 0":
        weights -= 30 * targets
    if name == "M is 0 in float32":
        weights -= 2e4 * targets
    return weights, targets, mask


CASES = [
    "random",
    "padding",
    "gaps",
    "sentences of the paper's size",
    "all masked",
    "no positive pair",
    "every pair positive",
    "one entity",
]
CASES += ["saturated", "M near 1", "M near 0", "M is 0 in float32"]


@pytest.mark.parametrize("case", CASES)
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


def test_unknown_modes_and_penalties_are_refused():
    weights, targets, mask = sample("random")
    for mode, penalty in (("rows", "focal"), ("matrix", "L2")):
        with pytest.raises(ValueError, match="must be of"):
            center_mass_loss(weights, targets, tf.constant(mask), mode, penalty)


def test_the_loss_survives_serialisation():
    assert (
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(center_mass_loss)) is center_mass_loss
    )
