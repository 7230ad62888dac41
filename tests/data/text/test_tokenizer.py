import random

import pytest
from nltk.tokenize import NLTKWordTokenizer

from data.text.sentences import MARKS, tokenize

nltk_tokenize = NLTKWordTokenizer().tokenize

CONTRACTIONS = ["cannot", "D'ye", "Gimme", "gonna", "gotta", "Lemme", "more'n", "wanna", "'tis", "'Twas"]
CLITICS = ["don't", "can't", "I'LL", "we've", "she's", "they'd", "o'", "''s"]
BLANKS = [" ", " ", " ", "  ", "\n", "\t", "\x1c", "\xa0", "\u2028"]
OTHERS = ["a", "Dog", "3", ".5", "é", "\\", "-", "|", "~", "_", "İ", "S."]
PIECES = [*MARKS, *CONTRACTIONS, *CLITICS, *OTHERS, *BLANKS, *BLANKS]


@pytest.mark.parametrize(
    ("sentence", "tokens"),
    [
        ("Good muffins cost $3.88, don't they?", "Good muffins cost $ 3.88 , do n't they ?"),
        ("\"Well,\" he said: 'so'... (etc.)", "`` Well , '' he said : ' so ' ... ( etc . )"),
        ("I cannot -- GIMME it; you wanna", "I can not -- GIM ME it ; you wan na"),
        ("“Yes” ‘no’ «oui»—x", "“ Yes ” ‘ no ’ « oui » — x"),
        (" \n ", ""),
        ("", ""),
    ],
)
def test_tokens_of_a_sentence(sentence, tokens):
    assert " ".join(tokenize(sentence)) == tokens


@pytest.mark.parametrize("mark", [*MARKS, *CONTRACTIONS, *CLITICS, "gİmme", "gımme", "ſo wanna K"])
def test_marks_act_in_any_position_as_in_nltk(mark):
    forms = ("_", "_a", "a_", "a _", "_ a", "a _ b", "a_b", "a _b", "a_ b", "a_\nb")
    sentences = [form.replace("_", mark) for form in forms]
    sentences += [sentence.upper() for sentence in sentences]
    assert list(map(tokenize, sentences)) == list(map(nltk_tokenize, sentences))


def test_random_mixtures_give_the_tokens_of_nltk():
    draw = random.Random(0)
    for _ in range(4000):
        sentence = "".join(draw.choices(PIECES, k=draw.randint(1, 12)))
        assert tokenize(sentence) == nltk_tokenize(sentence), repr(sentence)


def test_real_posts_give_the_tokens_of_nltk(real_posts):
    paragraphs = [paragraph for post in real_posts for paragraph in post.split("\n\n")]
    assert len(paragraphs) > 1000
    for paragraph in paragraphs:
        assert tokenize(paragraph) == nltk_tokenize(paragraph), repr(paragraph)
