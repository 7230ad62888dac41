"""The config of one experiment on documents; each file of `configs/` is complete."""

import math
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from data.text.encoding import READERS
from data.text.recipe import TextRecipe

Mode = Literal["matrix", "row"]
Penalty = Literal["focal", "l2", "smooth_l1"]
Rule = Literal["semantic", "different_category", "same_category", "different_word"]


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the network (paper, appendix B and figure 5).

    Args:
        embedding_size: size of the word vectors.
        word_vectors: initial word vectors: "random", "skipgram" (trained on the training text) or the path of a file in
            GloVe's or word2vec's text format.
        lstm_units: units of each direction of both BiLSTMs.
        attention_size: size of word and sentence attention.
        focused_attention: whether FAN is used next to the word attention.
        d_k: size of FAN's projections.
    """

    embedding_size: int
    word_vectors: str
    lstm_units: int
    attention_size: int
    focused_attention: bool
    d_k: int

    def __post_init__(self) -> None:
        for name in ("embedding_size", "lstm_units", "attention_size", "d_k"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")


@dataclass(frozen=True)
class RelationLossConfig:
    """The center-mass loss.

    Args:
        weight: λ of L = L_cls + λ L_rel (eq. 7); with 0 the loss is measured but not trained on.
        rule: which pairs of words are targets (appendix A.4), see `language.targets`.
        mode, penalty, gamma: see `language.center_mass`.
    """

    weight: float
    rule: Rule
    mode: Mode
    penalty: Penalty
    gamma: float

    def __post_init__(self) -> None:
        for name in ("weight", "gamma"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be a number of at least 0")


@dataclass(frozen=True)
class TrainingConfig:
    """The schedule: Adam with a constant learning rate."""

    epochs: int
    batch_size: int
    learning_rate: float

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be a number above 0")


@dataclass(frozen=True)
class Config:
    """One experiment; its runs are in `<preset>/<dataset>/<variant>/`.

    Args:
        preset: sizes of data and network.
        dataset: a key of `data.text.encoding.READERS`.
        variant: name of the experiment, a plain file name. Its prefix must fit the settings: "hatt" has no FAN,
            "fan-sup" trains on the relation loss, all others have FAN and no relation loss.
        text, model, relation_loss, training: the settings.
    """

    preset: Literal["paper", "mini"]
    dataset: str
    variant: str
    text: TextRecipe
    model: ModelConfig
    relation_loss: RelationLossConfig
    training: TrainingConfig

    def __post_init__(self) -> None:
        if self.dataset not in READERS:
            raise ValueError(f"dataset is {self.dataset!r}; it must be one of {', '.join(READERS)}")
        if not self.variant or PurePath(self.variant).name != self.variant or self.variant.startswith("."):
            raise ValueError(f"variant is {self.variant!r}; it must be a plain file name such as fan-sup")
        if self.model.focused_attention == self.variant.startswith("hatt"):
            raise ValueError(
                f"model.focused_attention is {self.model.focused_attention} in variant {self.variant}; "
                "it must be false if the name starts with hatt, else true"
            )
        if (self.relation_loss.weight > 0) != self.variant.startswith("fan-sup"):
            raise ValueError(
                f"relation_loss.weight is {self.relation_loss.weight} in variant {self.variant}; "
                "it must be above 0 if the name starts with fan-sup, else 0"
            )
