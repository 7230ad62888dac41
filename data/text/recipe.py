"""The text recipe: all settings that determine the encoded documents; a section of the language configs."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TextRecipe:
    """Which documents are read and how they are split into words.

    Args:
        train_documents: size of the training split: drawn from Yahoo Answers, verified for 20 Newsgroups.
        test_documents: size of the test split, verified.
        sample_seed: seed of the draw from Yahoo Answers.
        holdout: fraction of the training documents, the last of each class, that replaces the test split, which is then
            not read. For choosing settings; 0 for results.
        strip_headers, strip_footers, strip_quotes: which parts of a newsgroup post to remove.
        sentences: NLTK's English Punkt model, or the untrained one, which needs no data file.
        tagger: NLTK's perceptron tagger, or a unigram tagger that reads `lexicon.tsv` in the data folder.
        max_sentences, max_words: limits per document and per sentence (paper, appendix B: 15 and 30).
        min_count: rarer words of the training text become the unknown word (HAN keeps those seen more than 5 times).
    """

    train_documents: int
    test_documents: int
    sample_seed: int
    holdout: float
    strip_headers: bool
    strip_footers: bool
    strip_quotes: bool
    sentences: Literal["punkt", "punkt-untrained"]
    tagger: Literal["perceptron", "lexicon"]
    max_sentences: int
    max_words: int
    min_count: int

    def __post_init__(self) -> None:
        for name in ("train_documents", "test_documents", "max_sentences", "max_words", "min_count"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.sample_seed < 0:
            raise ValueError(f"sample_seed is {self.sample_seed}; it must be at least 0")
        if not 0 <= self.holdout < 1:
            raise ValueError(f"holdout is {self.holdout}; it must be at least 0 and below 1")
