"""The network: padding, empty sentences and documents, shapes, saving."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from data.text.sentences import CATEGORIES
from language.config import RelationLossConfig
from language.criterion import criterion
from language.han import HAN

SIZES = {"vocabulary_size": 20, "classes": 3, "embedding_size": 4, "lstm_units": 5, "attention_size": 6}
SEMANTIC = RelationLossConfig(weight=0.1, rule="semantic", mode="matrix", penalty="focal", gamma=2.0)


def documents():
    """words and categories [4, 3, 5]; the third document is empty, the last has one word."""
    generator = np.random.default_rng(0)
    lengths = np.array([[5, 2, 4], [3, 1, 0], [0, 0, 0], [1, 0, 0]])
    mask = np.arange(5) < lengths[..., None]
    words = generator.integers(2, 20, mask.shape) * mask
    categories = generator.integers(1, len(CATEGORIES), mask.shape) * mask
    return words.astype(np.int32), categories.astype(np.int32)


def network(d_k):
    model = HAN(**SIZES, d_k=d_k)
    model(documents()[0])
    return model


@pytest.mark.parametrize("d_k", [None, 7])
def test_shapes(d_k):
    logits, attention = network(d_k)(documents()[0])
    assert logits.shape == (4, 3)
    assert attention.sentences.shape == (4, 3)
    np.testing.assert_array_equal(attention.rows, [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [3, 0]])
    assert attention.words.shape == attention.mask.shape == (6, 5)
    assert attention.relations is None if d_k is None else attention.relations.shape == (6, 5, 5)


@pytest.mark.parametrize("d_k", [None, 7])
def test_embedding_of_padding_changes_no_bit(d_k):
    model = network(d_k)
    words, categories = documents()
    before = tf.nest.flatten(model(words))
    vectors = model.embedding.get_weights()[0]
    vectors[0] = 1e3
    model.embedding.set_weights([vectors])
    for one, other in zip(before, tf.nest.flatten(model(words)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_categories_of_padding_change_no_bit_of_the_loss():
    model = network(7)
    words, categories = documents()
    logits, attention = model(words)
    changed = np.where(words == 0, CATEGORIES.index("noun"), categories)
    labels = np.zeros(4, np.int32)
    before = criterion(logits, attention, words, categories, labels, SEMANTIC).relations
    after = criterion(logits, attention, words, changed, labels, SEMANTIC).relations
    np.testing.assert_array_equal(before.loss, after.loss)
    np.testing.assert_array_equal(before.center_mass, after.center_mass)


@pytest.mark.parametrize("d_k", [None, 7])
def test_more_padding_and_other_batches_change_nothing(d_k):
    model = network(d_k)
    words, _ = documents()
    wider = np.pad(words, [(0, 0), (0, 2), (0, 3)])
    np.testing.assert_allclose(model(words)[0], model(wider)[0], atol=1e-6)
    alone = np.concatenate([model(words[[document]])[0].numpy() for document in range(4)])
    np.testing.assert_allclose(model(words)[0], alone, atol=1e-6)


@pytest.mark.parametrize("d_k", [None, 7])
def test_an_empty_document_gets_the_bias_as_logits(d_k):
    model = network(d_k)
    model.classifier.set_weights([model.classifier.get_weights()[0], np.array([1.0, -2.0, 3.0])])
    for words in (documents()[0], documents()[0][2:3]):
        logits, attention = model(words)
        empty = 2 if len(words) > 1 else 0
        np.testing.assert_array_equal(logits[empty], [1.0, -2.0, 3.0])
        assert not attention.sentences.numpy()[empty].any()


def test_relation_loss_averages_over_sentences_with_a_pair():
    model = network(7)
    words, categories = documents()
    logits, attention = model(words)
    labels = np.zeros(4, np.int32)
    losses = criterion(logits, attention, words, categories, labels, SEMANTIC)
    related = losses.relations.related.numpy().astype(bool)
    assert 0 < related.sum() < 6  # A sentence of one word has no pair.
    expected = losses.classification.numpy().mean() + 0.1 * losses.relations.loss.numpy()[related].mean()
    np.testing.assert_allclose(losses.loss, expected, rtol=1e-6)
    unsupervised = criterion(logits, attention, words, categories, labels, replace(SEMANTIC, weight=0.0))
    np.testing.assert_array_equal(unsupervised.relations.loss, losses.relations.loss)  # Measured,
    np.testing.assert_array_equal(unsupervised.loss, losses.classification.numpy().mean())  # but not trained on.


@pytest.mark.parametrize("d_k", [None, 7])
def test_saved_model_and_weights_load(d_k, tmp_path):
    model = network(d_k)
    model.save(tmp_path / "han.keras")
    loaded = tf.keras.models.load_model(tmp_path / "han.keras")
    assert loaded.get_config() == model.get_config()
    other = network(d_k)
    model.save_weights(tmp_path / "han.h5")
    other.load_weights(tmp_path / "han.h5")
    for same in (loaded, other):
        np.testing.assert_array_equal(model(documents()[0])[0], same(documents()[0])[0])
