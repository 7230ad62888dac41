"""Bidirectional LSTM over padded sequences."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("fan")
class BiLSTM(keras.layers.Layer):
    """`Bidirectional(LSTM(units, return_sequences=True))` with outputs of 0 at padding.

    Args:
        units: units of each direction.

    Call arguments:
        features: [R, T, C].
        mask: [R, T] bool.

    Returns:
        [R, T, 2 units], 0 at padding.

    >>> BiLSTM(units=3)(tf.ones([2, 4, 5]), mask=tf.ones([2, 4], tf.bool)).shape
    TensorShape([2, 4, 6])
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.supports_masking = True
        self.reference = keras.layers.Bidirectional(keras.layers.LSTM(units, return_sequences=True), name="reference")

    def build(self, input_shape):
        self.reference.build(tuple(input_shape))  # Loaded models pass a list, which Keras' LSTM rejects.
        super().build(input_shape)

    def call(self, features: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        # On a GPU, one empty sequence would make Keras avoid cuDNN for the whole batch.
        first = tf.range(tf.shape(mask)[1]) == 0
        outputs = self.reference(features, mask=mask | first)
        return tf.where(mask[:, :, None], outputs, 0.0)

    def get_config(self):
        return {**super().get_config(), "units": self.units}
