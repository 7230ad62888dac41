"""The losses of FAN-hatt: L = L_cls + λ L_rel (paper, eq. 7)."""

from typing import NamedTuple

import tensorflow as tf

from language.center_mass import center_mass_loss
from language.config import RelationLossConfig
from language.han import Attention
from language.targets import relation_targets


class Relations(NamedTuple):
    """The center-mass loss of each sentence that holds a word.

    Args:
        loss: [R].
        center_mass: [R].
        related: [R] float, 1 where the sentence holds at least one target pair; the others count in no mean.
    """

    loss: tf.Tensor
    center_mass: tf.Tensor
    related: tf.Tensor


class Losses(NamedTuple):
    """What a batch is trained on and what is reported of it.

    Args:
        loss: L, a scalar.
        classification: [B] cross entropy of each document.
        correct: [B] bool.
        relations: None in a network without FAN.
    """

    loss: tf.Tensor
    classification: tf.Tensor
    correct: tf.Tensor
    relations: Relations | None


def sentence_relations(
    attention: Attention, words: tf.Tensor, categories: tf.Tensor, config: RelationLossConfig
) -> Relations:
    """The center-mass loss of FAN's weights against the targets of the rule.

    Args:
        attention: what HAN returned for `words`.
        words, categories: [B, S, W] as in `data.text.encoding`.
        config: rule, mode, penalty and γ.
    """
    words = tf.gather_nd(words, attention.rows)  # [R, W]
    categories = tf.gather_nd(categories, attention.rows)  # [R, W]
    targets = relation_targets(words, categories, config.rule)  # [R, W, W]
    loss, center_mass = center_mass_loss(
        attention.relations, targets, attention.mask, config.mode, config.penalty, config.gamma
    )
    related = tf.cast(tf.reduce_any(targets > 0, axis=[1, 2]), tf.float32)
    return Relations(loss, center_mass, related)


def criterion(
    logits: tf.Tensor,
    attention: Attention,
    words: tf.Tensor,
    categories: tf.Tensor,
    labels: tf.Tensor,
    config: RelationLossConfig,
) -> Losses:
    """Cross entropy over the batch plus λ times the mean L_rel of the sentences that hold a target pair.

    Args:
        logits: [B, classes].
        attention: what HAN returned beside them.
        words, categories: [B, S, W].
        labels: [B] integer.
        config: λ and the relation loss; with λ = 0 it is measured and has no gradient.
    """
    classification = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)  # [B]
    correct = tf.argmax(logits, axis=-1, output_type=labels.dtype) == labels  # [B]
    loss = tf.reduce_mean(classification)
    if attention.relations is None:
        return Losses(loss, classification, correct, None)
    relations = sentence_relations(attention, words, categories, config)
    if config.weight:
        loss += config.weight * mean_over_related(relations.loss, relations.related)
    return Losses(loss, classification, correct, relations)


def mean_over_related(values: tf.Tensor, related: tf.Tensor) -> tf.Tensor:
    """Mean of `values` [R] over the sentences with a target pair; 0 where there is none."""
    return tf.math.divide_no_nan(tf.reduce_sum(values * related), tf.reduce_sum(related))
