"""Predictions of a trained network for a test set and for single texts."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from data.common.errors import UserError
from data.common.files import write_arrays
from data.text.encoding import EncodedDocuments, encode_corpus, encode_texts
from data.text.sentences import TextAnalyser, Word
from language.checkpoint import TrainedRun
from language.config import Config, RelationLossConfig
from language.criterion import document_center_mass
from language.han import Attention
from language.packed.han import Forward, quickest_forward

BATCH = 256

# words [B, S, W], categories [B, S, W] -> the fields of `Predictions`
PredictStep = Callable[[np.ndarray, np.ndarray], list[tf.Tensor]]


class Predictions(NamedTuple):
    """Predictions for D documents.

    Args:
        probabilities: [D, classes].
        center_mass: [D] mean center-mass of a document's sentences with a target pair, NaN if it has none; None in a
            network without FAN.
        uniform: [D] the same for pair weights that are all equal: |T| / N² for a sentence of N words in mode "matrix".
    """

    probabilities: np.ndarray
    center_mass: np.ndarray | None = None
    uniform: np.ndarray | None = None


def make_predict_step(forward: Forward, config: Config) -> PredictStep:
    """Compiles the prediction of a batch."""
    document = tf.TensorSpec((None, config.text.max_sentences, config.text.max_words), tf.int32)

    @tf.function(input_signature=[document, document])
    def predict_batch(words: tf.Tensor, categories: tf.Tensor) -> list[tf.Tensor]:
        logits, attention = forward(words)
        probabilities = tf.nn.softmax(logits)  # [B, classes]
        if attention.relations is None:
            return [probabilities]
        equal = attention._replace(relations=tf.zeros_like(attention.relations))
        masses = [document_center_mass(each, words, categories, config.relation_loss) for each in (attention, equal)]
        return [probabilities, *masses]

    return predict_batch


def predict_documents(step: PredictStep, documents: EncodedDocuments) -> Predictions:
    """Predicts a split batch by batch."""
    outputs = []
    starts = range(0, len(documents), BATCH)
    for start in tqdm(starts, desc="predicting", unit="batch", mininterval=1, leave=False):
        rows = slice(start, start + BATCH)
        words, categories = documents.words[rows].astype(np.int32), documents.categories[rows].astype(np.int32)
        outputs.append([output.numpy() for output in step(words, categories)])
    return Predictions(*(np.concatenate(column) for column in zip(*outputs, strict=True)))


def uniform_center_mass(documents: EncodedDocuments, config: RelationLossConfig) -> np.ndarray:
    """`Predictions.uniform` of documents: it depends on the targets alone and needs no network."""
    masses = []
    for start in range(0, len(documents), BATCH):
        words, categories = (
            tf.constant(array[start : start + BATCH].astype(np.int32))
            for array in (documents.words, documents.categories)
        )  # [B, S, W]
        rows = tf.where(tf.reduce_any(words != 0, axis=-1))  # [R, 2]
        mask = tf.gather_nd(words, rows) != 0  # [R, W]
        weights = tf.zeros([len(mask), mask.shape[1], mask.shape[1]])  # [R, W, W]
        attention = Attention(rows, mask, words=None, sentences=None, relations=weights)
        masses.append(document_center_mass(attention, words, categories, config).numpy())
    return np.concatenate(masses)


def predict_test_set(trained: TrainedRun, data: Path, cache: Path | None = None) -> None:
    """Writes `predictions.npz`, and with FAN `center_mass.npz`, of the test set into the run folder.

    Args:
        trained: the run.
        data: folder of the data sets.
        cache: folder of the encoded data sets; by default `cache/` in the folder of all runs.

    Raises:
        UserError: the data set is missing or differs from the one that the run was trained on.
    """
    run, config = trained.run, trained.config
    corpus = encode_corpus(config.dataset, data, config.text, cache or run.runs / "cache")
    if (corpus.classes, corpus.vocabulary) != (trained.classes, trained.vocabulary):
        raise UserError(f"{data}: {run.path} was trained on other documents; give the --data it was trained with")
    predictions = predict_documents(make_predict_step(quickest_forward(trained.model), config), corpus.test)
    ids, labels = corpus.test.ids, corpus.test.labels
    if predictions.center_mass is not None:
        write_arrays(run.center_mass, ids=ids, center_mass=predictions.center_mass, uniform=predictions.uniform)
    write_arrays(run.predictions, ids=ids, labels=labels, probabilities=predictions.probabilities)
    print(f"{run.predictions}: {len(corpus.test):,} documents")


def predict_text(trained: TrainedRun, text: str, data: Path, with_attention: bool) -> None:
    """Prints the probabilities of a text's classes, most likely first, and optionally its attention weights."""
    analyser = TextAnalyser(trained.config.text, data)
    words, _ = encode_texts([text], trained.vocabulary, analyser, trained.config.text)
    if not words.any():
        print("the text contains no words; every text without words gets these probabilities", file=sys.stderr)
    logits, attention = trained.model(words)
    logits = logits.numpy()[0].astype(np.float64)
    probabilities = np.exp(logits - np.logaddexp.reduce(logits))
    for label in np.argsort(-probabilities):
        print(f"{probabilities[label]:7.2%}  {trained.classes[label]}")
    if with_attention:
        _print_attention(analyser.analyse(text), attention.sentences.numpy()[0], attention.words.numpy())


def _print_attention(sentences: list[list[Word]], sentence_weights: np.ndarray, word_weights: np.ndarray) -> None:
    for number, sentence in enumerate(sentences):
        weighted = (f"{word.text} {weight:.3f}" for word, weight in zip(sentence, word_weights[number], strict=False))
        print(f"\nsentence {number + 1}, weight {sentence_weights[number]:.3f}\n  {'  '.join(weighted)}")


def require_gpus(ids: str | None) -> None:
    """Raises a `UserError` if `--gpus` was given but TensorFlow finds no GPU; it would silently use the CPU."""
    if ids and not tf.config.list_physical_devices("GPU"):
        raise UserError(f"--gpus {ids}: TensorFlow finds no such GPU; omit --gpus to run on the CPU")
