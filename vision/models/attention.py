"""The focused attention module (paper, section 4)."""

import mxnet as mx
from mxnet import gluon

from vision.center_mass import EXCLUDED, real_pairs


class FocusedAttention(gluon.HybridBlock):
    """The focused attention module: scaled dot products between all pairs of entities, and aggregation by them.

    ω_mn = (W_K f_m) · (W_Q f_n) / √d_k; f_out_m = Σ_n softmax_n(ω_mn) f_n (paper, eq. 4 and section 4.2; the softmax
    runs over n, as its text says). One head, no bias, no geometry, the features themselves are aggregated.

    With `linear_out` f_out goes through one more matrix, as in the modules of Relation Networks: W_out f_out. Without
    it FAN begins, its weights all equal, as the mean of all entities; with it as a third of that (σ √C = 0.32 at 1,024
    features and σ = 0.01), in a direction of its own that is learned.

    Args:
        d_k: size of the projections; 1024, as the query and key of Relation Networks.
        in_units: C of the features; 0: taken from the first call.
        sigma: standard deviation of the initial weights, which are normal with mean 0, as all new layers there.
        linear_out: as above; needs `in_units`.

    Call arguments:
        features: [B, N, C].
        mask: [B, N], 1 where an entity is real and 0 where it is padding; None where all are real. Masked entities
            neither attend nor are attended to.

    Returns:
        context [B, N, C], 0 at masked entities, and weights W [B, N, N] before any softmax, 0 at masked pairs:
        the center-mass loss and the relationship proposals take their own softmax, with the mask.
    """

    def __init__(self, d_k: int = 1024, in_units: int = 0, sigma: float = 0.01, linear_out: bool = False, **kwargs):
        super().__init__(**kwargs)
        if linear_out and not in_units:
            raise ValueError("linear_out needs in_units, the size of its outputs")
        self._scale = d_k**-0.5

        def projection(name: str, units: int) -> gluon.nn.Dense:
            init = mx.init.Normal(sigma)
            return gluon.nn.Dense(
                units, use_bias=False, flatten=False, in_units=in_units, weight_initializer=init, prefix=f"{name}_"
            )

        with self.name_scope():
            self.key, self.query = projection("key", d_k), projection("query", d_k)
            self.linear_out = projection("linear_out", in_units) if linear_out else None

    def hybrid_forward(self, F, features, mask=None):
        features = zero_padding(F, features, mask)
        weights = F.batch_dot(self.key(features), self.query(features), transpose_b=True) * self._scale  # [B, N, N]
        if mask is None:
            return self._context(F, F.softmax(weights), features), weights
        real = real_pairs(F, mask)
        weights = F.where(real, weights, F.zeros_like(weights))
        return self._context(F, masked_softmax(F, weights, real), features), weights

    def _context(self, F, attention, features):
        context = F.batch_dot(attention, features)  # [B, N, C]
        return context if self.linear_out is None else self.linear_out(context)


def zero_padding(F, features, mask):
    """Features [B, N, C] with 0 at masked entities: a weight of 0 alone would let inf and NaN through."""
    if mask is None:
        return features
    real = F.broadcast_like(F.expand_dims(mask, axis=2), features)  # [B, N, C]
    return F.where(real, features, F.zeros_like(features))


def masked_softmax(F, logits, mask):
    """Softmax over the last axis in which masked entries have weight 0; a row without any other is all 0.

    Args:
        logits: [..., N].
        mask: of the shape of `logits`, 1 where an entry is real and 0 elsewhere.
    """
    weights = F.softmax(F.where(mask, logits, F.ones_like(logits) * EXCLUDED))
    return F.where(mask, weights, F.zeros_like(weights))
