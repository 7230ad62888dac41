import numpy as np

from language.config import ModelConfig
from scripts.bench.language import least_operations

# Document 1 has sentences of 2 and 1 words (7 twice), document 2 one of 3.
WORDS = np.array([[[7, 8, 0], [7, 0, 0]], [[9, 7, 8], [0, 0, 0]]])


def sizes(focused):
    return ModelConfig(
        embedding_size=5, word_vectors="random", lstm_units=2, attention_size=3, focused_attention=focused, d_k=6
    )


def test_operations_of_hatt():
    word_encoder = 3 * 5 * 16 + 3 * 2 * 16  # 3 distinct words, 3 words behind others; 16 gates of two directions
    word_attention = 6 * (4 * 3 + 3 + 4)  # projection, similarity, weighted sum
    sentence_encoder = (3 * 4 + 1 * 2) * 16  # 3 sentences, one behind another
    sentence_attention = 3 * (4 * 3 + 3 + 4)
    classifier = 2 * 4 * 10
    expected = 6 * (word_encoder + word_attention + sentence_encoder + sentence_attention + classifier)
    assert least_operations(WORDS, sizes(False), 10) == expected


def test_operations_that_fan_adds():
    projections = 6 * 2 * 4 * 6
    pairs = (2 * 2 + 1 * 1 + 3 * 3) * 6
    weighted_sum = 6 * 4
    wider = 3 * 4 * 16
    extra = least_operations(WORDS, sizes(True), 10) - least_operations(WORDS, sizes(False), 10)
    assert extra == 6 * (projections + pairs + weighted_sum + wider)


def test_padding_costs_nothing():
    padded = np.pad(WORDS, [(0, 0), (0, 2), (0, 4)])
    assert least_operations(padded, sizes(True), 10) == least_operations(WORDS, sizes(True), 10)
