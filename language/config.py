"""The config of one documents experiment; each file of `configs/` holds all of it."""

import math
from dataclasses import dataclass
from typing import Literal

from data.text.recipe import TextRecipe

Mode = Literal["matrix", "row"]
Penalty = Literal["focal", "l2", "smooth_l1"]
Rule = Literal["semantic", "different_category", "same_category", "different_word"]
Variant = Literal[
    "hatt",
    "fan-unsup",
    "fan-sup",
    "fan-sup-different-category",
    "fan-sup-same-category",
    "fan-sup-different-word",
]


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the network (paper, appendix B and figure 5).

    Args:
        embedding_size: size of the word vectors.
        word_vectors: what they start from: "random", "skipgram" (trained on the training text) or a file of vectors in
            GloVe's or word2vec's text format.
        lstm_units: of each direction of both BiLSTMs.
        attention_size: of word and sentence attention.
        focused_attention: whether FAN stands beside the word attention.
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
        weight: λ of L = L_cls + λ L_rel (eq. 7); with 0 the loss is measured and not trained on.
        rule: which pairs of words are targets (appendix A.4).
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
                raise ValueError(f"{name} is {getattr(self, name)}; it must be a number, not below 0")


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
    """One experiment; its runs lie in `<preset>/<dataset>/<variant>/`."""

    preset: Literal["paper", "mini"]
    dataset: Literal["20news", "yahoo-mini", "yahoo-half"]
    variant: Variant
    text: TextRecipe
    model: ModelConfig
    relation_loss: RelationLossConfig
    training: TrainingConfig

    def __post_init__(self) -> None:
        if self.model.focused_attention != (self.variant != "hatt"):
            raise ValueError(
                f"model.focused_attention is {self.model.focused_attention} and variant {self.variant}; "
                "it must be false for hatt and true for all others"
            )
        if (self.relation_loss.weight > 0) != self.variant.startswith("fan-sup"):
            raise ValueError(
                f"relation_loss.weight is {self.relation_loss.weight} and variant {self.variant}; "
                "it must be above 0 for the variants of fan-sup and 0 for the others"
            )
