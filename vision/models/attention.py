"""The focused attention module (paper, section 4)."""

import mxnet as mx
from mxnet import gluon

from vision.masking import masked_softmax, real_pairs, zero_padding


class FocusedAttention(gluon.HybridBlock):
    """Scaled dot products between all pairs of entities, and aggregation of the features by them.

    ω_mn = (W_K f_m) · (W_Q f_n) / √d_k and f_out_m = Σ_n softmax_n(ω_mn) f_n (paper, eq. 4 and section 4.2; the softmax
    is over n, as in the text of the paper). It has one head, no bias and no geometry, and aggregates the features
    themselves.

    With `linear_out`, f_out is multiplied by one more matrix, as in the modules of Relation Networks. Without it f_out
    starts as the mean of all entities, since all weights start equal; with it, a third of that size (σ √C = 0.32 for
    1,024 features and σ = 0.01) and in a learned direction.

    Args:
        d_k: size of the projections; 1024 as for query and key in Relation Networks.
        in_units: number of features C; 0 to infer it from the first call.
        sigma: standard deviation of the initial weights, which are normal with mean 0.
        linear_out: see above; requires `in_units`.

    Call arguments:
        features: [B, N, C].
        mask: [B, N], 1 for real entities and 0 for padding; None if all are real. Masked entities neither attend nor
            are attended to.

    Returns:
        context [B, N, C], 0 at masked entities; and weights W [B, N, N] before any softmax, 0 at masked pairs. The
        center-mass loss and the relationship proposals apply their own softmax, with the mask.

    Example:
        >>> attention = FocusedAttention(d_k=8)
        >>> attention.initialize()
        >>> context, weights = attention(nd.ones((1, 3, 16)), nd.array([[1, 1, 0]]))
        >>> context.shape, weights.shape, context[0, 2].sum().asscalar()
        ((1, 3, 16), (1, 3, 3), 0.0)
    """

    def __init__(self, d_k: int = 1024, in_units: int = 0, sigma: float = 0.01, linear_out: bool = False, **kwargs):
        super().__init__(**kwargs)
        if linear_out and not in_units:
            raise ValueError("linear_out requires in_units")
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
