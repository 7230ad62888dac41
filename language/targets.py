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

    Words that are no noun, verb, adjective or adverb make up one category of their own. Padding is related to none.
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
    """Relation labels T of the words of each sentence, either order of a pair alike.

    Args:
        words: [B, N] ids, 0 for padding.
        categories: [B, N] indices into `data.text.sentences.CATEGORIES`, 0 for padding.
        rule: "semantic": the paper's category pairs; "different_category" and "same_category": by category;
            "different_word": any two different words (unknown words are all one word).

    Returns:
        [B, N, N] float32 of 0 and 1; 0 on the diagonal and wherever padding takes part.
    """
    if rule not in get_args(Rule):
        raise ValueError(f"rule {rule!r}: must be of {get_args(Rule)}")
    size = len(CATEGORIES)
    table = tf.constant(category_pairs(rule).ravel())
    categories = tf.cast(categories, tf.int32)
    related = tf.gather(table, categories[:, :, None] * size + categories[:, None, :])  # [B, N, N]
    if rule == "different_word":
        related &= words[:, :, None] != words[:, None, :]
    related &= ~tf.eye(tf.shape(words)[1], dtype=tf.bool)
    return tf.cast(related, tf.float32)
