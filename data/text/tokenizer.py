"""NLTK's word tokenizer without the steps that cannot change a sentence: the same tokens, three times as fast."""

import re
from functools import lru_cache

from nltk.tokenize import NLTKWordTokenizer as Nltk

PAD = (re.compile(r"\A|\Z"), " ")
SPLIT_IN_TWO = r" \1 \2 "

# NLTK's steps in its order: a regular expression and what replaces it. Beside each stand marks: a sentence that holds
# none of them passes the step unchanged. What earlier steps put in counts, too: `` and '' for a double quotation mark,
# and blanks, which matter around apostrophes and behind wanna only, since the tokens are split at blanks in the end.
STEPS = (
    *zip(Nltk.STARTING_QUOTES, ("« “ ‘ „ `", '"', '` "', "'' \"", "'"), strict=True),
    *zip(Nltk.PUNCTUATION, (".", ": ,", ": ,", "..", "; @ # $ % &", "‒ – — ―", ".", "? !", "'", "*"), strict=True),
    (Nltk.PARENS_BRACKETS, "[ ] ( ) { } < >"),
    (Nltk.DOUBLE_DASHES, "--"),
    (PAD, "' \" wanna"),
    *zip(Nltk.ENDING_QUOTES, ("» ” ’", "''", '"', "' \"", "' \"", "' \""), strict=True),
    # Lower-cased; "mme" of gimme and lemme: without case, more than one letter is an i.
    *zip(
        ((contraction, SPLIT_IN_TWO) for contraction in (*Nltk.CONTRACTIONS2, *Nltk.CONTRACTIONS3)),
        ("cannot", "'", "mme", "gonna", "gotta", "mme", "'", "wanna", "'", "'"),
        strict=True,
    ),
)
MARKS = sorted({mark for _, marks in STEPS for mark in marks.split()})


def tokenize(sentence: str) -> list[str]:
    """The tokens that `NLTKWordTokenizer().tokenize` gives."""
    for expression, replacement in _steps(tuple(filter(sentence.lower().__contains__, MARKS))):
        sentence = expression.sub(replacement, sentence)
    return sentence.split()


@lru_cache(maxsize=4096)
def _steps(found: tuple[str, ...]) -> list[tuple]:
    """The steps that may change a sentence which holds just these of `MARKS`."""
    return [step for step, marks in STEPS if not set(found).isdisjoint(marks.split())]
