"""The relation module of Relation Networks (Hu et al., CVPR 2018)."""

import mxnet as mx
from mxnet import gluon

from vision.config import HEADS
from vision.masking import EXCLUDED, zero_padding

D_K = 64  # per head
POSITION = 64  # features of the relative position of two boxes
WAVES = POSITION // 8  # sines, and as many cosines, per relative coordinate
WAVE_LENGTH = 1000.0
NEAREST = 1e-3  # least offset of two centres in sides, so that its logarithm is finite
THINNEST = 1e-3  # least side in pixels: an untrained RPN proposes boxes with x2 - x1 + 1 = 0
LEAST = 1e-6  # least geometric weight


class RelationModule(gluon.HybridBlock):
    """The object relation module, as computed by the authors' code.

    Each head weighs the pairs of entities by geometry and features, and aggregates a part of the features:

        ω_mn = max(W_G E(box_m, box_n) + b_G, 1e-6) exp((W_Q f_m) · (W_K f_n) / √d_k), normalized over n,
        out_m = Σ_n ω_mn (W_V f_n) + b_V, concatenated over heads.

    E is `position_embedding`. All W have a bias. As in Relation Networks, use it after a fully connected layer, as
    relu(f + out).

    Their code aggregates all C features with each head and then maps the 16 results to C / 16 features each, with a
    grouped 1 × 1 convolution, `linear_out`. Here the same matrix is applied first, as W_V: the result is the same,
    because aggregation is linear and the weights of a head sum to 1, and the aggregation costs a sixteenth.

    Parameters have the names of the authors' code without the index: pair_pos_fc1 [heads, 64], query and key
    [heads d_k, C] and linear_out [C, C] (there [C, C, 1, 1]), each with a bias.

    Args:
        heads, d_k: number of heads, and size of the query and key of each.
        nongt_dim: only the first `nongt_dim` entities are attended to; later ones (annotated boxes, appended to the
            proposals) only attend. None: all are attended to.
        units: number of features C, a multiple of `heads`.
        sigma: standard deviation of the initial weights.
        return_attention: whether to return W as well.

    Call arguments:
        features: [B, N, C] or [N, C].
        boxes: [B, N, 4] or [N, 4] corners in pixels.
        mask: [B, N] or [N], 1 for real entities and 0 for padding, whose features and boxes may be anything; None if
            all are real. Masked entities neither attend nor are attended to.

    Returns:
        out, same shape as `features`, 0 at masked entities. With `return_attention` also W [B, N, K] or [N, K] for the
        K entities that are attended to: the logarithm of the attention averaged over heads, 0 at masked pairs.

        The center-mass loss and the relationship proposals use this W in place of FAN's W, which is before any softmax.
        The heads cannot be averaged there: adding a number to all logits of an entity in one head leaves the output of
        the module unchanged, but would change the average. The softmax over a row of W is the averaged attention; the
        softmax over the whole matrix is that divided by N. So each entity has the mass 1/N, and a center-mass "matrix"
        cannot exceed the fraction of entities with a relation. Mode "row" has no such bound.

    Example:
        >>> module = RelationModule(heads=2, d_k=4, units=8)
        >>> module.initialize()
        >>> boxes = nd.array([[0, 0, 9, 9], [20, 0, 29, 9], [0, 0, 29, 29]])
        >>> module(nd.ones((3, 8)), boxes).shape
        (3, 8)
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
        if getattr(features, "ndim", 3) == 3:  # symbols have no ndim
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
        """The entities of [B, N, …] that are attended to."""
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
    """Relative positions E of all pairs of boxes: [B, N, 4] and [B, K, 4] -> [B, N, K, 64].

    The four coordinates log max(|Δx| / w, 1e-3), log max(|Δy| / h, 1e-3), log(w / w') and log(h / h'), with
    w = x2 - x1 + 1, are multiplied by 100 / 1000^(i / 8) for i = 0 … 7: 8 sines, then 8 cosines of each.

    Computed in float64. The angles reach several hundred, so the sines of float32, as in the authors' code, have errors
    of 1e-4, and of 6e-3 where two centres almost coincide.

    Example:
        >>> boxes = nd.array([[[0, 0, 9, 9], [20, 0, 29, 9]]])
        >>> position_embedding(nd, boxes, boxes).shape
        (1, 2, 2, 64)
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
    """Log-softmax and softmax over the last axis of [B, heads, N, K]; the softmax is 0 at masked pairs."""
    # MXNet's log_softmax has errors of 2e-6 on the CPU.
    if real is not None:
        real = F.broadcast_like(real.expand_dims(1), logits)
        logits = F.where(real, logits, F.ones_like(logits) * EXCLUDED)
    shifted = F.broadcast_sub(logits, F.BlockGrad(F.max(logits, axis=-1, keepdims=True)))
    log_softmax = F.broadcast_sub(shifted, F.log(F.sum(F.exp(shifted), axis=-1, keepdims=True)))
    softmax = F.exp(log_softmax)
    return log_softmax, softmax if real is None else F.where(real, softmax, F.zeros_like(softmax))


def _mean_over_heads(F, log_attention, real):
    """log of the mean of exp over heads, [B, heads, N, K] -> [B, N, K]; finite where every exp underflows."""
    top = F.BlockGrad(F.max(log_attention, axis=1, keepdims=True))
    weights = F.log(F.mean(F.exp(F.broadcast_sub(log_attention, top)), axis=1)) + top.reshape((0, -3, 0))
    return weights if real is None else F.where(real, weights, F.zeros_like(weights))
