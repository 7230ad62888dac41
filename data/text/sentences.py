"""From a text to sentences of words with lexical categories, by NLTK."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nltk
from nltk.tag import PerceptronTagger, UnigramTagger
from nltk.tokenize.punkt import PunktSentenceTokenizer, PunktTokenizer

from data.common.errors import UserError
from data.common.files import read_text
from data.text.recipe import TextRecipe
from data.text.tagger import BatchTagger
from data.text.tokenizer import tokenize

# Lexical categories; 0 is padding. The first four are those of the paper's pairs (section 3.2).
CATEGORIES = ("", "noun", "verb", "adjective", "adverb", "other")
OTHER = CATEGORIES.index("other")
CATEGORY_OF_TAG_PREFIX = {"NN": 1, "VB": 2, "JJ": 3, "RB": 4}

LEXICON = "lexicon.tsv"

# The perceptron looks two words ahead, so a sentence need not be tagged further than that beyond its cut.
TAGGER_LOOKAHEAD = 2
NLTK_DAMAGE = (LookupError, OSError, ValueError, AttributeError, TypeError)  # What NLTK raises on its own data.
BLANK_LINES = re.compile(r"\n\s*\n")


class Word(NamedTuple):
    """A lower-cased word and the index of its lexical category in `CATEGORIES`."""

    text: str
    category: int


class _Sentence(NamedTuple):
    """The tokens of a sentence that its tags depend on, and which of them are its words."""

    tokens: list[str]
    positions: list[int]


class TextAnalyser:
    """Cuts texts into at most `max_sentences` sentences of at most `max_words` words.

    Words are the tokens that hold a letter or a digit; sentences without one are left out; a sentence does not run
    across a blank line. Categories are those of the cased words in their sentence: lower-casing first would change
    a tenth of them.

    Args:
        recipe: which tokenizer and tagger, and where to cut.
        root: data folder; its `nltk_data/` is searched first, and the miniature's lexicon lies there.

    Raises:
        UserError: NLTK's data or the lexicon are absent or damaged.
    """

    def __init__(self, recipe: TextRecipe, root: Path):
        self._recipe = recipe
        local = str((root / "nltk_data").resolve())
        if local not in nltk.data.path:
            nltk.data.path.insert(0, local)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # NLTK warns of what it refuses; the line below says that, too.
                self._punkt = _trained_punkt() if recipe.sentences == "punkt" else PunktSentenceTokenizer()
                self._tagger = _perceptron() if recipe.tagger == "perceptron" else _lexicon(root / LEXICON)
        except NLTK_DAMAGE:
            raise UserError(
                f"{local}: NLTK's punkt_tab or averaged_perceptron_tagger_eng is missing, damaged, or may be written "
                "to by others, which NLTK refuses (chmod -R go-w mends that); get them with: "
                f"scripts/get_data.sh nltk --data {root}"
            ) from None

    def analyse(self, text: str) -> list[list[Word]]:
        """Sentences of a text, each with at least one word; an empty list where the text has no word."""
        return self.analyse_many([text])[0]

    def analyse_many(self, texts: list[str]) -> list[list[list[Word]]]:
        """What `analyse` gives for each text, sooner: the sentences of all texts are tagged at once."""
        documents = [self._cut(text) for text in texts]
        tagged = iter(self._tagger.tag_sents([sentence.tokens for document in documents for sentence in document]))
        return [[_words(next(tagged), sentence.positions) for sentence in document] for document in documents]

    def _cut(self, text: str) -> list[_Sentence]:
        sentences: list[_Sentence] = []
        for sentence in self._sentences(text):
            tokens = tokenize(sentence)
            positions = [position for position, token in enumerate(tokens) if any(map(str.isalnum, token))]
            if positions := positions[: self._recipe.max_words]:
                sentences.append(_Sentence(tokens[: positions[-1] + 1 + TAGGER_LOOKAHEAD], positions))
            if len(sentences) == self._recipe.max_sentences:
                break
        return sentences

    def _sentences(self, text: str) -> Iterator[str]:
        for paragraph in BLANK_LINES.split(text):
            for start, end in self._punkt.span_tokenize(paragraph):
                yield paragraph[start:end]


def _words(tagged: list[tuple[str, str | None]], positions: list[int]) -> list[Word]:
    return [Word(token.lower(), _category(tag)) for token, tag in map(tagged.__getitem__, positions)]


def _category(tag: str | None) -> int:
    return CATEGORY_OF_TAG_PREFIX.get((tag or "")[:2], OTHER)


def _trained_punkt() -> PunktTokenizer:
    """NLTK's English sentence tokenizer. It also loads where its tables are empty, so one abbreviation is tried."""
    punkt = PunktTokenizer("english")
    if len(punkt.tokenize("Mr. Smith came.")) > 1:
        raise LookupError("punkt_tab knows no abbreviation")
    return punkt


def _perceptron() -> BatchTagger:
    """NLTK's tagger. Its tables also load where they are empty, so a word that none of them holds is tried."""
    tagger = BatchTagger(PerceptronTagger())
    if tagger.tag_sents([["glorpily"]]) != [[("glorpily", "RB")]]:
        raise LookupError("the tagger does not know an adverb by its ending")
    return tagger


def _lexicon(path: Path) -> UnigramTagger:
    """A tagger that gives each word of the file's `word<TAB>tag` lines its tag, and other words none."""
    remedy = f"write the miniature with: python -m data.mini --out {path.parent}"
    pairs = [line.split("\t") for line in read_text(path, "lexicon", remedy).splitlines()]
    for number, pair in enumerate(pairs, start=1):
        if len(pair) != 2:
            raise UserError(f"{path}: line {number} is not word<TAB>tag; {remedy}")
    if not pairs:
        raise UserError(f"{path}: holds no word; {remedy}")
    return UnigramTagger(model=dict(pairs))
