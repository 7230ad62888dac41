"""Supervision targets T for pairs of words (paper, section 3.2 and appendix A.4)."""

from typing import get_args

import numpy as np
import tensorflow as tf

from data.text.sentences import CATEGORIES
from language.config import Rule

SEMANTIC_PAIRS = (
    ("noun", "noun"),
    ("verb", "noun"),
    ("noun", "adjective"),
    ("adverb", "verb"),
    ("adverb", "adjective"),
)


def category_pairs(rule: Rule) -> np.ndarray:
    """Which pairs of lexical categories are related: [6, 6] bool, symmetric, in the order of `CATEGORIES`.

    "other" (no noun, verb, adjective or adverb) counts as one category. Padding is related to nothing.
    """
    size = len(CATEGORIES)
    semantic, same = np.zeros((size, size), bool), np.eye(size, dtype=bool)
    for pair in SEMANTIC_PAIRS:
        first, second = map(CATEGORIES.index, pair)
        semantic[first, second] = semantic[second, first] = True
    pairs = {
        "semantic": semantic,
        "same_category": same,
        "different_category": ~same,
        "different_word": np.ones((size, size), bool),
    }[rule]
    pairs[0, :] = pairs[:, 0] = False
    return pairs


def relation_targets(words: tf.Tensor, categories: tf.Tensor, rule: Rule) -> tf.Tensor:
    """Relation labels T between the words of each sentence; T is symmetric.

    Args:
        words: [B, N] ids, 0 for padding.
        categories: [B, N] indices into `data.text.sentences.CATEGORIES`, 0 for padding.
        rule: "semantic": the paper's pairs of categories; "different_category" and "same_category": by category;
            "different_word": any two different words (all unknown words count as the same word).

    Returns:
        [B, N, N] float32 of 0 and 1; 0 on the diagonal and at padding.

    Raises:
        ValueError: unknown rule.

    >>> noun, verb = CATEGORIES.index("noun"), CATEGORIES.index("verb")
    >>> words, categories = tf.constant([[5, 6, 0]]), tf.constant([[noun, verb, 0]])  # two words and padding
    >>> relation_targets(words, categories, "semantic").numpy()
    array([[[0., 1., 0.],
            [1., 0., 0.],
            [0., 0., 0.]]], dtype=float32)
    """
    if rule not in get_args(Rule):
        raise ValueError(f"rule {rule!r}: must be one of {get_args(Rule)}")
    size = len(CATEGORIES)
    table = tf.constant(category_pairs(rule).ravel())
    categories = tf.cast(categories, tf.int32)
    related = tf.gather(table, categories[:, :, None] * size + categories[:, None, :])  # [B, N, N]
    if rule == "different_word":
        related &= words[:, :, None] != words[:, None, :]
    related &= ~tf.eye(tf.shape(words)[1], dtype=tf.bool)
    return tf.cast(related, tf.float32)
