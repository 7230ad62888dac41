"""The miniature documents: format, grammar and lexicon."""

import csv
import re
from collections import Counter
from pathlib import Path
from random import Random

import nltk
import pytest
from nltk.tag import UnigramTagger
from nltk.tokenize import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktSentenceTokenizer

from data.mini.documents import GROUPS, YAHOO_CLASSES, write_documents
from data.mini.text import (
    CIRCLES,
    FORMS,
    FUNCTION_WORDS,
    QUESTIONS,
    REMARKS,
    SPELT_WORDS,
    STATEMENTS,
    draw_sentence,
    draw_topic,
    lexicon,
)


@pytest.fixture(scope="module")
def miniature(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("mini")
    write_documents(out, seed=0)
    return out


def posts(miniature: Path) -> list[str]:
    return [path.read_bytes().decode("latin-1") for path in sorted(miniature.glob("20news-*/*/*"))]


def rows(miniature: Path, name: str) -> list[list[str]]:
    with (miniature / "yahoo_answers_csv" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


def fields(miniature: Path, name: str) -> list[str]:
    """Returns the texts of all rows with spaces instead of line breaks."""
    return [re.sub(r"\\n|<br />|&#xd;", " ", field) for row in rows(miniature, name) for field in row[1:]]


def read_lexicon(miniature: Path) -> dict[str, str]:
    lines = (miniature / "lexicon.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


# Formats.


def test_newsgroups_have_30_and_20_posts_per_group(miniature):
    assert len(GROUPS) == 20
    for split, count in (("train", 30), ("test", 20)):
        folder = miniature / f"20news-bydate-{split}"
        assert {path.name: len(list(path.iterdir())) for path in folder.iterdir()} == dict.fromkeys(GROUPS, count)
    assert all(path.name.isdigit() for path in miniature.glob("20news-*/*/*"))


def test_posts_have_headers_and_some_quotations_and_signatures(miniature):
    texts = posts(miniature)
    headers = [dict(line.split(": ", 1) for line in text.split("\n\n")[0].split("\n")) for text in texts]
    bodies = [text.partition("\n\n")[2] for text in texts]
    quoting = [body for body in bodies if re.match(r"In article <\S+> \S+ \(.+\) writes:\n> ", body)]
    signed = [body for body in bodies if "\n\n-- \n" in body]

    assert all(list(header) == ["From", "Subject", "Organization", "Lines"] for header in headers)
    assert [int(header["Lines"]) for header in headers] == [body.count("\n") for body in bodies]
    assert 0.3 < len(quoting) / len(texts) < 0.5
    assert 0.4 < len(signed) / len(texts) < 0.6
    assert any(not text.isascii() for text in texts)


def test_yahoo_has_200_and_40_rows_per_class_in_mixed_order(miniature):
    labels = [int(row[0]) for row in rows(miniature, "train.csv")]
    classes = (miniature / "yahoo_answers_csv/classes.txt").read_text(encoding="utf-8").splitlines()

    assert Counter(labels) == dict.fromkeys(range(1, 11), 200)
    assert Counter(int(row[0]) for row in rows(miniature, "test.csv")) == dict.fromkeys(range(1, 11), 40)
    assert set(labels[:50]) > set(range(1, 6))
    assert classes == list(YAHOO_CLASSES) and len(classes) == 10


def test_yahoo_fields_are_as_difficult_as_the_official_ones(miniature):
    lines = (miniature / "yahoo_answers_csv/train.csv").read_text(encoding="utf-8").splitlines()
    parsed = rows(miniature, "train.csv")

    assert len(lines) == len(parsed) and all(len(row) == 4 for row in parsed)
    assert all(re.fullmatch(r'"\d+"(,"(?:[^"]|"")*"){3}', line) for line in lines)
    for difficult in ('""maybe""', r"\n", "<br />", "&#xd;", "Łódź", "naïve"):
        assert sum(difficult in line for line in lines) > 10, difficult
    assert all(title for _, title, _, _ in parsed)
    assert 0.25 < sum(not question for _, _, question, _ in parsed) / len(parsed) < 0.45
    assert sum(not answer for _, _, _, answer in parsed) > 10


# Words and sentences.


def test_lexicon_has_one_tag_for_every_word(miniature):
    split, tokenize = PunktSentenceTokenizer().tokenize, NLTKWordTokenizer().tokenize
    texts = posts(miniature) + fields(miniature, "test.csv")
    words = {word for text in texts for sentence in split(text) for word in tokenize(sentence)}
    words = {word for word in words if any(map(str.isalpha, word))}
    known = lexicon()

    assert len(words) > 290
    assert words <= set(read_lexicon(miniature))
    for table in (FUNCTION_WORDS, SPELT_WORDS):
        assert all(known[word] == tag for tag, listed in table.items() for word in listed)
    for tag, (kind, ending) in FORMS.items():
        assert all(known[word + ending] == tag for circle in CIRCLES for word in circle[kind])


def test_nltk_splits_and_tags_sentences_without_data_files(miniature, monkeypatch):
    def refuse(name: str, *_):
        raise AssertionError(f"NLTK requested its data file {name}")

    monkeypatch.setattr(nltk.data, "find", refuse)
    monkeypatch.setattr(nltk.data, "load", refuse)
    sentence = "As far as I know, the truly lunar engines kicked my café."
    tags = [tag for _, tag in UnigramTagger(model=read_lexicon(miniature)).tag(NLTKWordTokenizer().tokenize(sentence))]
    expected = ["IN", "JJ", "IN", "PRP", "VBP", None, "DT", "RB", "JJ", "NNS", "VBD", "PRP$", "NN", None]
    generator = Random(0)
    topic = draw_topic(generator)
    sentences = [draw_sentence(STATEMENTS + QUESTIONS + REMARKS, topic, generator) for _ in range(500)]

    assert tags == expected
    assert PunktSentenceTokenizer().tokenize(" ".join(sentences)) == sentences


def test_topics_use_every_circle_once_and_every_content_word(miniature):
    topic = draw_topic(Random(0))
    words = {word for circle in CIRCLES for kind in circle for word in circle[kind]}

    for kind in ("NN", "VB", "JJ", "RB"):
        assert sorted(scene[kind] for scene in topic) == [0, 1, 2, 3, 4]
    for group in GROUPS:
        text = " ".join(path.read_bytes().decode("latin-1") for path in miniature.glob(f"20news-*/{group}/*"))
        written = set(re.findall(r"\w+", text.lower()))
        stems = written | {word.removesuffix("s") for word in written} | {word.removesuffix("ed") for word in written}
        assert words <= stems, group
