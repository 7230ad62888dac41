"""Bidirectional LSTM over padded sequences that computes real elements only.

Two thirds of a document's word slots are padding. On the CPU the sequences of a batch are sorted by falling length and
packed: at time step t only those longer than t take part, so each step is one smaller matrix product (as PyTorch's
packed sequences do for its CPU kernels). On a GPU Keras' own layer runs, which uses cuDNN.
"""

import keras
import tensorflow as tf

from language.packed_lstm import packed_lstm


@keras.saving.register_keras_serializable("fan")
class BiLSTM(keras.layers.Layer):
    """`Bidirectional(LSTM(units, return_sequences=True))` with outputs of 0 at padding.

    The weights are those of the Keras layer, `self.reference`, whose masked outputs the packed ones equal.

    Args:
        units: size of each direction.

    Call arguments:
        features: [R, T, C] with a static T.
        mask: [R, T] bool; the real elements of a sequence stand before its padding, or it is an error.

    Returns:
        [R, T, 2 units], 0 at padding.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.supports_masking = True
        self.reference = keras.layers.Bidirectional(keras.layers.LSTM(units, return_sequences=True), name="reference")

    def build(self, input_shape):
        self.reference.build(tuple(input_shape))  # A list, as a loaded model passes it, Keras' LSTM cannot take.
        super().build(input_shape)

    def call(self, features: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        if tf.config.list_physical_devices("GPU"):
            # A sequence without any element would make Keras leave cuDNN for the whole batch.
            mask_of_first = tf.range(tf.shape(mask)[1]) == 0
            outputs = self.reference(features, mask=mask | mask_of_first)
            return tf.where(mask[:, :, None], outputs, 0.0)
        return self._packed(features, mask)

    def _packed(self, features: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        steps, size = features.shape[1:]  # T, C
        lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)  # [R]
        tf.debugging.assert_equal(mask, tf.sequence_mask(lengths, steps), "padding stands between real elements")
        order = tf.argsort(lengths, direction="DESCENDING", stable=True)  # [R]
        time = tf.range(steps)[:, None]  # [T, 1]
        real = time < tf.gather(lengths, order)  # [T, R]: time-major, longest first
        counts = tf.reduce_sum(tf.cast(real, tf.int32), axis=1)  # [T]: sequences that are longer than t
        slots = tf.boolean_mask(order * steps + time, real)  # [P]: where each packed element stands among R * T slots
        packed = tf.gather(tf.reshape(features, [-1, size]), slots)  # [P, C]

        forward = _direction(self.reference.forward_layer.cell, packed, counts, reverse=False)  # [P, units]
        backward = _direction(self.reference.backward_layer.cell, packed, counts, reverse=True)  # [P, units]
        outputs = tf.concat([forward, backward], axis=1)  # [P, 2 units]
        padded = tf.scatter_nd(slots[:, None], outputs, [tf.size(mask), 2 * self.units])  # [R * T, 2 units]
        return tf.reshape(padded, [-1, steps, 2 * self.units])

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def _direction(cell: keras.layers.LSTMCell, packed: tf.Tensor, counts: tf.Tensor, reverse: bool) -> tf.Tensor:
    inputs = tf.matmul(packed, cell.kernel) + cell.bias  # [P, 4 units]
    return packed_lstm(inputs, cell.recurrent_kernel, counts, reverse)
