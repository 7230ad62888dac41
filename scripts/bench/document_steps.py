"""Training steps of document networks to measure: ours, and HAN built from Keras' own layers.

Imported in worker processes only, so that the main process stays free of TensorFlow.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from data.common.runs import RunFolder
from data.text.encoding import EncodedCorpus
from data.text.word_vectors import word_vectors
from language.checkpoint import build_model, keep_inputs
from language.config import Config
from language.engine import Step, make_train_step
from language.engine import train_epoch as train_epoch
from language.han import HAN
from language.packed.han import quickest_forward


def set_threads(threads: int) -> None:
    """The number of threads of TensorFlow in this process."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def matrix_products(size: int, count: int) -> Callable[[], float]:
    """A function that computes `count` products of square matrices."""
    square = tf.random.normal([size, size])
    return lambda: [tf.matmul(square, square) for _ in range(count)][-1].numpy().sum()


def our_step(config: Config, corpus: EncodedCorpus, plain: bool = False) -> Callable[[np.ndarray], object]:
    """A training step of our network on the documents at the given rows; the first call compiles it.

    Args:
        config, corpus: the experiment and its data.
        plain: whether to use `HAN.call`, which also computes padding.
    """
    split, step = corpus.train, _step(_build(config, corpus), config, plain)
    return lambda rows: float(step(split.words[rows], split.categories[rows], split.labels[rows])["correct"])


def stock_step(config: Config, corpus: EncodedCorpus) -> Callable[[np.ndarray], object]:
    """A training step of `stock_han` on the documents at the given rows; the first call compiles it."""
    tf.config.experimental.enable_op_determinism()  # as in training
    documents, model = corpus.train, stock_han(config, len(corpus.vocabulary), len(corpus.classes))
    optimizer = keras.optimizers.Adam(config.training.learning_rate)
    model.compile(optimizer, tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return lambda rows: model.train_on_batch(documents.words[rows].astype(np.int32), documents.labels[rows])


def first_step(config: Config, corpus: EncodedCorpus) -> Step:
    """Does everything that training does before its first step; files are written to a temporary folder."""
    keras.utils.set_random_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        keep_inputs(RunFolder(Path(folder)), corpus)
    model = _build(config, corpus)
    step = _step(model, config, plain=False)
    vectors = word_vectors(config.model.word_vectors, corpus, config.model.embedding_size, seed=0)
    model.embedding.set_weights([vectors])
    return step


def _build(config: Config, corpus: EncodedCorpus) -> HAN:
    tf.config.experimental.enable_op_determinism()  # as in training
    return build_model(config, len(corpus.vocabulary), len(corpus.classes))


def _step(model: HAN, config: Config, plain: bool) -> Step:
    optimizer = keras.optimizers.Adam(config.training.learning_rate)
    optimizer.build(model.trainable_variables)
    return make_train_step(model, model if plain else quickest_forward(model), optimizer, config)


def stock_han(config: Config, vocabulary_size: int, classes: int) -> keras.Model:
    """HAN built from Keras' layers, words [B, S, W] -> logits [B, classes].

    TimeDistributed runs over all sentence slots with the masks of `mask_zero`. Attention pooling is a dense layer and
    Keras' softmax with a mask.
    """
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
