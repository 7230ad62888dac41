"""The losses of FAN-hatt: L = L_cls + λ L_rel (paper, eq. 7)."""

from typing import NamedTuple

import tensorflow as tf

from language.center_mass import center_mass_loss
from language.config import RelationLossConfig
from language.han import Attention
from language.targets import relation_targets


class Relations(NamedTuple):
    """The center-mass loss of each of the R sentences with a word.

    Args:
        loss: [R].
        center_mass: [R].
        related: [R] float, 1 if the sentence has a target pair; the others are left out of every mean.
    """

    loss: tf.Tensor
    center_mass: tf.Tensor
    related: tf.Tensor


class Losses(NamedTuple):
    """The loss of a batch, and what is logged.

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


def criterion(
    logits: tf.Tensor,
    attention: Attention,
    words: tf.Tensor,
    categories: tf.Tensor,
    labels: tf.Tensor,
    config: RelationLossConfig,
) -> Losses:
    """Cross entropy averaged over the batch, plus λ times L_rel averaged over the sentences with a target pair.

    Args:
        logits: [B, classes] from HAN.
        attention: from HAN.
        words, categories: [B, S, W].
        labels: [B] integer.
        config: λ and the relation loss; with λ = 0 it is measured but has no gradient.
    """
    classification = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)  # [B]
    correct = tf.argmax(logits, axis=-1, output_type=labels.dtype) == labels  # [B]
    loss = tf.reduce_mean(classification)
    if attention.relations is None:
        return Losses(loss, classification, correct, None)
    relations = sentence_relations(attention, words, categories, config)
    if config.weight:
        total, count = tf.reduce_sum(relations.loss * relations.related), tf.reduce_sum(relations.related)
        loss += config.weight * tf.math.divide_no_nan(total, count)
    return Losses(loss, classification, correct, relations)


def sentence_relations(
    attention: Attention, words: tf.Tensor, categories: tf.Tensor, config: RelationLossConfig
) -> Relations:
    """The center-mass loss between FAN's weights and the targets of the config's rule.

    Args:
        attention: from HAN.
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


def document_center_mass(
    attention: Attention, words: tf.Tensor, categories: tf.Tensor, config: RelationLossConfig
) -> tf.Tensor:
    """[B] mean center-mass of each document's sentences with a target pair; 0 / 0 = NaN if there is none."""
    relations = sentence_relations(attention, words, categories, config)
    document, documents = attention.rows[:, 0], tf.shape(words)[0]  # [R]
    sums = tf.math.unsorted_segment_sum(relations.center_mass * relations.related, document, documents)
    return sums / tf.math.unsorted_segment_sum(relations.related, document, documents)
