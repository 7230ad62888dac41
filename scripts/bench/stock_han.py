"""HAN as Keras' own layers give it, which `bench_language.py` measures ours against."""

from typing import TYPE_CHECKING

from language.config import Config

if TYPE_CHECKING:
    import keras


def stock_han(config: Config, vocabulary_size: int, classes: int) -> "keras.Model":
    """Words [B, S, W] -> logits [B, classes]: TimeDistributed over all sentence slots, masks by `mask_zero`.

    Attention pooling is a dense layer and Keras' softmax with a mask.
    """
    import keras
    import tensorflow as tf

    sizes, layers = config.model, keras.layers

    def pooled(sequence, mask):
        hidden = layers.Dense(sizes.attention_size, activation="tanh")(sequence)
        logits = layers.Flatten()(layers.Dense(1, use_bias=False)(hidden))
        return layers.Dot(1)([layers.Softmax()(logits, mask=mask), sequence])

    words = keras.Input((config.text.max_words,), dtype="int32")
    embedded = layers.Embedding(vocabulary_size, sizes.embedding_size, mask_zero=True)(words)
    encoded = layers.Bidirectional(layers.LSTM(sizes.lstm_units, return_sequences=True))(embedded)
    sentence_encoder = keras.Model(words, pooled(encoded, tf.not_equal(words, 0)))

    document = keras.Input((config.text.max_sentences, config.text.max_words), dtype="int32")
    in_use = tf.reduce_any(tf.not_equal(document, 0), axis=-1)
    sentences = layers.TimeDistributed(sentence_encoder)(document)
    encoded = layers.Bidirectional(layers.LSTM(sizes.lstm_units, return_sequences=True))(sentences, mask=in_use)
    return keras.Model(document, layers.Dense(classes)(pooled(encoded, in_use)))
