"""AttentionPooling and FocusedAttention against float64 NumPy, and their treatment of padding."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from language.attention import AttentionPooling, FocusedAttention
from language.masking import masked_softmax

TOLERANCE = 1e-5
MASK = np.arange(5) < np.array([[5], [3], [1], [0]])


def features():
    return np.random.default_rng(0).normal(size=(4, 5, 7)).astype(np.float32)


def softmax(logits, mask):
    """float64 softmax over the last axis among the entries of `mask`; 0 elsewhere."""
    weights = np.zeros(logits.shape)
    for index in np.ndindex(logits.shape[:-1]):
        real = mask[index]
        if real.any():
            exponentials = np.exp(logits[index][real] - logits[index][real].max())
            weights[index][real] = exponentials / exponentials.sum()
    return weights


def reference_pooling(layer, x, mask):
    kernel, bias = (weight.numpy().astype(np.float64) for weight in layer.projection.weights)
    u = np.tanh(x @ kernel + bias)
    weights = softmax(u @ layer.context.numpy().astype(np.float64), mask)
    return (weights[..., None] * x).sum(axis=1), weights


def reference_focused_attention(layer, x, mask):
    key, query = (w.weights[0].numpy().astype(np.float64) for w in (layer.key, layer.query))
    pairs = mask[:, :, None] & mask[:, None, :]
    weights = np.where(pairs, np.einsum("bmk,bnk->bmn", x @ key, x @ query) / np.sqrt(layer.d_k), 0)
    return softmax(weights, pairs) @ x, weights


def numerical_gradient(function, x, step=1e-6):
    """Central differences of a scalar float64 function."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += step
        below[index] -= step
        gradient[index] = (function(above) - function(below)) / (2 * step)
    return gradient


both_layers = pytest.mark.parametrize(
    ("layer", "reference"),
    [(AttentionPooling(6), reference_pooling), (FocusedAttention(6), reference_focused_attention)],
)


@both_layers
@pytest.mark.parametrize("mask", [MASK, np.ones_like(MASK)], ids=["padded", "full"])
def test_values_equal_float64_evaluation(layer, reference, mask):
    x = features()
    for actual, expected in zip(layer(x, mask=tf.constant(mask)), reference(layer, x.astype(float), mask), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max())


@both_layers
def test_gradients_equal_central_differences(layer, reference):
    x = features()
    output_weights = np.random.default_rng(1).normal(size=layer(x, mask=tf.constant(MASK))[0].shape)

    def weighted_sum(values):
        return (reference(layer, values, MASK)[0] * output_weights).sum()

    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(variable, mask=tf.constant(MASK))[0] * output_weights.astype(np.float32))
    actual = tape.gradient(total, variable).numpy()
    expected = numerical_gradient(weighted_sum, x.astype(np.float64))
    assert np.abs(actual - expected).max() / np.abs(expected).max() < TOLERANCE


@both_layers
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8])
def test_masks_of_any_number_type(layer, reference, dtype):
    for output, same in zip(layer(features(), mask=MASK.astype(dtype)), layer(features(), mask=MASK), strict=True):
        np.testing.assert_array_equal(output, same)


@both_layers
def test_padding_changes_no_bit(layer, reference):
    x = features()
    before = layer(x, mask=tf.constant(MASK))
    assert not any(output.numpy()[3].any() for output in before)  # The last sequence is all padding.
    for filler in (1e3, np.inf, np.nan):
        changed = np.where(MASK[..., None], x, filler).astype(np.float32)
        for one, other in zip(before, layer(changed, mask=tf.constant(MASK)), strict=True):
            np.testing.assert_array_equal(one, other)


def test_saturated_logits_pick_the_largest():
    weights = masked_softmax(tf.constant([[1e4, -1e4, 1e4], [-1e4, -1e4, 1e4]]), tf.constant([True, True, False]))
    np.testing.assert_array_equal(weights, [[1, 0, 0], [0.5, 0.5, 0]])


@both_layers
def test_saved_layers_load(layer, reference, tmp_path):
    inputs = keras.Input((5, 7))
    model = keras.Model(inputs, layer.__class__.from_config({**layer.get_config(), "name": "other"})(inputs)[0])
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        loaded = keras.models.load_model(tmp_path / name)
        np.testing.assert_array_equal(model(features()), loaded(features()))


def test_layers_use_keras_masks():
    words = np.array([[3, 1, 0], [2, 0, 0]])
    embedded = keras.layers.Embedding(4, 7, mask_zero=True)(words)
    for layer in (AttentionPooling(6), FocusedAttention(6)):
        for implicit, explicit in zip(layer(embedded), layer(embedded, mask=tf.constant(words != 0)), strict=True):
            np.testing.assert_array_equal(implicit, explicit)
