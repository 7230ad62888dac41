"""BiLSTM against Keras' own layer with the same weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from language.bilstm import BiLSTM

LENGTHS = {"mixed": [3, 0, 6, 1, 6, 2], "all full": [6, 6], "all empty": [0, 0, 0], "one word": [1], "no sequence": []}


def layer_and_inputs(lengths):
    layer = BiLSTM(5)
    features = np.random.default_rng(0).normal(size=(len(lengths), 6, 4)).astype(np.float32)
    layer.build(features.shape)
    return layer, features, np.arange(6) < np.array(lengths, int)[:, None]


def values_and_gradients(layer, call, features, mask):
    variable = tf.Variable(features)
    with tf.GradientTape() as tape:
        outputs = call(variable, mask=tf.constant(mask))
        outputs = tf.where(mask[..., None], outputs, 0.0)
        total = tf.reduce_sum(tf.sin(outputs) * np.arange(1, 11, dtype=np.float32))
    gradients = tape.gradient(total, [variable, *layer.trainable_variables])
    return [outputs, *(tf.convert_to_tensor(gradient) for gradient in gradients)]


@pytest.mark.parametrize("name", [name for name in LENGTHS if LENGTHS[name]])
@pytest.mark.parametrize("compiled", [False, True])
def test_outputs_and_gradients_equal_those_of_keras(name, compiled):
    layer, features, mask = layer_and_inputs(LENGTHS[name])
    call = tf.function(layer.call) if compiled else layer.call
    ours = values_and_gradients(layer, call, features, mask)
    theirs = values_and_gradients(layer, layer.reference, features, mask)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * max(np.abs(other).max(), 1e-3))


@pytest.mark.parametrize("name", ["mixed", "all empty", "no sequence"])
def test_padding_changes_no_bit_and_its_outputs_are_zero(name):
    layer, features, mask = layer_and_inputs(LENGTHS[name])
    outputs = layer(features, mask=tf.constant(mask)).numpy()
    assert outputs.shape == (*mask.shape, 10)
    assert not outputs[~mask].any()
    changed = np.where(mask[..., None], features, 1e3).astype(np.float32)
    np.testing.assert_array_equal(outputs, layer(changed, mask=tf.constant(mask)))


def test_saved_layer_loads(tmp_path):
    _, features, mask = layer_and_inputs(LENGTHS["mixed"])
    inputs, real = keras.Input((6, 4)), keras.Input((6,), dtype="bool")
    model = keras.Model([inputs, real], BiLSTM(5)(inputs, mask=real))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model([features, mask]), loaded([features, mask]))
