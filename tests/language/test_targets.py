"""Relation labels of pairs of words, hand-worked."""

from typing import get_args

import numpy as np
import pytest

from data.text.sentences import CATEGORIES
from language.config import Rule
from language.targets import category_pairs, relation_targets

#        the dog  quickly bit  the old  dog  (padding)
WORDS = [2, 3, 4, 5, 2, 6, 3, 0]
TAGS = ["other", "noun", "adverb", "verb", "other", "adjective", "noun", ""]


def pairs(rule):
    """The related pairs m < n of the sentence; fails where T is not symmetric."""
    categories = [CATEGORIES.index(tag) for tag in TAGS]
    targets = relation_targets(np.array([WORDS]), np.array([categories], np.int8), rule).numpy()[0]
    np.testing.assert_array_equal(targets, targets.T)
    assert set(np.unique(targets)) <= {0, 1}
    assert not targets.diagonal().any()
    return {(int(m), int(n)) for m, n in np.argwhere(np.triu(targets))}


def test_semantic_pairs_are_those_of_the_paper():
    # noun-verb, noun-adjective, noun-noun, adverb-verb, adverb-adjective; not adverb-noun, not verb-adjective.
    assert pairs("semantic") == {(1, 3), (3, 6), (1, 5), (5, 6), (1, 6), (2, 3), (2, 5)}


def test_same_category_relates_words_of_one_category():
    assert pairs("same_category") == {(0, 4), (1, 6)}


def test_different_category_relates_all_others():
    every = {(m, n) for m in range(7) for n in range(m + 1, 7)}
    assert pairs("different_category") == every - {(0, 4), (1, 6)}


def test_different_word_relates_words_that_are_not_the_same():
    every = {(m, n) for m in range(7) for n in range(m + 1, 7)}
    assert pairs("different_word") == every - {(0, 4), (1, 6)}


def test_different_word_goes_by_the_word_and_not_by_its_category():
    categories = np.full((1, 3), CATEGORIES.index("noun"))
    targets = relation_targets(np.array([[2, 3, 2]]), categories, "different_word").numpy()[0]
    np.testing.assert_array_equal(targets, [[0, 1, 0], [1, 0, 1], [0, 1, 0]])


@pytest.mark.parametrize("rule", get_args(Rule))
def test_padding_is_related_to_nothing(rule):
    table = category_pairs(rule)
    assert not table[0].any() and not table[:, 0].any()
    assert not relation_targets(np.zeros((2, 3), int), np.zeros((2, 3), int), rule).numpy().any()


@pytest.mark.parametrize("rule", get_args(Rule))
def test_a_sentence_of_one_word_has_no_pair(rule):
    assert not relation_targets(np.array([[5, 0]]), np.array([[1, 0]]), rule).numpy().any()


def test_unknown_rules_are_refused():
    with pytest.raises(ValueError, match="different-word"):
        relation_targets(np.array([[5, 0]]), np.array([[1, 0]]), "different-word")
