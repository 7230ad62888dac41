"""Builds the network of a config, saves what its weights depend on, and restores a network from a run folder."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from data.common.config import read_config
from data.common.errors import UserError
from data.common.files import read_arrays, read_text, write_arrays, write_text
from data.common.runs import RunFolder
from data.text.encoding import UNKNOWN_WORD, EncodedCorpus
from language.config import Config
from language.han import HAN

TRAIN_AGAIN = "remove the run folder and train again"

# TensorFlow's errors for checkpoints that are damaged, truncated (IndexError) or of another network.
UNUSABLE = (AssertionError, IndexError, ValueError, tf.errors.OpError)


def build_model(config: Config, vocabulary_size: int, classes: int) -> HAN:
    """The network of a config, with initial weights from Keras' global seed."""
    sizes = config.model
    model = HAN(
        vocabulary_size=vocabulary_size,
        classes=classes,
        embedding_size=sizes.embedding_size,
        lstm_units=sizes.lstm_units,
        attention_size=sizes.attention_size,
        d_k=sizes.d_k if sizes.focused_attention else None,
    )
    model(np.ones((1, config.text.max_sentences, config.text.max_words), np.int32))  # Creates the variables.
    return model


def keep_inputs(run: RunFolder, corpus: EncodedCorpus) -> None:
    """Saves vocabulary and classes, which the weights depend on, and the ids of the training documents."""
    write_text(run.path / "vocabulary.txt", "\n".join(corpus.vocabulary))
    write_text(run.path / "classes.txt", "\n".join(corpus.classes))
    write_arrays(run.path / "train_documents.npz", ids=corpus.train.ids, labels=corpus.train.labels)


def require_same_inputs(run: RunFolder, corpus: EncodedCorpus) -> None:
    """Raises a `UserError` if an interrupted run was started on other documents."""
    vocabulary, classes = read_names(run)
    path = run.path / "train_documents.npz"
    kept = read_arrays(path, ["ids", "labels"], "list of training documents", TRAIN_AGAIN)
    same_documents = all(map(np.array_equal, kept.values(), (corpus.train.ids, corpus.train.labels)))
    if (vocabulary, classes) != (corpus.vocabulary, corpus.classes) or not same_documents:
        raise UserError(f"{run.path}: was started on other documents; give the same --data, or another --runs folder")


def read_names(run: RunFolder) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Vocabulary and classes of a run."""
    path = run.path / "vocabulary.txt"
    vocabulary = tuple(read_text(path, "vocabulary", TRAIN_AGAIN).split("\n"))
    if vocabulary[:2] != ("", UNKNOWN_WORD):
        raise UserError(f"{path}: damaged, must start with an empty line and {UNKNOWN_WORD}; {TRAIN_AGAIN}")
    classes = read_text(run.path / "classes.txt", "list of classes", TRAIN_AGAIN)
    return vocabulary, tuple(classes.split("\n"))


def has_checkpoint(run: RunFolder) -> bool:
    """Whether there is a checkpoint to resume from.

    Raises:
        UserError: a checkpoint was written but is missing or damaged.
    """
    if _newest_checkpoint(run):
        return True
    if any(run.checkpoints.glob("ckpt-*")) or len(run.epochs()) > 1:
        raise UserError(f"{run.checkpoints}: the checkpoint of its last epoch is missing or incomplete; {TRAIN_AGAIN}")
    return False


def restore(checkpoint: tf.train.Checkpoint, run: RunFolder) -> None:
    """Restores the newest checkpoint of a run into all objects of `checkpoint`.

    Raises:
        UserError: there is none, or it is damaged or incomplete.
    """
    path = _newest_checkpoint(run)
    if path is None:
        raise UserError(f"{run.checkpoints}: no checkpoint; {TRAIN_AGAIN}")
    try:
        checkpoint.restore(path).assert_existing_objects_matched().expect_partial()
    except UNUSABLE as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: damaged, or not a checkpoint of this config ({reason}); {TRAIN_AGAIN}") from None


def _newest_checkpoint(run: RunFolder) -> str | None:
    tf.get_logger().setLevel("CRITICAL")  # It logs a hundred lines about a damaged checkpoint.
    try:
        return tf.train.latest_checkpoint(str(run.checkpoints))
    except ValueError as error:
        raise UserError(f"{run.checkpoints}/checkpoint: damaged ({error}); {TRAIN_AGAIN}") from None


class TrainedRun:
    """A finished run's config, names and network.

    Raises:
        UserError: the run is not finished, or a file is missing, damaged or of another network.
    """

    def __init__(self, folder: Path):
        self.run = RunFolder(folder)
        self.run.require_finished()
        self.config = read_config(Config, self.run.config_path)
        self.vocabulary, self.classes = read_names(self.run)
        self.model = build_model(self.config, len(self.vocabulary), len(self.classes))
        restore(tf.train.Checkpoint(model=self.model), self.run)
