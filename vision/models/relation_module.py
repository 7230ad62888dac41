"""The relation module of Relation Networks (Hu et al., CVPR 2018)."""

import mxnet as mx
from mxnet import gluon

from vision.center_mass import EXCLUDED
from vision.config import HEADS
from vision.models.attention import zero_padding

D_K = 64  # of each head
POSITION = 64  # numbers that say where one box lies from another
WAVES = POSITION // 8  # of each of the four relative coordinates, a sine and a cosine
WAVE_LENGTH = 1000.0
NEAREST = 1e-3  # An offset of centres counts as at least so many sides: its logarithm must be finite.
THINNEST = 1e-3  # So does a side in pixels: an untrained RPN proposes boxes of which x2 - x1 + 1 is 0.
LEAST = 1e-6  # So does a geometric weight.


class RelationModule(gluon.HybridBlock):
    """The object relation module, as the authors' code computes it.

    Each head h weighs the pairs of entities by geometry and by features and passes on a part of the features:

        ω_mn = max(W_G E(box_m, box_n) + b_G, 1e-6) exp((W_Q f_m) · (W_K f_n) / √d_k), divided by its sum over n,
        out_m = the heads' Σ_n ω_mn (W_V f_n) + b_V, one behind the other.

    E is `position_embedding`. All W have a bias. To use it as there: relu(f + out), after a fully connected layer.

    Their code aggregates the C raw features with each head and maps the 16 sums to C / 16 features each, by a grouped
    1 × 1 convolution, `linear_out`. Here the same matrix comes first, as W_V: sums are linear, and those of C / 16
    features cost a sixteenth. Since a head's weights add up to 1, the bias may come first too.

    Parameters have their names there without the index: pair_pos_fc1 [heads, 64], query and key [heads d_k, C],
    linear_out [C, C], where theirs is [C, C, 1, 1]; and each a bias.

    Args:
        heads, d_k: as above.
        nongt_dim: only the first so many entities, at most N, are attended to, the others (annotated boxes that stand
            behind the proposals) attend only; None: all are attended to.
        units: C, a multiple of `heads`.
        sigma: standard deviation of the initial weights.
        return_attention: whether to return W, too.

    Call arguments:
        features: [B, N, C] or [N, C].
        boxes: [B, N, 4] or [N, 4] corners in pixels.
        mask: [B, N] or [N], 1 where an entity is real and 0 where it is padding, whose features and boxes may be
            anything; None where all are real. Masked entities neither attend nor are attended to.

    Returns:
        out, of the shape of `features`, 0 at masked entities; with `return_attention` also W [B, N, K] or [N, K] of
        the K entities that are attended to: the logarithm of the attention averaged over heads, 0 at masked pairs.

        That is what the center-mass loss and relationship proposals take for the W of FAN, which is before any softmax.
        Heads cannot be averaged there: a number that is added to all logits of an entity in one head changes nothing
        that the module computes, but would change their mean. The softmax over a row of W is the averaged attention;
        the one over the matrix is that divided by N, so each entity has the mass 1/N, and a center-mass "matrix" is at
        most the share of entities that are in a relation. Mode "row" has no such bound.
    """

    def __init__(
        self,
        heads: int = HEADS,
        d_k: int = D_K,
        nongt_dim: int | None = None,
        units: int = 1024,
        sigma: float = 0.01,
        return_attention: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if units % heads:
            raise ValueError(f"units is {units}; it must be a multiple of heads, {heads}")
        self._heads, self._scale, self._nongt_dim = heads, d_k**-0.5, nongt_dim
        self._return_attention = return_attention

        def dense(name: str, in_units: int, out_units: int) -> gluon.nn.Dense:
            init = mx.init.Normal(sigma)
            return gluon.nn.Dense(
                out_units, flatten=False, in_units=in_units, weight_initializer=init, prefix=f"{name}_"
            )

        with self.name_scope():
            self.pair_pos_fc1 = dense("pair_pos_fc1", POSITION, heads)
            self.query, self.key = (dense(name, units, heads * d_k) for name in ("query", "key"))
            self.linear_out = dense("linear_out", units, units)

    def __call__(self, features, boxes, mask=None):
        if getattr(features, "ndim", 3) == 3:  # Symbols have no ndim.
            return super().__call__(features, boxes, mask)
        batch = (None if each is None else each.expand_dims(0) for each in (features, boxes, mask))
        outputs = super().__call__(*batch)
        return [each[0] for each in outputs] if self._return_attention else outputs[0]

    def hybrid_forward(self, F, features, boxes, mask=None):
        features, boxes = zero_padding(F, features, mask), zero_padding(F, boxes, mask)
        attended, attended_boxes = self._attended(F, features), self._attended(F, boxes)  # [B, K, C], [B, K, 4]

        geometry = self.pair_pos_fc1(position_embedding(F, boxes, attended_boxes))  # [B, N, K, heads]
        geometry = F.log(F.maximum(geometry.transpose((0, 3, 1, 2)), LEAST))
        query, key = self._split(self.query(features)), self._split(self.key(attended))  # [B heads, N or K, d_k]
        products = self._joined(F.batch_dot(query, key, transpose_b=True))
        real = None if mask is None else F.broadcast_mul(mask.expand_dims(2), self._attended(F, mask).expand_dims(1))
        log_attention, attention = _softmax(F, geometry + products * self._scale, real)  # [B, heads, N, K]

        values = self._split(self.linear_out(attended))  # [B heads, K, C / heads]
        out = F.batch_dot(attention.reshape((-3, 0, 0)), values)
        out = self._joined(out).transpose((0, 2, 1, 3)).reshape((0, 0, -3))  # [B, N, C]
        return (out, _mean_over_heads(F, log_attention, real)) if self._return_attention else out

    def _attended(self, F, entities):
        """The entities that are attended to, of [B, N, …]."""
        if self._nongt_dim is None:
            return entities
        return F.slice_axis(entities, axis=1, begin=0, end=self._nongt_dim)

    def _split(self, features):
        """[B, N, heads d] -> [B heads, N, d]."""
        return features.reshape((0, 0, -4, self._heads, -1)).transpose((0, 2, 1, 3)).reshape((-3, 0, 0))

    def _joined(self, array):
        """[B heads, N, d] -> [B, heads, N, d]."""
        return array.reshape((-4, -1, self._heads, 0, 0))


def position_embedding(F, boxes, others):
    """E of all pairs: [B, N, 4] and [B, K, 4] -> [B, N, K, 64], where `others` lie from `boxes`.

    log max(|Δx| / w, 1e-3), log max(|Δy| / h, 1e-3), log(w / w'), log(h / h'), with w = x2 - x1 + 1; each times 100 and
    divided by 1000^(i / 8) for i = 0 … 7, its 8 sines and then its 8 cosines.

    Computed in float64, and then as exact as float32 can say it: the angles reach some hundreds, of which float32, as
    in the authors' code, leaves sines that are off by 1e-4, and by 6e-3 where two centres all but coincide.
    """
    x, y, width, height = _centre_form(F, F.cast(boxes, "float64"))
    u, v, other_width, other_height = (
        F.swapaxes(each, dim1=1, dim2=2) for each in _centre_form(F, F.cast(others, "float64"))
    )
    offsets = (
        F.log(F.maximum(F.abs(F.broadcast_div(F.broadcast_sub(one, other), side)), NEAREST))
        for one, other, side in ((x, u, width), (y, v, height))
    )
    ratios = (F.log(F.broadcast_div(one, other)) for one, other in ((width, other_width), (height, other_height)))
    position = F.stack(*offsets, *ratios, axis=-1)  # [B, N, K, 4]
    angles = F.stack(*(position * (100 / WAVE_LENGTH ** (i / WAVES)) for i in range(WAVES)), axis=-1)  # [B, N, K, 4, 8]
    return F.cast(F.concat(F.sin(angles), F.cos(angles), dim=-1).reshape((0, 0, 0, -3)), "float32")


def _centre_form(F, boxes):
    """Centre x, centre y, width and height of [B, N, 4], each [B, N, 1]."""
    x1, y1, x2, y2 = F.split(boxes, num_outputs=4, axis=2)
    width, height = (F.maximum(last - first + 1, THINNEST) for first, last in ((x1, x2), (y1, y2)))
    return (x1 + x2) / 2, (y1 + y2) / 2, width, height


def _softmax(F, logits, real):
    """Logarithms and softmax over the last axis of [B, heads, N, K]; the softmax is 0 at pairs that are not real."""
    # MXNet's own log_softmax is off by 2e-6 on the CPU.
    if real is not None:
        real = F.broadcast_like(real.expand_dims(1), logits)
        logits = F.where(real, logits, F.ones_like(logits) * EXCLUDED)
    shifted = F.broadcast_sub(logits, F.BlockGrad(F.max(logits, axis=-1, keepdims=True)))
    log_softmax = F.broadcast_sub(shifted, F.log(F.sum(F.exp(shifted), axis=-1, keepdims=True)))
    softmax = F.exp(log_softmax)
    return log_softmax, softmax if real is None else F.where(real, softmax, F.zeros_like(softmax))


def _mean_over_heads(F, log_attention, real):
    """log of the mean of exp over the heads, [B, heads, N, K] -> [B, N, K], finite where all of them underflow."""
    top = F.BlockGrad(F.max(log_attention, axis=1, keepdims=True))
    weights = F.log(F.mean(F.exp(F.broadcast_sub(log_attention, top)), axis=1)) + top.reshape((0, -3, 0))
    return weights if real is None else F.where(real, weights, F.zeros_like(weights))
