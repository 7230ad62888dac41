"""Hierarchical attention network (Yang et al., 2016) with word-to-word focused attention (paper, section 4.5)."""

from typing import NamedTuple

import keras
import tensorflow as tf

from language.attention import AttentionPooling, FocusedAttention
from language.bilstm import BiLSTM


class Attention(NamedTuple):
    """Attention weights of a batch; R is the number of its sentences with a word.

    Args:
        rows: [R, 2] indices of document and sentence.
        mask: [R, W] bool, true for words and false for padding.
        words: [R, W] word weights a_it of HAN.
        sentences: [B, S] sentence weights.
        relations: [R, W, W] pair weights W of FAN before any softmax; None in a network without FAN.
    """

    rows: tf.Tensor
    mask: tf.Tensor
    words: tf.Tensor
    sentences: tf.Tensor
    relations: tf.Tensor | None


@keras.saving.register_keras_serializable("fan")
class HAN(keras.Model):
    """Classifies documents of S sentences of W words.

    Args:
        vocabulary_size: number of word ids, including padding and the unknown word.
        classes: number of classes.
        embedding_size, lstm_units, attention_size: 100 each in the paper; `lstm_units` counts one direction.
        d_k: size of FAN's projections; None for HAN without FAN.

    Call arguments:
        words: [B, S, W] integer ids. 0 is padding, after the words of a sentence; empty sentences come last.

    Returns:
        logits [B, classes] and the `Attention`. Padding and empty sentences get no attention; the logits of a document
        without words are the classifier's bias.

    >>> model = HAN(vocabulary_size=20, classes=3, d_k=8)
    >>> logits, attention = model(tf.constant([[[2, 3, 0], [4, 0, 0]], [[5, 6, 7], [0, 0, 0]]]))  # 2 documents
    >>> logits.shape, attention.relations.shape  # 3 sentences with a word
    (TensorShape([2, 3]), TensorShape([3, 3, 3]))
    """

    def __init__(
        self,
        vocabulary_size: int,
        classes: int,
        embedding_size: int = 100,
        lstm_units: int = 100,
        attention_size: int = 100,
        d_k: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._config = {
            "vocabulary_size": vocabulary_size,
            "classes": classes,
            "embedding_size": embedding_size,
            "lstm_units": lstm_units,
            "attention_size": attention_size,
            "d_k": d_k,
        }
        self.embedding = keras.layers.Embedding(vocabulary_size, embedding_size, name="embedding")
        self.word_encoder = BiLSTM(lstm_units, name="word_encoder")
        self.word_attention = AttentionPooling(attention_size, name="word_attention")
        self.focused_attention = FocusedAttention(d_k, name="focused_attention") if d_k is not None else None
        self.sentence_encoder = BiLSTM(lstm_units, name="sentence_encoder")
        self.sentence_attention = AttentionPooling(attention_size, name="sentence_attention")
        self.classifier = keras.layers.Dense(classes, name="classifier")

    def call(self, words: tf.Tensor) -> tuple[tf.Tensor, Attention]:
        documents, slots = tf.shape(words)[0], tf.shape(words)[1]  # B, S
        in_use = tf.reduce_any(words != 0, axis=-1)  # [B, S]
        rows = tf.where(in_use)  # [R, 2]: empty sentences, of which there are many, are skipped
        word_ids = tf.gather_nd(words, rows)  # [R, W]
        mask = word_ids != 0  # [R, W]

        embedded = self.embedding(word_ids)  # [R, W, E]
        features = self.word_encoder(embedded, mask=mask)  # [R, W, 2U]
        sentence, word_weights = self.word_attention(features, mask=mask)  # [R, 2U], [R, W]
        relations = None
        if self.focused_attention is not None:
            context, relations = self.focused_attention(features, mask=mask)  # [R, W, 2U], [R, W, W]
            sentence = tf.concat([sentence, _mean_over_words(context, mask)], axis=-1)  # [R, 4U]

        shape = tf.stack([documents, slots, tf.shape(sentence)[1]])
        sentences = tf.scatter_nd(rows, sentence, tf.cast(shape, rows.dtype))  # [B, S, 2U or 4U]
        sentences.set_shape([words.shape[0], words.shape[1], sentence.shape[1]])
        encoded = self.sentence_encoder(sentences, mask=in_use)  # [B, S, 2U]
        document, sentence_weights = self.sentence_attention(encoded, mask=in_use)  # [B, 2U], [B, S]
        logits = self.classifier(document)  # [B, classes]
        return logits, Attention(rows, mask, word_weights, sentence_weights, relations)

    def get_config(self):
        return {**super().get_config(), **self._config, "name": self.name}


def _mean_over_words(context: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """FAN's sentence descriptor [R, C]: the mean of W_agg F [R, W, C] over the words of each sentence."""
    count = tf.reduce_sum(tf.cast(mask, context.dtype), axis=1, keepdims=True)  # [R, 1]
    return tf.math.divide_no_nan(tf.reduce_sum(context, axis=1), count)
