"""How many operations a training step of HAN cannot do without: the floor that `bench_language.py` measures against."""

import numpy as np

from language.config import ModelConfig

PASSES = 3  # Forward, the gradient of a product's input, the gradient of its weights: each as many operations.


def least_operations(words: np.ndarray, model: ModelConfig, classes: int) -> int:
    """Floating-point operations of the matrix products of a training step, a multiplication and an addition being two.

    Counted are real words and sentences only, the LSTM's input projection once for each distinct word, and its
    recurrent product for all but the first of a sequence, whose state is 0. Activations, softmaxes, sums and everything
    that moves data are left out.

    Args:
        words: [B, S, W] ids, 0 for padding.
        model: the network's sizes.
        classes: number of classes.
    """
    units, both = model.lstm_units, 2 * model.lstm_units  # U, 2U
    gates = 2 * 4 * units  # Of both directions.
    lengths = np.count_nonzero(words, axis=2)  # [B, S]
    documents, sentences, tokens = len(words), np.count_nonzero(lengths), lengths.sum()
    in_use = np.count_nonzero(lengths.any(axis=1))  # documents with a word
    distinct = len(np.unique(words[words != 0]))
    sentence_size = 2 * both if model.focused_attention else both

    word_encoder = distinct * model.embedding_size * gates + (tokens - sentences) * units * gates
    word_attention = tokens * (both * model.attention_size + model.attention_size + both)
    sentence_encoder = (sentences * sentence_size + (sentences - in_use) * units) * gates
    sentence_attention = sentences * (both * model.attention_size + model.attention_size + both)
    products = word_encoder + word_attention + sentence_encoder + sentence_attention + documents * both * classes
    if model.focused_attention:
        projections, pairs = tokens * 2 * both * model.d_k, (lengths.astype(np.int64) ** 2).sum() * model.d_k
        products += projections + pairs + tokens * both
    return int(2 * PASSES * products)
