import random

import nltk
import pytest
from nltk.tag import PerceptronTagger

from data.text import tagger
from data.text.tagger import BatchTagger

TRAINING = [
    [("The", "DT"), ("dog", "NN"), ("barks", "VBZ"), (".", ".")],
    [("A", "DT"), ("loud", "JJ"), ("dog", "NN"), ("slept", "VBD"), ("in", "IN"), ("1993", "CD"), (".", ".")],
    [("Dogs", "NNS"), ("bark", "VBP"), ("loudly", "RB")],
    [("Bark", "VB"), ("!", ".")],
]

SENTENCES = """\
The quick brown fox jumps over the lazy dog
And now for something completely different
They refuse to permit us to obtain the refuse permit
John 's big idea is n't all that bad .
Please book a well-known hotel near -START- in 1993 , 93 or 1993-94 for $ 5.50 !
read
The
-""".splitlines()
ODD_WORDS = """
-START- -START2- -END- -END2- -start- - -- --- -x x- a-b 1-2 ! $ `` '' 1 12 1993 19930 1993a 3.5 ½ ² ٣٤٥٦ é É İ ß ǅ 漢字
e\u0301 !YEAR !DIGITS !HYPHEN !hyphen NN NNP bias of Of OF that to ing g ly"""
ODD_TOKENS = ["", "\x1f", "a b", *ODD_WORDS.split()]


def tagged_by_nltk(nltk_tagger: PerceptronTagger, sentences: list[list[str]]) -> list[list[tuple[str, str]]]:
    return [nltk_tagger.tag(sentence) for sentence in sentences]


def random_sentences(tokens: list[str], count: int) -> list[list[str]]:
    draw = random.Random(0)
    return [draw.choices(tokens, k=draw.choice([0, 1, 1, 2, 3, 8, 30])) for _ in range(count)]


@pytest.fixture(scope="module")
def small_tagger() -> PerceptronTagger:
    """Trained on a few words: it needs no data file, and many of its choices are ties."""
    nltk_tagger = PerceptronTagger(load=False)
    nltk_tagger.train([list(sentence) for sentence in TRAINING])
    nltk_tagger.tagdict["the"] = "DT"
    return nltk_tagger


@pytest.fixture(scope="module")
def real_tagger(shared) -> PerceptronTagger:
    nltk.data.path.insert(0, str(shared / "nltk_data"))
    yield PerceptronTagger()
    nltk.data.path.pop(0)


def test_a_small_model_tags_as_in_nltk(small_tagger):
    known = [word for sentence in TRAINING for word, _ in sentence]
    sentences = random_sentences([*known * 3, "the", *ODD_TOKENS], 300)
    assert BatchTagger(small_tagger).tag_sents(sentences) == tagged_by_nltk(small_tagger, sentences)


def test_a_small_cache_of_words_changes_no_tag(small_tagger, monkeypatch):
    sentences = random_sentences(["dog", "Dogs", "the", "loudly", "barks"], 20)
    monkeypatch.setattr(tagger, "WORDS_KEPT", 2)
    forgetful = BatchTagger(small_tagger)
    assert forgetful.tag_sents(sentences) == tagged_by_nltk(small_tagger, sentences)
    assert forgetful.tag_sents(sentences) == tagged_by_nltk(small_tagger, sentences)


def test_empty_sentences(small_tagger):
    batch_tagger = BatchTagger(small_tagger)
    assert batch_tagger.tag_sents([]) == []
    assert batch_tagger.tag_sents([[]]) == [[]]
    assert batch_tagger.tag_sents([[], ["the"], []]) == [[], [("the", "DT")], []]


@pytest.mark.parametrize(
    ("bias", "word", "chosen"),
    [
        ({"A": 0.3, "B": 0.1}, {"B": 0.2}, "B"),  # 0.1 + 0.2 > 0.3 in floating point.
        ({"A": 0.1, "B": 0.3}, {"A": 0.2}, "A"),
        ({"A": 0.5, "B": 0.25}, {"B": 0.25}, "B"),  # Exact sums: the last in the alphabet.
        ({"A": 0.301, "B": 0.1}, {"B": 0.2}, "A"),
    ],
)
def test_ties_are_resolved_as_in_nltk(bias, word, chosen):
    weights = {"bias": bias, "i word x": word, "i-1 tag A": {"C": 1.0}, "i-1 tag B": {"D": 1.0}}
    nltk_tagger = PerceptronTagger.decode_json_obj((weights, {}, ["A", "B", "C", "D"]))
    following = {"A": "C", "B": "D"}[chosen]
    assert nltk_tagger.tag(["x", "y"]) == [("x", chosen), ("y", following)]
    sentences = [["y"], ["x", "y"], ["y", "y", "y"]]
    assert BatchTagger(nltk_tagger).tag_sents(sentences) == tagged_by_nltk(nltk_tagger, sentences)


def test_unknown_tags_are_refused():
    with pytest.raises(LookupError):
        BatchTagger(PerceptronTagger.decode_json_obj(({"bias": {"A": 1.0}}, {}, [])))


def test_random_tokens_are_tagged_as_in_nltk(real_tagger):
    draw = random.Random(1)
    alphabet = "aeinrstlyEST19-.'é"
    invented = ["".join(draw.choices(alphabet, k=draw.randint(1, 7))) for _ in range(200)]
    common = [word for sentence in SENTENCES for word in sentence.split()]
    sentences = random_sentences([*invented, *ODD_TOKENS, *common], 400)
    sentences += [sentence.split() for sentence in SENTENCES]
    assert BatchTagger(real_tagger).tag_sents(sentences) == tagged_by_nltk(real_tagger, sentences)


def test_real_posts_are_tagged_as_in_nltk(real_tagger, real_posts):
    sentences = [paragraph.split() for post in real_posts for paragraph in post[:2000].split("\n\n")]
    assert sum(map(len, sentences)) > 40_000
    assert BatchTagger(real_tagger).tag_sents(sentences) == tagged_by_nltk(real_tagger, sentences)
