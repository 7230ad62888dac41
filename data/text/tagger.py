"""NLTK's perceptron tagger for many sentences at once: the same tags, ten times as fast."""

from functools import lru_cache
from itertools import chain, product

import numpy as np
from nltk.tag import PerceptronTagger

# Offset from a token to the word of each feature in `_features`.
OFFSETS = (-2, -1, -1, 0, 0, 0, 1, 1, 2)
REACH = 2  # Largest offset; NLTK pads sentences with named tokens.
START, END = PerceptronTagger.START, PerceptronTagger.END

ABSENT = 0  # Row of zeros in the weights, for features that are not in the model.
UNTAGGED = -1
PAIR, TAG = -2, -1  # Last columns of a word's description, after its row of the weights for each feature.
WORDS_KEPT = 2**15  # Cached descriptions: about 10 MB.


def _features(word: str, normal: str) -> tuple[str, ...]:
    """NLTK's feature names of a word, for its own tag and those around it; `normal` is its normalized form."""
    return (
        f"i-2 word {normal}",
        f"i-1 word {normal}",
        f"i-1 suffix {normal[-3:]}",
        f"i suffix {word[-3:]}",
        f"i pref1 {word[:1]}",
        f"i word {normal}",
        f"i+1 word {normal}",
        f"i+1 suffix {normal[-3:]}",
        f"i+2 word {normal}",
    )


class BatchTagger:
    """Tags all sentences together, first their first words, then their second, and so on, with the tags of NLTK.

    A tag's score is a sum of weights with three decimals. It is computed in integers here, without error, and in NLTK
    with floating-point errors far below a thousandth, so both find the same best tag unless two tags have the best
    score. In that case NLTK's choice depends on rounding, and the sentence is tagged by NLTK.

    Args:
        nltk_tagger: a loaded tagger.

    Raises:
        LookupError, AttributeError, TypeError, ValueError: its tables are damaged.
    """

    def __init__(self, nltk_tagger: PerceptronTagger):
        self._nltk_tagger = nltk_tagger
        self._tags = [*sorted(nltk_tagger.classes), *START]
        self._tag_ids = {tag: number for number, tag in enumerate(self._tags)}
        self._rows = {feature: row for row, feature in enumerate(nltk_tagger.model.weights, start=ABSENT + 1)}
        self._weights = self._weight_matrix()
        self._scores_of_tags = self._score_tags()
        self._pair_ids, self._pair_rows = self._index_pairs()
        # NLTK reads START from left to right as words, from right to left as tags.
        words, tags = (*START, *END), (*reversed(START), *END)
        self._edges = [
            self._describe(word, word, self._tag_ids.get(tag, UNTAGGED)) for word, tag in zip(words, tags, strict=True)
        ]
        self._describe_word = lru_cache(WORDS_KEPT)(self._describe_word)

    def tag_sents(self, sentences: list[list[str]]) -> list[list[tuple[str, str]]]:
        """The tokens of each sentence with their tags: the result of `PerceptronTagger.tag_sents`."""
        lengths = np.array([len(sentence) for sentence in sentences], np.int64)
        starts = np.cumsum(lengths + 2 * REACH) - REACH - lengths
        tags, tied = self._tag(self._describe_tokens(sentences), starts, lengths)
        names = np.array(self._tags, object)[tags]
        tagged = [
            list(zip(sentence, names[start : start + len(sentence)], strict=True))
            for sentence, start in zip(sentences, starts.tolist(), strict=True)
        ]
        for number in np.unique(starts.searchsorted(np.flatnonzero(tied), side="right") - 1):
            tagged[number] = self._nltk_tagger.tag(sentences[number])
        return tagged

    def _tag(self, tokens: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tags described tokens.

        Args:
            tokens: [N, columns] from `_describe_tokens`.
            starts, lengths: [sentences] first token and number of tokens of each sentence.

        Returns:
            tags [N], and whether two tags had the best score [N].
        """
        scores_of_words = self._score_words(tokens)
        pairs, tags = tokens[:, PAIR], tokens[:, TAG].copy()
        tied = np.zeros(len(tokens), bool)
        by_length = np.argsort(-lengths)
        starts, lengths = starts[by_length], lengths[by_length]
        for position in range(lengths.max(initial=0)):
            at = starts[: np.count_nonzero(lengths > position)] + position
            at = at[tags[at] == UNTAGGED]
            before, two_before = tags[at - 1], tags[at - 2]
            scores = scores_of_words[at] + self._scores_of_tags[before, two_before]
            scores += self._weights[self._pair_rows[pairs[at], before]]
            tags[at] = scores.argmax(axis=1)
            tied[at] = np.count_nonzero(scores == scores.max(axis=1, keepdims=True), axis=1) > 1
        return tags, tied

    def _score_words(self, tokens: np.ndarray) -> np.ndarray:
        """Scores of each token's tags from the words alone: [N, classes]."""
        scores = np.zeros((len(tokens), self._weights.shape[1]), np.int32)
        for column, offset in enumerate(OFFSETS):
            rows = tokens[REACH + offset : len(tokens) - REACH + offset, column]
            scores[REACH:-REACH] += self._weights[rows]
        return scores

    def _describe_tokens(self, sentences: list[list[str]]) -> np.ndarray:
        """Descriptions of the tokens of all sentences, each sentence padded by NLTK's named tokens: [N, columns]."""
        ids: dict[str, int] = {}
        tokens: list[int] = []
        for sentence in sentences:
            tokens += (0, 1)
            tokens += [ids.setdefault(word, len(ids) + len(self._edges)) for word in sentence]
            tokens += (2, 3)
        return np.array([*self._edges, *map(self._describe_word, ids)], np.int32)[tokens]

    def _describe_word(self, word: str) -> list[int]:
        tag = self._nltk_tagger.tagdict.get(word)  # For unambiguous frequent words.
        return self._describe(word, self._nltk_tagger.normalize(word), self._tag_ids[tag] if tag else UNTAGGED)

    def _describe(self, word: str, normal: str, tag: int) -> list[int]:
        """Weight rows of a word's features, its row of `_pair_rows`, and its tag if it has a fixed one: [columns]."""
        rows = [self._rows.get(feature, ABSENT) for feature in _features(word, normal)]
        return [*rows, self._pair_ids.get(normal, 0), tag]

    # --- the model as arrays ------------------------------------------------------------------------------------------

    def _weight_matrix(self) -> np.ndarray:
        """The weights in thousandths: [1 + features, classes]."""
        weights = self._nltk_tagger.model.weights.values()
        matrix = np.zeros((ABSENT + 1 + len(weights), len(self._nltk_tagger.classes)), np.int32)
        rows = np.repeat(np.arange(ABSENT + 1, len(matrix)), [len(of_feature) for of_feature in weights])
        columns = [self._tag_ids[tag] for tag in chain.from_iterable(weights)]
        thousandths = [round(1000 * weight) for of_feature in weights for weight in of_feature.values()]
        matrix[rows, columns] = thousandths
        return matrix

    def _score_tags(self) -> np.ndarray:
        """Scores of a token's tags from the two previous tags: [previous tag, tag before that, classes]."""

        def weights(*features: str) -> np.ndarray:
            return self._weights[[self._rows.get(feature, ABSENT) for feature in features]]

        number = len(self._tags)
        before = weights(*(f"i-1 tag {tag}" for tag in self._tags))
        two_before = weights(*(f"i-2 tag {tag}" for tag in self._tags))
        both = weights(*(f"i tag+i-2 tag {one} {two}" for one, two in product(self._tags, repeat=2)))
        return both.reshape(number, number, -1) + before[:, None] + two_before + weights("bias")

    def _index_pairs(self) -> tuple[dict[str, int], np.ndarray]:
        """Weight rows of pairs of previous tag and word: a row for each word, and [1 + words, previous tags]."""
        prefix = "i-1 tag+i word "
        ids: dict[str, int] = {}
        pairs = []
        for feature, row in self._rows.items():
            if feature.startswith(prefix):
                tag, _, word = feature.removeprefix(prefix).partition(" ")
                pairs.append((ids.setdefault(word, len(ids) + 1), self._tag_ids[tag], row))
        table = np.full((len(ids) + 1, len(self._tags)), ABSENT, np.int32)
        words, tags, rows = np.array(pairs, np.int32).reshape(-1, 3).T
        table[words, tags] = rows
        return ids, table
