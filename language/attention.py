"""The two attention layers of FAN-hatt: pooling of words into a sentence, and focused attention between words."""

import keras
import tensorflow as tf

from language.masking import masked_softmax, real_pairs, zero_padding


def pair_weights(keys: tf.Tensor, queries: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """ω_mn = (W_K f_m) · (W_Q f_n) / √d_k (paper, eq. 4) of projected features [B, N, d_k]; 0 at masked pairs."""
    weights = tf.matmul(keys, queries, transpose_b=True) / keys.shape[-1] ** 0.5  # [B, N, N]
    return weights if mask is None else tf.where(real_pairs(mask), weights, 0.0)


def focused_importance(weights: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Word importance β_i = Σ_j ω_ji^agg: how much all words of the sentence attend to word i.

    Rows of ω^agg sum to 1, so β sums to the number of words n of the sentence. FAN's sentence descriptor, the mean over
    the words of W_agg F, equals Σ_i (β_i / n) f_i, just as that of the word attention is Σ_i a_it f_i.

    Args:
        weights: [B, N, N] pair weights W before any softmax.
        mask: [B, N].

    Returns:
        β [B, N], 0 at padding.

    >>> weights = tf.math.log([[[1.0, 3.0], [1.0, 1.0]]])  # softmax of the rows: 1/4, 3/4 and 1/2, 1/2
    >>> focused_importance(weights, mask=tf.constant([[1, 1]])).numpy()
    array([[0.75, 1.25]], dtype=float32)
    """
    return tf.reduce_sum(masked_softmax(weights, real_pairs(mask)), axis=1)


@keras.saving.register_keras_serializable("fan")
class AttentionPooling(keras.layers.Layer):
    """Weighted sum of a sequence by the similarity of its elements to a learned context vector.

    u_t = tanh(W h_t + b), a_t = softmax(u_t · u), s = Σ a_t h_t (Yang et al., 2016, equations 5 to 7).

    Args:
        units: size of u_t; 100 in the paper.

    Call arguments:
        features: [B, N, C].
        mask: [B, N] of bool or numbers, or None. Masked elements get weight 0; a fully masked sequence is pooled to 0.

    Returns:
        pooled [B, C] and weights a [B, N].

    >>> pooled, weights = AttentionPooling(units=100)(tf.ones([2, 5, 8]))
    >>> pooled.shape, weights.shape
    (TensorShape([2, 8]), TensorShape([2, 5]))
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.supports_masking = True
        self.projection = keras.layers.Dense(units, activation="tanh", name="projection")

    def build(self, input_shape):
        with tf.name_scope(self.projection.name):  # Scopes make the weights' names unique, as HDF5 files require.
            self.projection.build(input_shape)
        self.context = self.add_weight(
            "context", (self.units,), initializer=keras.initializers.RandomNormal(stddev=0.1)
        )
        super().build(input_shape)

    def call(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        features = zero_padding(features, mask)
        weights = masked_softmax(self.similarity(features), mask)  # [B, N]
        return tf.einsum("bn,bnc->bc", weights, features), weights

    def similarity(self, features: tf.Tensor) -> tf.Tensor:
        """u_t · u of each element: [..., C] -> [...]."""
        return tf.linalg.matvec(self.projection(features), self.context)

    def compute_mask(self, inputs, mask=None):
        return None, mask

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("fan")
class FocusedAttention(keras.layers.Layer):
    """The focused attention module: aggregates features by scaled dot products between all pairs of entities.

    ω_mn = (W_K f_m) · (W_Q f_n) / √d_k; f_out_m = Σ_n softmax_n(ω_mn) f_n (paper, eq. 4 and section 4.2; the softmax
    is over n, as the text says). One head, no bias, no value projection.

    Args:
        d_k: size of the projections.

    Call arguments:
        features: [B, N, C].
        mask: [B, N] of bool or numbers, or None. Masked entities neither attend nor are attended to.

    Returns:
        context [B, N, C], 0 at masked entities, and weights W [B, N, N] before any softmax, 0 at masked pairs.
        `center_mass_loss` and `focused_importance` take these weights and the mask.

    >>> features, mask = tf.ones([2, 5, 8]), tf.constant([[1.0, 1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0, 1.0]])
    >>> context, weights = FocusedAttention(d_k=100)(features, mask=mask)
    >>> context.shape, weights.shape
    (TensorShape([2, 5, 8]), TensorShape([2, 5, 5]))
    """

    def __init__(self, d_k: int, **kwargs):
        super().__init__(**kwargs)
        self.d_k = d_k
        self.supports_masking = True
        self.key = keras.layers.Dense(d_k, use_bias=False, name="key")
        self.query = keras.layers.Dense(d_k, use_bias=False, name="query")

    def build(self, input_shape):
        for projection in (self.key, self.query):
            with tf.name_scope(projection.name):  # See `AttentionPooling.build`.
                projection.build(input_shape)
        super().build(input_shape)

    def call(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        features = zero_padding(features, mask)
        weights = pair_weights(self.key(features), self.query(features), mask)  # [B, N, N]
        return tf.matmul(masked_softmax(weights, real_pairs(mask)), features), weights

    def compute_mask(self, inputs, mask=None):
        return mask, None

    def get_config(self):
        return {**super().get_config(), "d_k": self.d_k}
