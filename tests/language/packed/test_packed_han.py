"""HAN without padding against the plain formulation with the same weights."""

import numpy as np
import pytest
import tensorflow as tf

from data.text.sentences import CATEGORIES
from language.config import RelationLossConfig
from language.criterion import criterion
from language.han import HAN
from language.packed.han import packed_han, quickest_forward

SIZES = {"vocabulary_size": 30, "classes": 3, "embedding_size": 8, "lstm_units": 6, "attention_size": 7}
SEMANTIC = RelationLossConfig(weight=0.1, rule="semantic", mode="matrix", penalty="focal", gamma=2.0)

# Number of words in each sentence of each document.
DOCUMENTS = {
    "mixed": [[5, 2, 4, 1], [3, 6, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [6, 6, 6, 6]],
    "all full": [[6, 6, 6, 6]] * 3,
    "one word": [[1, 0, 0, 0]],
    "one sentence among empty documents": [[0, 0, 0, 0], [4, 0, 0, 0], [0, 0, 0, 0]],
    "all empty": [[0, 0, 0, 0]] * 2,
    "no document": np.zeros((0, 4), int),
}


def batch(name):
    """words and categories [B, 4, 6] and labels [B]; many words repeat."""
    generator = np.random.default_rng(0)
    lengths = np.array(DOCUMENTS[name])
    mask = np.arange(6) < lengths[..., None]
    words = generator.integers(1, 30, mask.shape) * mask
    categories = generator.integers(1, len(CATEGORIES), mask.shape) * mask
    labels = generator.integers(0, 3, len(lengths))
    return words.astype(np.int32), categories.astype(np.int32), labels.astype(np.int32)


def network(d_k):
    tf.keras.utils.set_random_seed(1)
    model = HAN(**SIZES, d_k=d_k)
    model(np.ones((1, 4, 6), np.int32))
    for variable in model.trainable_variables:  # No bias may stay 0, which could hide errors.
        variable.assign_add(tf.random.normal(variable.shape, stddev=0.3))
    return model


def outputs(forward, model, words):
    """Logits and attention, with the sentences in document order."""
    logits, attention = forward(model, words)
    rows = attention.rows.numpy()
    order = np.lexsort((rows[:, 1], rows[:, 0]))
    relations = [] if attention.relations is None else [attention.relations]
    by_row = [np.asarray(value)[order] for value in (rows, attention.mask, attention.words, *relations)]
    return [logits.numpy(), attention.sentences.numpy(), *by_row]


def gradients(forward, model, words, categories, labels):
    with tf.GradientTape() as tape:
        logits, attention = forward(model, words)
        loss = criterion(logits, attention, words, categories, labels, SEMANTIC).loss
    return loss, [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, model.trainable_variables)]


def plain_han(model, words):
    return model(words)


def assert_same(model, words, categories, labels, compiled=False):
    """Outputs, loss and gradients of both formulations are equal to 1e-5."""
    for ours, theirs in zip(outputs(packed_han, model, words), outputs(plain_han, model, words), strict=True):
        np.testing.assert_allclose(
            ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(np.asarray(theirs, float)).max(initial=0.1)
        )
    if not len(words):
        return  # The mean loss of no document is NaN.
    step = tf.function(gradients) if compiled else gradients
    loss, ours = step(packed_han, model, words, categories, labels)
    expected, theirs = gradients(plain_han, model, words, categories, labels)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert all(np.isfinite(gradient).all() for gradient in theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * max(np.abs(other).max(), 1e-3))


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("d_k", [None, 5])
@pytest.mark.parametrize("compiled", [False, True])
def test_both_formulations_compute_the_same(name, d_k, compiled):
    assert_same(network(d_k), *batch(name), compiled)


@pytest.mark.parametrize("d_k", [None, 100])
def test_both_compute_the_same_at_the_sizes_of_the_paper(d_k):
    tf.keras.utils.set_random_seed(1)
    model = HAN(vocabulary_size=500, classes=20, embedding_size=100, lstm_units=100, attention_size=100, d_k=d_k)
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 31, (6, 15)) * (np.arange(15) < generator.integers(0, 16, (6, 1)))
    mask = np.arange(30) < lengths[..., None]
    words = (generator.integers(1, 500, mask.shape) * mask).astype(np.int32)
    categories = (generator.integers(1, len(CATEGORIES), mask.shape) * mask).astype(np.int32)
    labels = generator.integers(0, 20, 6).astype(np.int32)
    model(words)  # Creates its weights.
    for variable in model.trainable_variables:
        variable.assign_add(tf.random.normal(variable.shape, stddev=0.05))
    assert_same(model, words, categories, labels)


@pytest.mark.parametrize("gap", [(0, 1), (0, 1, 2)])
def test_padding_before_words_is_an_error(gap):
    words, _, _ = batch("all full")
    words[gap] = 0  # A sentence, or a word.
    with pytest.raises(tf.errors.InvalidArgumentError, match="padding before an element"):
        packed_han(network(5), words)


def test_the_plain_formulation_runs_on_gpus(monkeypatch):
    model, (words, _, _) = network(5), batch("mixed")
    assert np.diff(quickest_forward(model)(words)[1].mask.numpy().sum(axis=1)).max() <= 0  # Packed: longest first.
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    assert quickest_forward(model) is model
