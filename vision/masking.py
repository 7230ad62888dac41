"""Masks of padded entities, for layers and losses. `F` is `mxnet.nd`, or `mxnet.sym` inside a hybridised block."""

# Replaces the logits of excluded entries. It is finite, so that no gradient is inf - inf or 0 * inf.
EXCLUDED = -1e30


def real_pairs(F, mask):
    """[B, N, N] 1 at pairs of real entities, from a mask [B, N].

    Example:
        >>> real_pairs(nd, nd.array([[1, 0]])).asnumpy().tolist()
        [[[1.0, 0.0], [0.0, 0.0]]]
    """
    return F.broadcast_mul(F.expand_dims(mask, axis=2), F.expand_dims(mask, axis=1))


def zero_padding(F, features, mask):
    """Features [B, N, C] with 0 at masked entities: an attention weight of 0 alone would let inf and NaN through.

    Example:
        >>> zero_padding(nd, nd.array([[[3, 4], [np.nan, np.inf]]]), nd.array([[1, 0]])).asnumpy().tolist()
        [[[3.0, 4.0], [0.0, 0.0]]]
    """
    if mask is None:
        return features
    real = F.broadcast_like(F.expand_dims(mask, axis=2), features)  # [B, N, C]
    return F.where(real, features, F.zeros_like(features))


def masked_softmax(F, logits, mask):
    """Softmax over the last axis, in which masked entries have weight 0. Rows without a real entry are all 0.

    Args:
        logits: [..., N].
        mask: same shape as `logits`, 1 where an entry is real and 0 elsewhere.

    Example:
        >>> masked_softmax(nd, nd.zeros((1, 3)), nd.array([[1, 1, 0]])).asnumpy().tolist()
        [[0.5, 0.5, 0.0]]
    """
    weights = F.softmax(F.where(mask, logits, F.ones_like(logits) * EXCLUDED))
    return F.where(mask, weights, F.zeros_like(weights))
