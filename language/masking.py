"""Masks of padded sequences, and softmaxes that leave padding out."""

import tensorflow as tf

# Replaces the logit of an excluded entry. Finite, so that no gradient is ever inf - inf or 0 * inf.
EXCLUDED = -1e30


def as_bool(mask: tf.Tensor | None) -> tf.Tensor | None:
    """A mask of any number type as bool, true where it is not 0. None, which means that all are real, stays None.

    >>> as_bool(tf.constant([1.0, 0.5, 0.0])).numpy()
    array([ True,  True, False])
    """
    return None if mask is None else tf.cast(mask, tf.bool)


def zero_padding(features: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Features [B, N, C], 0 at masked entities: a weight of 0 alone would let inf and NaN through."""
    return features if mask is None else tf.where(as_bool(mask)[:, :, None], features, 0.0)


def real_pairs(mask: tf.Tensor | None) -> tf.Tensor | None:
    """Pairs [B, N, N] bool of real entities, from a mask [B, N]; None if all are real."""
    if mask is None:
        return None
    mask = as_bool(mask)
    return mask[:, :, None] & mask[:, None, :]


def masked_softmax(logits: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Softmax over the last axis that gives masked entries weight 0; a fully masked row is all 0.

    Args:
        logits: [..., N].
        mask: broadcastable to `logits`; None if all are real.

    >>> masked_softmax(tf.zeros([1, 3]), tf.constant([1, 1, 0])).numpy()
    array([[0.5, 0.5, 0. ]], dtype=float32)
    """
    if mask is None:
        return tf.nn.softmax(logits)
    mask = as_bool(mask)
    weights = tf.nn.softmax(tf.where(mask, logits, EXCLUDED))
    return tf.where(mask, weights, 0.0)
