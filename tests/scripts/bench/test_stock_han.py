"""The Keras network that ours is compared with is the same model: equal outputs and gradients for equal weights."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from data.common.config import read_config
from language.config import Config
from language.han import HAN
from language.packed.han import packed_han
from scripts.bench.document_steps import stock_han

MINI = Path(__file__).parents[3] / "language/configs/mini/20news/hatt.yaml"
VOCABULARY, CLASSES = 40, 3


@pytest.fixture(scope="module")
def networks():
    """The stock network, and ours with the same weights; sizes of the miniature."""
    config = read_config(Config, MINI)
    config = dataclasses.replace(config, text=dataclasses.replace(config.text, max_sentences=4, max_words=6))
    tf.keras.utils.set_random_seed(2)
    stock, sizes = stock_han(config, VOCABULARY, CLASSES), config.model
    ours = HAN(VOCABULARY, CLASSES, sizes.embedding_size, sizes.lstm_units, sizes.attention_size)
    ours(np.ones((1, 4, 6), np.int32))
    for variable in stock.trainable_variables:
        variable.assign_add(tf.random.normal(variable.shape, stddev=0.2))
    for variable, other in zip(in_stock_order(ours), stock.trainable_variables, strict=True):
        variable.assign(tf.reshape(other, variable.shape))
    return stock, ours


def in_stock_order(model):
    """The variables of HAN in the order of the stock network: by level, each encoder before its attention."""
    levels = (
        (model.word_encoder, model.word_attention),
        (model.sentence_encoder, model.sentence_attention),
    )
    variables = list(model.embedding.trainable_variables)
    for encoder, attention in levels:
        variables += [*encoder.trainable_variables, *attention.projection.trainable_variables, attention.context]
    return [*variables, *model.classifier.trainable_variables]


def batch():
    """words [3, 4, 6] of documents with empty sentences, and labels."""
    lengths = np.array([[5, 2, 4, 1], [3, 6, 0, 0], [1, 0, 0, 0]])
    words = np.random.default_rng(0).integers(1, VOCABULARY, (3, 4, 6)) * (np.arange(6) < lengths[..., None])
    return words.astype(np.int32), np.array([0, 2, 1], np.int32)


def logits_and_gradients(forward, variables):
    words, labels = batch()
    with tf.GradientTape() as tape:
        logits = forward(words)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    return logits, [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, variables)]


@pytest.mark.parametrize("forward", [HAN.__call__, packed_han])
def test_stock_network_agrees_with_ours(networks, forward):
    stock, ours = networks
    expected, theirs = logits_and_gradients(stock, stock.trainable_variables)
    actual, gradients = logits_and_gradients(lambda words: forward(ours, words)[0], in_stock_order(ours))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    for one, other in zip(gradients, theirs, strict=True):
        other = tf.reshape(other, one.shape).numpy()
        # Gradients of the attention are differences of much larger numbers, with four digits left in float32.
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(other).max())
