"""From a config to a network, and from a run folder back to the network that was trained in it."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from data.config import read_config
from data.errors import UserError
from data.files import read_text
from data.runs import RunFolder
from language.config import Config
from language.han import HAN


def build_model(config: Config, vocabulary_size: int, classes: int) -> HAN:
    """The network of a config, with its weights made from Keras' global seed."""
    sizes = config.model
    model = HAN(
        vocabulary_size=vocabulary_size,
        classes=classes,
        embedding_size=sizes.embedding_size,
        lstm_units=sizes.lstm_units,
        attention_size=sizes.attention_size,
        d_k=sizes.d_k if sizes.focused_attention else None,
    )
    model(np.ones((1, config.text.max_sentences, config.text.max_words), np.int32))  # Makes the variables.
    return model


def save_names(run: RunFolder, vocabulary: tuple[str, ...], classes: tuple[str, ...]) -> None:
    """Keeps with the run what its weights are meaningless without."""
    (run.path / "vocabulary.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    (run.path / "classes.txt").write_text("\n".join(classes), encoding="utf-8")


class TrainedRun:
    """A finished run's config, names and network.

    Raises:
        UserError: the run is not finished, or its files are missing, damaged or of another network.
    """

    def __init__(self, folder: Path):
        self.run = RunFolder(folder)
        self.run.require_finished()
        self.config = read_config(Config, self.run.config_path)
        remedy = "remove the run folder and train again"
        self.vocabulary = tuple(read_text(folder / "vocabulary.txt", "vocabulary", remedy).split("\n"))
        self.classes = tuple(read_text(folder / "classes.txt", "list of classes", remedy).split("\n"))
        self.model = build_model(self.config, len(self.vocabulary), len(self.classes))
        self._restore(remedy)

    def _restore(self, remedy: str) -> None:
        path = tf.train.latest_checkpoint(str(self.run.checkpoints))
        if path is None:
            raise UserError(f"{self.run.checkpoints}: holds no checkpoint; {remedy}")
        try:
            status = tf.train.Checkpoint(model=self.model).restore(path)
            status.assert_existing_objects_matched().expect_partial()
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(f"{path}: not a checkpoint of this run's config ({reason}); {remedy}") from None
