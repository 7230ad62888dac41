"""The center-mass cross entropy loss (paper, section 3)."""

import math
from typing import get_args

import keras
import tensorflow as tf

from language.config import Mode, Penalty
from language.masking import EXCLUDED, real_pairs


@keras.saving.register_keras_serializable("fan")
def center_mass_loss(
    weights: tf.Tensor,
    targets: tf.Tensor,
    mask: tf.Tensor | None = None,
    mode: Mode = "matrix",
    penalty: Penalty = "focal",
    gamma: float = 2.0,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Penalises attention weights outside the target relations.

    With W̃ the softmax of W over all its entries ("matrix", eq. 2) or over each row ("row", section 5.3), the
    center-mass is M = Σ W̃ ⊙ T. The loss is -(1 - M)^γ log M ("focal", eq. 3), x² ("l2") or the paper's smooth L1
    (eq. 5: x² below 0.5, else x - 0.25), with x = 1 - M. "row" averages over the rows with a target.

    With δ = log Σ_{T=0} exp W - log Σ_{T=1} exp W, M = sigmoid(-δ), 1 - M = sigmoid(δ) and -log M = softplus(δ), which
    stay accurate for M near 0 and near 1 and for logits of any size.

    Args:
        weights: [B, N, N] scaled dot products W, before any softmax.
        targets: [B, N, N] relation labels T, 0 or 1.
        mask: [B, N] of bool or numbers, not 0 for real entities; None if all are real. Padding is in no softmax.
        mode: "matrix" or "row".
        penalty: "focal", "l2" or "smooth_l1".
        gamma: focal exponent r of the paper, 0 or more.

    Returns:
        loss [B] and center-mass [B]. If no real pair is a target, both are 0 and the gradient is exactly 0.

    Raises:
        ValueError: unknown mode or penalty.

    Example: four equal weights, one of them a target, so M = 1/4 and the loss is (3/4)² log 4.

    >>> weights, targets = tf.zeros([1, 2, 2]), tf.constant([[[0.0, 1.0], [0.0, 0.0]]])
    >>> loss, center_mass = center_mass_loss(weights, targets, gamma=2.0)
    >>> print(f"{loss[0]:.4f} {center_mass[0]:.4f}")
    0.7798 0.2500
    """
    if mode not in get_args(Mode) or penalty not in get_args(Penalty):
        raise ValueError(f"mode {mode!r}, penalty {penalty!r}: must be one of {get_args(Mode)} and {get_args(Penalty)}")
    positive, negative = targets > 0, targets <= 0
    if mask is not None:
        real = real_pairs(mask)  # [B, N, N]
        positive, negative = positive & real, negative & real
    axis = [-2, -1] if mode == "matrix" else [-1]
    # Subtracting the maximum leaves the softmax unchanged and keeps δ accurate for large logits.
    offset = tf.reduce_max(tf.where(positive | negative, weights, EXCLUDED), axis, keepdims=True)
    logits = weights - tf.stop_gradient(offset)
    delta = _log_sum_exp(logits, negative, axis) - _log_sum_exp(logits, positive, axis)  # [B], or [B, N] by row
    has_positive = tf.reduce_any(positive, axis)
    delta = tf.where(has_positive, delta, EXCLUDED)  # As for M = 1: no loss, no gradient.
    loss = _penalise(delta, penalty, gamma)
    center_mass = tf.where(has_positive, tf.sigmoid(-delta), 0.0)
    if mode == "matrix":
        return loss, center_mass
    rows = tf.reduce_sum(tf.cast(has_positive, loss.dtype), axis=-1)  # [B]
    return (
        tf.math.divide_no_nan(tf.reduce_sum(loss, axis=-1), rows),
        tf.math.divide_no_nan(tf.reduce_sum(center_mass, axis=-1), rows),
    )


def _log_sum_exp(logits: tf.Tensor, chosen: tf.Tensor, axis: list[int]) -> tf.Tensor:
    return tf.reduce_logsumexp(tf.where(chosen, logits, EXCLUDED), axis)


def _penalise(delta: tf.Tensor, penalty: Penalty, gamma: float) -> tf.Tensor:
    """Loss for each δ = log((1 - M) / M)."""
    # Powers of 1 - M are computed as exponentials of its logarithm, whose gradients stay accurate at both ends: the
    # gradient of a power is infinite (M near 1, γ < 1), that of a sigmoid rounds to 0 (M near 0).
    log_x = -tf.nn.softplus(-delta)  # log(1 - M)
    if penalty == "focal":
        return tf.exp(gamma * log_x) * tf.nn.softplus(delta)
    if penalty == "l2":
        return tf.exp(2 * log_x)
    return tf.where(log_x < math.log(0.5), tf.exp(2 * log_x), tf.exp(log_x) - 0.25)
