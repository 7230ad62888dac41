"""The text recipe: every choice that determines the encoded documents, a section of the language configs."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TextRecipe:
    """What is read and how it is cut into words.

    Args:
        train_documents: size of the training split; the draw's size for Yahoo Answers, checked for 20 Newsgroups.
        test_documents: size of the test split; checked.
        sample_seed: seed of Yahoo's draw.
        holdout: last fraction of each class' training documents that takes the place of the test split, which is then
            not read at all. For choices; 0 for results.
        strip_headers, strip_footers, strip_quotes: what to leave out of a newsgroup post.
        sentences: NLTK's English Punkt model, or the untrained one, which needs no data file.
        tagger: NLTK's perceptron tagger, or a unigram tagger over the data set's own `lexicon.tsv`.
        max_sentences, max_words: what a document and a sentence are cut at (paper, appendix B: 15 and 30).
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
            raise ValueError(f"sample_seed is {self.sample_seed}; it must not be negative")
        if not 0 <= self.holdout < 1:
            raise ValueError(f"holdout is {self.holdout}; it is a fraction, at least 0 and below 1")
