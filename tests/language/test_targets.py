"""Relation labels of pairs of words, worked by hand."""

from itertools import combinations
from typing import get_args

import numpy as np
import pytest

from data.text.sentences import CATEGORIES
from language.config import Rule
from language.targets import relation_targets

#        the dog  quickly bit  the  old  cat  (padding)
WORDS = [2, 3, 4, 5, 2, 6, 7, 0]
TAGS = ["other", "noun", "adverb", "verb", "other", "adjective", "noun", ""]
EVERY = set(combinations(range(7), 2))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # noun-verb, noun-adjective, noun-noun, adverb-verb, adverb-adjective; not adverb-noun, not verb-adjective.
        ("semantic", {(1, 3), (3, 6), (1, 5), (5, 6), (1, 6), (2, 3), (2, 5)}),
        ("same_category", {(0, 4), (1, 6)}),
        ("different_category", EVERY - {(0, 4), (1, 6)}),
        ("different_word", EVERY - {(0, 4)}),
    ],
)
def test_pairs_of_a_sentence(rule, expected):
    categories = [CATEGORIES.index(tag) for tag in TAGS]
    targets = relation_targets(np.array([WORDS]), np.array([categories], np.int8), rule).numpy()[0]
    np.testing.assert_array_equal(targets, targets.T)
    assert set(np.unique(targets)) <= {0, 1}
    assert not targets.diagonal().any()
    assert {(int(m), int(n)) for m, n in np.argwhere(np.triu(targets))} == expected


@pytest.mark.parametrize("rule", get_args(Rule))
def test_padding_and_single_words_have_no_pair(rule):
    categories = np.array([[0, 0, 0], [1, 0, 0]])
    assert not relation_targets(5 * (categories > 0), categories, rule).numpy().any()


def test_unknown_rules_are_refused():
    with pytest.raises(ValueError, match="different-word"):
        relation_targets(np.array([[5, 0]]), np.array([[1, 0]]), "different-word")
