"""The center-mass cross entropy loss (paper, section 3), as a custom operator and from plain operators."""

import math
from typing import Any, NamedTuple, get_args

import mxnet as mx
import numpy as np
from mxnet import gluon, nd

from vision.config import Mode, Penalty
from vision.masking import EXCLUDED, real_pairs


class CenterMassLoss(gluon.HybridBlock):
    """Penalizes attention weights outside the target relations.

    Let W̃ be the softmax of W over all entries ("matrix", eq. 2) or over each row ("row", section 5.3). The center-mass
    is M = Σ W̃ ⊙ T. With x = 1 - M, the loss is -x^γ log M ("focal", eq. 3), x² ("l2") or the paper's smooth L1 (eq. 5:
    x² below 0.5, else x - 0.25). "row" averages over the rows with a target.

    Computed from δ = log Σ_{T=0} exp W - log Σ_{T=1} exp W: M = sigmoid(-δ), x = sigmoid(δ) and -log M = softplus(δ)
    stay exact for M near 0 and 1 and for logits of any size. In float32 the loss, M and the gradient (entries down to
    a millionth of the largest) are within a relative 1e-5 of float64, or 1e-6 for logits of a few units. On top
    comes the rounding of the logits: a relative |ω| · 6e-8 in the smaller of M and x.

    This is a custom operator (`CenterMass`) with its own gradient, for float32. It works in imperative, hybridised and
    exported networks; import this module before loading an exported network, to register the operator.

    Args:
        mode: "matrix" or "row".
        penalty: "focal", "l2" or "smooth_l1".
        gamma: focal exponent (r in the paper), at least 0.

    Call arguments:
        weights: [B, N, N] scaled dot products W, before any softmax.
        targets: [B, N, N] relation labels T, 0 or 1.
        mask: [B, N], 1 for real entities and 0 for padding, which is excluded from the softmax; None if all are real.

    Returns:
        loss [B] and center-mass [B], a measurement without gradient. Without a target pair both are 0, and the gradient
        is exactly 0.

    Raises:
        ValueError: unknown mode or penalty.

    Example:
        >>> weights = nd.zeros((1, 2, 2))  # equal weights, and one target: M = 1/4, loss = (3/4)² log 4
        >>> targets = nd.array([[[0, 1], [0, 0]]])
        >>> loss, center_mass = CenterMassLoss()(weights, targets)
        >>> round(loss.asscalar(), 4), round(center_mass.asscalar(), 4)
        (0.7798, 0.25)
    """

    def __init__(self, mode: Mode = "matrix", penalty: Penalty = "focal", gamma: float = 2.0, **kwargs):
        super().__init__(**kwargs)
        if mode not in get_args(Mode) or penalty not in get_args(Penalty):
            raise ValueError(
                f"mode {mode!r}, penalty {penalty!r}: must be one of {get_args(Mode)} and {get_args(Penalty)}"
            )
        self._settings = {"mode": mode, "penalty": penalty, "gamma": gamma}

    def hybrid_forward(self, F, weights, targets, mask=None):
        loss, center_mass, _ = F.Custom(
            weights, exclude_padding(F, targets, mask), op_type="fan_center_mass", **self._settings
        )
        return loss, center_mass


def composed_center_mass(F, weights, targets, mask=None, mode="matrix", penalty="focal", gamma=2.0):
    """`CenterMassLoss` from plain operators, with the gradient of `autograd`.

    Args:
        F: `mxnet.nd` or `mxnet.sym`. The other arguments are those of `CenterMassLoss`.

    Example:
        >>> loss, center_mass = composed_center_mass(nd, nd.zeros((1, 2, 2)), nd.array([[[0, 1], [0, 0]]]))
        >>> round(loss.asscalar(), 4), round(center_mass.asscalar(), 4)
        (0.7798, 0.25)
    """
    _, positive, negative = _exponentiate(F, weights, exclude_padding(F, targets, mask), mode)
    loss, center_mass = _loss_and_center_mass(F, *_log_odds(F, positive, negative), penalty, gamma)
    return loss, F.BlockGrad(center_mass)


def exclude_padding(F, targets, mask):
    """Targets [B, N, N] with -1 at excluded pairs: those with a masked entity."""
    if mask is None:
        return targets
    return F.where(real_pairs(F, mask), targets, -F.ones_like(targets))


class CenterMass(mx.operator.CustomOp):
    """Forward and backward of the loss: (weights, targets) -> (loss, center-mass, dL/dω).

    By eqs. 2, 3 and 5 and dM/dω = W̃ ⊙ (T - M), the gradient of the focal loss is

        dL/dω = [γ (1 - M)^(γ - 1) log M - (1 - M)^γ / M] · W̃ ⊙ (T - M).

    For small M one factor overflows and the other underflows. Written with δ, whose gradient is the difference of two
    softmaxes, neither happens. With x = 1 - M, P the softmax over the targets and Q over all other pairs:

        dL/dω = dL/dδ · (Q - P), where dM/dδ = -x M, dx/dδ = x M, d(-log M)/dδ = x, so that dL/dδ is
        x^γ (x - γ M log M) ("focal"), 2 x² M ("l2", and "smooth_l1" for x < 0.5) or x M ("smooth_l1" elsewhere).

    It uses the same exponentials as the loss, so `forward` computes it as a third output.
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
        q = nd.broadcast_mul(negative.chosen, slope / negative.sum)  # Q times the slope, without the exponentials
        p = nd.broadcast_mul(positive.chosen, slope / positive.sum)
        gradient = (exponentials * (q - p)).reshape(weights.shape)
        for array, request, result in zip(out_data, req, (loss, center_mass, gradient), strict=True):
            self.assign(array, request, result)

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        loss_grad, (_, _, gradient) = out_grad[0], out_data
        self.assign(in_grad[0], req[0], nd.broadcast_mul(gradient, loss_grad.reshape((-1, 1, 1))))
        self.assign(in_grad[1], req[1], 0)  # targets are constants


@mx.operator.register("fan_center_mass")
class CenterMassProp(mx.operator.CustomOpProp):
    """Names, shapes and types of `CenterMass`. MXNet passes the settings as strings."""

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
    """Either the target pairs or all other pairs, of R softmaxes over K entries per sample.

    Args:
        chosen: [B, R, K], 1 at these pairs.
        top: [B, R, 1] largest weight of these pairs; `EXCLUDED` if there are none.
        sum: [B, R, 1] sum of their exponentials relative to `top`; 1 if there are none.
    """

    chosen: Any
    top: Any
    sum: Any


def _exponentiate(F, weights, targets, mode):
    """Exponentials [B, R, K], each relative to the largest weight of its part; the target pairs; and all other pairs.

    Padded entries are never used, so they may be NaN. Both parts share one exponential per entry, and none is of -1e30,
    which is seven times slower on a CPU.
    """
    shape = (0, 1, -1) if mode == "matrix" else (0, 0, -1)
    weights, targets = weights.reshape(shape), targets.reshape(shape)
    excluded = F.ones_like(weights) * EXCLUDED
    chosen = targets > 0, targets == 0
    tops = [F.BlockGrad(F.max(F.where(part, weights, excluded), axis=-1, keepdims=True)) for part in chosen]
    top = F.where(chosen[0], *(F.broadcast_like(part_top, weights) for part_top in tops))
    exponentials = F.exp(F.where(targets >= 0, weights, top) - top)
    # MXNet's sum compensates rounding errors, so 300 × 300 entries lose no digits in float32. Unless the part is empty,
    # the sum is at least 1, the exponential of the largest weight.
    sums = [F.maximum(F.sum(exponentials * part, axis=-1, keepdims=True), 1) for part in chosen]
    return exponentials, *map(Part, chosen, tops, sums)


def _log_odds(F, positive, negative):
    """δ = log((1 - M) / M) of each softmax, and 1 if it has a target: [B, R, 1] each."""
    delta = negative.top - positive.top + F.log(negative.sum / positive.sum)
    has_positive = positive.top != EXCLUDED  # true for NaN, which must reach the loss
    return F.where(has_positive, delta, F.ones_like(delta) * EXCLUDED), has_positive  # no target: as if M = 1


def _loss_and_center_mass(F, delta, has_positive, penalty, gamma):
    """Loss [B] and center-mass [B], means over the softmaxes with a target."""
    rows = _rows(F, has_positive)
    loss = F.sum(_penalise(F, delta, penalty, gamma), axis=(1, 2))  # 0 without a target
    center_mass = F.sum(F.sigmoid(-delta) * has_positive, axis=(1, 2))
    return loss / rows, center_mass / rows


def _rows(F, has_positive):
    """[B] number of softmaxes with a target, at least 1."""
    return F.maximum(F.sum(has_positive, axis=(1, 2)), 1)


def _penalise(F, delta, penalty, gamma):
    """Loss of each δ = log((1 - M) / M)."""
    # Powers of 1 - M are computed from its logarithm: their gradients stay exact at both ends, where that of a power is
    # infinite (M near 1, γ < 1) and that of a sigmoid rounds to 0 (M near 0).
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
    """log(1 + exp(values)), exact for either sign, as is its gradient, including at 0.

    MXNet 1.9.1's `Activation("softrelu")` is not exact on the CPU: 900 times too large at -20, and 0 at -35.
    """
    positive = F.relu(values)
    return positive + F.log1p(F.exp(values - 2 * positive))  # values - 2 positive = -|values|
