"""The center-mass cross entropy loss (paper, section 3): a custom operator, and the same of plain operators."""

import math
from typing import Any, NamedTuple, get_args

import mxnet as mx
import numpy as np
from mxnet import gluon, nd

from vision.config import Mode, Penalty

# Stands for the logit of an entry that does not take part. Finite, so that no gradient is ever inf - inf or 0 * inf.
EXCLUDED = -1e30


class CenterMassLoss(gluon.HybridBlock):
    """Penalises attention weights that lie outside the target relations.

    With W̃ the softmax of W over all its entries ("matrix", eq. 2) or over each row ("row", section 5.3), the
    center-mass is M = Σ W̃ ⊙ T. The loss is -(1 - M)^γ log M ("focal", eq. 3), x² ("l2") or the paper's smooth L1
    (eq. 5: x² below 0.5, else x - 0.25), with x = 1 - M. "row" averages over the rows that hold a target.

    With δ = log Σ_{T=0} exp W - log Σ_{T=1} exp W, M = sigmoid(-δ), 1 - M = sigmoid(δ) and -log M = softplus(δ): all of
    it stays exact for M near 0 and near 1 and for logits of any size. In float32 each sample's loss, M and gradient
    entries (down to a millionth of its largest) are within 1e-5 of float64, relative; 1e-6 for logits of a few units.
    What remains is the rounding of the logits themselves: |ω| · 6e-8, relative, in the smaller one of M and 1 - M.

    A custom operator (`CenterMass`, below) with its own gradient; it works in imperative, hybridised and exported
    networks. To load an exported one, import this module first: it registers the operator. float32 only.

    Args:
        mode: "matrix" or "row".
        penalty: "focal", "l2" or "smooth_l1".
        gamma: focal exponent r of the paper, 0 or more.

    Call arguments:
        weights: [B, N, N] scaled dot products W, before any softmax.
        targets: [B, N, N] relation labels T, 0 or 1.
        mask: [B, N], 1 where an entity is real and 0 where it is padding; None where all are real. Padding enters no
            softmax.

    Returns:
        loss [B] and center-mass [B], which is a measurement without a gradient. Where no real pair is a target both
        are 0, and the gradient is exactly 0.

    Raises:
        ValueError: an unknown mode or penalty.
    """

    def __init__(self, mode: Mode = "matrix", penalty: Penalty = "focal", gamma: float = 2.0, **kwargs):
        super().__init__(**kwargs)
        if mode not in get_args(Mode) or penalty not in get_args(Penalty):
            raise ValueError(f"mode {mode!r}, penalty {penalty!r}: must be of {get_args(Mode)} and {get_args(Penalty)}")
        self._settings = {"mode": mode, "penalty": penalty, "gamma": gamma}

    def hybrid_forward(self, F, weights, targets, mask=None):
        loss, center_mass, _ = F.Custom(
            weights, exclude_padding(F, targets, mask), op_type="fan_center_mass", **self._settings
        )
        return loss, center_mass


def composed_center_mass(F, weights, targets, mask=None, mode="matrix", penalty="focal", gamma=2.0):
    """What `CenterMassLoss` computes, of plain operators, with MXNet's own gradient.

    Args:
        F: `mxnet.nd` or `mxnet.sym`; the others as for `CenterMassLoss`.
    """
    _, positive, negative = _exponentiate(F, weights, exclude_padding(F, targets, mask), mode)
    loss, center_mass = _loss_and_center_mass(F, *_log_odds(F, positive, negative), penalty, gamma)
    return loss, F.BlockGrad(center_mass)


def exclude_padding(F, targets, mask):
    """Targets [B, N, N] with -1 at the pairs that take part in nothing: those of a masked entity."""
    if mask is None:
        return targets
    return F.where(real_pairs(F, mask), targets, -F.ones_like(targets))


def real_pairs(F, mask):
    """[B, N, N] 1 at pairs of real entities, from a mask [B, N]."""
    return F.broadcast_mul(F.expand_dims(mask, axis=2), F.expand_dims(mask, axis=1))


class CenterMass(mx.operator.CustomOp):
    """Forward and gradient of the loss: (weights, targets) -> (loss, center-mass, dL/dω).

    The gradient is the derivative of equations 2, 3 and 5. By the softmax's, dM/dω = W̃ ⊙ (T - M), so the focal loss has

        dL/dω = [γ (1 - M)^(γ - 1) log M - (1 - M)^γ / M] · W̃ ⊙ (T - M).

    A small M makes one factor overflow and the other underflow. Through δ, whose gradient is the difference of two
    softmaxes, neither happens. With x = 1 - M and P the softmax over the targets alone, Q over all the others:

        dL/dω = dL/dδ · (Q - P),  where dM/dδ = -x M, dx/dδ = x M, d(-log M)/dδ = x, and hence dL/dδ is
        x^γ (x - γ M log M)  ("focal"),  2 x² M  ("l2", and "smooth_l1" for x < 0.5),  x M  ("smooth_l1" elsewhere).

    It is made of the exponentials that the loss is made of, so forward puts it out beside the loss.
    """

    def __init__(self, mode: Mode, penalty: Penalty, gamma: float):
        super().__init__()
        self.mode, self.penalty, self.gamma = mode, penalty, gamma

    def forward(self, is_train, req, in_data, out_data, aux):
        weights, targets = in_data
        exponentials, positive, negative = _exponentiate(nd, weights, targets, self.mode)
        delta, has_positive = _log_odds(nd, positive, negative)
        loss, center_mass = _loss_and_center_mass(nd, delta, has_positive, self.penalty, self.gamma)
        share = nd.broadcast_div(has_positive, _rows(nd, has_positive).reshape((-1, 1, 1)))  # [B, R, 1]
        slope = share * _slope(delta, self.penalty, self.gamma)
        q = nd.broadcast_mul(negative.chosen, slope / negative.sum)  # times the slope and without the exponentials
        p = nd.broadcast_mul(positive.chosen, slope / positive.sum)
        gradient = (exponentials * (q - p)).reshape(weights.shape)
        for array, request, result in zip(out_data, req, (loss, center_mass, gradient), strict=True):
            self.assign(array, request, result)

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        loss_grad, (_, _, gradient) = out_grad[0], out_data
        self.assign(in_grad[0], req[0], nd.broadcast_mul(gradient, loss_grad.reshape((-1, 1, 1))))
        self.assign(in_grad[1], req[1], 0)  # Targets are constants.


@mx.operator.register("fan_center_mass")
class CenterMassProp(mx.operator.CustomOpProp):
    """Names, shapes and types of `CenterMass`; its settings arrive as text."""

    def __init__(self, mode, penalty, gamma):
        super().__init__(need_top_grad=True)
        self._settings = mode, penalty, float(gamma)

    def list_arguments(self):
        return ["weights", "targets"]

    def list_outputs(self):
        return ["loss", "center_mass", "gradient"]

    def infer_shape(self, in_shape):
        weights = in_shape[0]
        return [weights, weights], [weights[:1], weights[:1], weights], []

    def infer_type(self, in_type):
        return [np.float32] * 2, [np.float32] * 3, []

    def create_operator(self, ctx, in_shapes, in_dtypes):
        return CenterMass(*self._settings)


class Part(NamedTuple):
    """The targets, or all other pairs, of R softmaxes of K entries a sample.

    Args:
        chosen: [B, R, K], 1 at these pairs.
        top: [B, R, 1] the largest of their weights; `EXCLUDED` where there are none.
        sum: [B, R, 1] of their exponentials relative to it; 1 where there are none.
    """

    chosen: Any
    top: Any
    sum: Any


def _exponentiate(F, weights, targets, mode):
    """Exponentials [B, R, K], each relative to the largest weight of its part; the targets; and all other pairs.

    What stands in padded slots is never computed with, so may be NaN. One exponential an entry serves both parts, and
    none is of -1e30, which takes a CPU seven times as long.
    """
    shape = (0, 1, -1) if mode == "matrix" else (0, 0, -1)
    weights, targets = weights.reshape(shape), targets.reshape(shape)
    excluded = F.ones_like(weights) * EXCLUDED
    chosen = targets > 0, targets == 0
    tops = [F.BlockGrad(F.max(F.where(part, weights, excluded), axis=-1, keepdims=True)) for part in chosen]
    top = F.where(chosen[0], *(F.broadcast_like(part_top, weights) for part_top in tops))
    exponentials = F.exp(F.where(targets >= 0, weights, top) - top)
    # MXNet's sum carries its rounding error along, so 300 × 300 entries cost float32 no digits. It is at least 1, the
    # exponential of the largest, unless the part is empty.
    sums = [F.maximum(F.sum(exponentials * part, axis=-1, keepdims=True), 1) for part in chosen]
    return exponentials, *map(Part, chosen, tops, sums)


def _log_odds(F, positive, negative):
    """δ = log((1 - M) / M) of each softmax, and 1 where it has a target: [B, R, 1] each."""
    delta = negative.top - positive.top + F.log(negative.sum / positive.sum)
    has_positive = positive.top != EXCLUDED  # True for NaN, which must show in the loss.
    return F.where(has_positive, delta, F.ones_like(delta) * EXCLUDED), has_positive  # Without: as if M were 1.


def _loss_and_center_mass(F, delta, has_positive, penalty, gamma):
    """Loss [B] and center-mass [B], means over the softmaxes that have a target."""
    rows = _rows(F, has_positive)
    loss = F.sum(_penalise(F, delta, penalty, gamma), axis=(1, 2))  # 0 where there is no target
    center_mass = F.sum(F.sigmoid(-delta) * has_positive, axis=(1, 2))
    return loss / rows, center_mass / rows


def _rows(F, has_positive):
    """[B] how many softmaxes have a target; 1 instead of 0, to divide by."""
    return F.maximum(F.sum(has_positive, axis=(1, 2)), 1)


def _penalise(F, delta, penalty, gamma):
    """Loss of each δ = log((1 - M) / M)."""
    # Powers of 1 - M as exponentials of its logarithm: their gradients keep their digits at both ends, where that of a
    # power is infinite (M near 1, γ < 1) and that of a sigmoid rounds to 0 (M near 0).
    log_x = -_softplus(F, -delta)  # log(1 - M)
    if penalty == "focal":
        return F.exp(gamma * log_x) * _softplus(F, delta)
    if penalty == "l2":
        return F.exp(2 * log_x)
    return F.where(log_x < math.log(0.5), F.exp(2 * log_x), F.exp(log_x) - 0.25)


def _slope(delta, penalty, gamma):
    """dL/dδ of each δ = log((1 - M) / M)."""
    m, x = nd.sigmoid(-delta), nd.sigmoid(delta)
    if penalty == "focal":
        return nd.exp(-gamma * _softplus(nd, -delta)) * (x + gamma * m * _softplus(nd, delta))
    if penalty == "l2":
        return 2 * x * x * m
    return nd.where(x < 0.5, 2 * x * x * m, x * m)


def _softplus(F, values):
    """log(1 + exp(values)), exact for either sign, as is its gradient under `autograd`, at 0 too.

    `Activation("softrelu")` of MXNet 1.9.1 is not, on the CPU: at -20 it is 900 times too large, at -35 it is 0.
    """
    positive = F.relu(values)
    return positive + F.log1p(F.exp(values - 2 * positive))  # values - 2 positive = -|values|
