"""From a text to sentences of words with lexical categories, by NLTK."""

import re
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import nltk
from nltk.tag import PerceptronTagger, UnigramTagger
from nltk.tokenize import NLTKWordTokenizer as Nltk
from nltk.tokenize.punkt import PunktSentenceTokenizer, PunktTokenizer

from data.common.errors import UserError
from data.common.files import read_text
from data.text.recipe import TextRecipe
from data.text.tagger import BatchTagger

# Lexical categories; 0 is padding. The paper's pairs (section 3.2) are between the next four.
CATEGORIES = ("", "noun", "verb", "adjective", "adverb", "other")
OTHER = CATEGORIES.index("other")
CATEGORY_OF_TAG_PREFIX = {"NN": 1, "VB": 2, "JJ": 3, "RB": 4}

LEXICON = "lexicon.tsv"

# The perceptron looks two words ahead, so a sentence is tagged up to two words beyond its cut.
TAGGER_LOOKAHEAD = 2
NLTK_DAMAGE = (LookupError, OSError, ValueError, AttributeError, TypeError)  # Raised by NLTK for damaged data.
BLANK_LINES = re.compile(r"\n\s*\n")


class Word(NamedTuple):
    """A lower-cased word and the index of its lexical category in `CATEGORIES`."""

    text: str
    category: int


class _Sentence(NamedTuple):
    """The tokens of a sentence that its tags depend on, and the positions of its words among them."""

    tokens: list[str]
    positions: list[int]


class TextAnalyser:
    """Splits texts into at most `max_sentences` sentences of at most `max_words` words.

    Words are the tokens with a letter or a digit; sentences without words are dropped; a sentence ends at a blank line.
    Words are tagged before they are lower-cased: lower-casing first would change a tenth of the categories.

    Args:
        recipe: tokenizer, tagger and limits.
        root: data folder; its `nltk_data/` is searched first, and it contains the miniature's lexicon.

    Raises:
        UserError: NLTK's data or the lexicon are missing or damaged.
    """

    def __init__(self, recipe: TextRecipe, root: Path):
        self._recipe = recipe
        local = str((root / "nltk_data").resolve())
        if local not in nltk.data.path:
            nltk.data.path.insert(0, local)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # NLTK warns about data that it refuses; so does the message below.
                self._punkt = _trained_punkt() if recipe.sentences == "punkt" else PunktSentenceTokenizer()
                self._tagger = _perceptron() if recipe.tagger == "perceptron" else _lexicon(root / LEXICON)
        except NLTK_DAMAGE:
            raise UserError(
                f"{local}: NLTK's punkt_tab or averaged_perceptron_tagger_eng is missing, damaged, or writable by "
                "others, which NLTK refuses (fix with chmod -R go-w); get them with: "
                f"scripts/get_data.sh nltk --data {root}"
            ) from None

    def analyse(self, text: str) -> list[list[Word]]:
        """Sentences of a text, each with at least one word; an empty list for a text without words."""
        return self.analyse_many([text])[0]

    def analyse_many(self, texts: list[str]) -> list[list[list[Word]]]:
        """`analyse` for each text, but faster: the sentences of all texts are tagged together."""
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
    found = map(tagged.__getitem__, positions)
    return [Word(token.lower(), CATEGORY_OF_TAG_PREFIX.get((tag or "")[:2], OTHER)) for token, tag in found]


# --- sentence splitter and taggers ------------------------------------------------------------------------------------


def _trained_punkt() -> PunktTokenizer:
    """NLTK's English sentence tokenizer. It also loads if its tables are empty, so one abbreviation is tested."""
    punkt = PunktTokenizer("english")
    if len(punkt.tokenize("Mr. Smith came.")) > 1:
        raise LookupError("punkt_tab knows no abbreviation")
    return punkt


def _perceptron() -> BatchTagger:
    """NLTK's tagger. Its tables also load if they are empty, so a word that is in none of them is tested."""
    tagger = BatchTagger(PerceptronTagger())
    if tagger.tag_sents([["glorpily"]]) != [[("glorpily", "RB")]]:
        raise LookupError("the tagger does not recognise an adverb by its ending")
    return tagger


def _lexicon(path: Path) -> UnigramTagger:
    """A tagger that tags words by the `word<TAB>tag` lines of a file, and other words not at all."""
    remedy = f"write the miniature with: python -m data.mini --out {path.parent}"
    pairs = [line.split("\t") for line in read_text(path, "lexicon", remedy).splitlines()]
    for number, pair in enumerate(pairs, start=1):
        if len(pair) != 2:
            raise UserError(f"{path}: line {number} must be word<TAB>tag; {remedy}")
    if not pairs:
        raise UserError(f"{path}: contains no words; {remedy}")
    return UnigramTagger(model=dict(pairs))


# --- words: NLTK's word tokenizer without the steps that cannot change a sentence, three times as fast ----------------

PAD = (re.compile(r"\A|\Z"), " ")
SPLIT_IN_TWO = r" \1 \2 "

# NLTK's steps in its order, each a regular expression with its replacement, and the marks of the step: it leaves a
# sentence without any of them unchanged. This includes what earlier steps insert: `` and '' for a double quotation
# mark, and blanks, which only matter next to apostrophes and after wanna, because tokens are split at blanks at last.
STEPS = (
    *zip(Nltk.STARTING_QUOTES, ("« “ ‘ „ `", '"', '` "', "'' \"", "'"), strict=True),
    *zip(Nltk.PUNCTUATION, (".", ": ,", ": ,", "..", "; @ # $ % &", "‒ – — ―", ".", "? !", "'", "*"), strict=True),
    (Nltk.PARENS_BRACKETS, "[ ] ( ) { } < >"),
    (Nltk.DOUBLE_DASHES, "--"),
    (PAD, "' \" wanna"),
    *zip(Nltk.ENDING_QUOTES, ("» ” ’", "''", '"', "' \"", "' \"", "' \""), strict=True),
    # Marks are lower case. "mme" is for gimme and lemme: ignoring case, several letters match i.
    *zip(
        ((contraction, SPLIT_IN_TWO) for contraction in (*Nltk.CONTRACTIONS2, *Nltk.CONTRACTIONS3)),
        ("cannot", "'", "mme", "gonna", "gotta", "mme", "'", "wanna", "'", "'"),
        strict=True,
    ),
)
MARKS = sorted({mark for _, marks in STEPS for mark in marks.split()})


def tokenize(sentence: str) -> list[str]:
    """The tokens of `NLTKWordTokenizer().tokenize`.

    >>> tokenize("They don't cost $3.88.")
    ['They', 'do', "n't", 'cost', '$', '3.88', '.']
    """
    for expression, replacement in _steps(tuple(filter(sentence.lower().__contains__, MARKS))):
        sentence = expression.sub(replacement, sentence)
    return sentence.split()


@lru_cache(maxsize=4096)
def _steps(found: tuple[str, ...]) -> list[tuple]:
    """The steps that may change a sentence that contains exactly these `MARKS`."""
    return [step for step, marks in STEPS if not set(found).isdisjoint(marks.split())]
