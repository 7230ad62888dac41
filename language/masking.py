"""Masks of padded sequences: which entities are real, and softmaxes that leave the others out."""

import tensorflow as tf

# Stands for the logit of an entry that does not take part. Finite, so that no gradient is ever inf - inf or 0 * inf.
EXCLUDED = -1e30


def as_bool(mask: tf.Tensor | None) -> tf.Tensor | None:
    """A mask of any number type as bool, true where it is not 0; None stays None, which means that all are real."""
    return None if mask is None else tf.cast(mask, tf.bool)


def zero_padding(features: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Features [B, N, C] with 0 at masked entities: a weight of 0 alone would let inf and NaN through."""
    return features if mask is None else tf.where(as_bool(mask)[:, :, None], features, 0.0)


def real_pairs(mask: tf.Tensor | None) -> tf.Tensor | None:
    """Pairs [B, N, N] bool of real entities, from a mask [B, N]; None where all are real."""
    if mask is None:
        return None
    mask = as_bool(mask)
    return mask[:, :, None] & mask[:, None, :]


def masked_softmax(logits: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Softmax over the last axis in which masked entries have weight 0; a row without any other is all 0.

    Args:
        logits: [..., N].
        mask: broadcastable to `logits`; None where all are real.
    """
    if mask is None:
        return tf.nn.softmax(logits)
    mask = as_bool(mask)
    weights = tf.nn.softmax(tf.where(mask, logits, EXCLUDED))
    return tf.where(mask, weights, 0.0)
