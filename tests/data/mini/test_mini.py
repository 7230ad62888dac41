import csv
import json
import re
import shutil
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random

import nltk
import pytest
from nltk.tag import UnigramTagger
from nltk.tokenize import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktSentenceTokenizer

from data.common.errors import UserError, run_command
from data.mini import __main__ as mini
from data.mini.__main__ import DOCUMENTS, IMAGES, MIT67, PIECES, STAMP, VISUAL_GENOME, write_miniature
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

# What version 1 writes with seed 0, on every machine and Python. Other bytes need another `mini.VERSION`.
VERSION = 1
CHECKSUMS = {
    "VOCdevkit": "d520dab24b4ca09e2efe9d82863403dae69c2e6ee8ddd5ce4dce4a0fdd9035d2",
    "coco": "5f486cc06023adfd452876d9c2383d3aba4bace4e428ac2c64475aadeeb48a85",
    "visual_genome": "b06165990568dda2321fc506670936f0e6c1a55959f27449b56bea4d1a72a477",
    "mit67": "8cd132da4198644bf0e0e6a90da638ab170ac77df0650aeecc1ad12673dbdf8b",
    "20news-bydate-train": "5b830f9f5c7058fe1eef2b3a350310305347082416bd4d239b4f1fce1f89f581",
    "20news-bydate-test": "a2ae368face1864a83a7de1ee0ad947d140a9fd5bf00f6e75075b95a1867237b",
    "yahoo_answers_csv": "fbdc09e258cbd004282b11bbb9d89fe650da1c823bacb76c7c6cc36698037b56",
    "lexicon.tsv": "11e499f9b3af601beeb6caf1c9c01dfcf9e7f9ec4a5b4ae307753264cedf47f2",
}


@pytest.fixture(scope="module")
def miniature(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("data") / "mini"
    write_miniature(out, seed=0)
    return out


@pytest.fixture
def tiny(monkeypatch) -> None:
    """Lets the miniature be a few bytes, for the tests of how it is put in place."""

    def write(names: tuple[str, ...], folder: Path, seed: int) -> None:
        for name in names:
            (folder / name).mkdir(parents=True)
            (folder / name / "file").write_text(f"{name} {seed}")

    def write_tiny_documents(folder: Path, seed: int) -> None:
        write(DOCUMENTS[:-1], folder, seed)
        (folder / DOCUMENTS[-1]).write_text(f"{seed}")

    monkeypatch.setattr(mini, "write_images", partial(write, IMAGES))
    monkeypatch.setattr(mini, "write_visual_genome", partial(write, (VISUAL_GENOME,)))
    monkeypatch.setattr(mini, "write_mit67", partial(write, (MIT67,)))
    monkeypatch.setattr(mini, "write_documents", write_tiny_documents)


def posts(miniature: Path) -> list[str]:
    return [path.read_bytes().decode("latin-1") for path in sorted(miniature.glob("20news-*/*/*"))]


def rows(miniature: Path, name: str) -> list[list[str]]:
    with (miniature / "yahoo_answers_csv" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def read_lexicon(miniature: Path) -> dict[str, str]:
    lines = (miniature / "lexicon.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


def fields(miniature: Path, name: str) -> list[str]:
    """The texts of all rows, without what stands for line breaks."""
    return [re.sub(r"\\n|<br />|&#xd;", " ", field) for row in rows(miniature, name) for field in row[1:]]


# Formats.


def test_newsgroups_have_the_official_groups_with_30_and_20_posts(miniature):
    train, test = miniature / "20news-bydate-train", miniature / "20news-bydate-test"

    assert {path.name: len(list(path.iterdir())) for path in train.iterdir()} == dict.fromkeys(GROUPS, 30)
    assert {path.name: len(list(path.iterdir())) for path in test.iterdir()} == dict.fromkeys(GROUPS, 20)
    assert len(GROUPS) == 20 and "comp.os.ms-windows.misc" in GROUPS
    assert all(path.name.isdigit() for path in miniature.glob("20news-*/*/*"))


def test_posts_have_headers_and_some_a_quotation_and_a_signature(miniature):
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


def test_yahoo_has_200_and_40_rows_of_each_class_in_mixed_order(miniature):
    labels = [int(row[0]) for row in rows(miniature, "train.csv")]
    classes = (miniature / "yahoo_answers_csv/classes.txt").read_text(encoding="utf-8").splitlines()

    assert Counter(labels) == dict.fromkeys(range(1, 11), 200)
    assert Counter(int(row[0]) for row in rows(miniature, "test.csv")) == dict.fromkeys(range(1, 11), 40)
    assert set(labels[:50]) > set(range(1, 6))
    assert classes == list(YAHOO_CLASSES) and len(classes) == 10


def test_yahoo_fields_are_quoted_and_hold_what_a_reader_must_cope_with(miniature):
    lines = (miniature / "yahoo_answers_csv/train.csv").read_text(encoding="utf-8").splitlines()
    parsed = rows(miniature, "train.csv")

    assert len(lines) == len(parsed) and all(len(row) == 4 for row in parsed)
    assert all(re.fullmatch(r'"\d+"(,"(?:[^"]|"")*"){3}', line) for line in lines)
    for awkward in ('""maybe""', r"\n", "<br />", "&#xd;", "Łódź", "naïve"):
        assert sum(awkward in line for line in lines) > 10, awkward
    assert all(title for _, title, _, _ in parsed)
    assert 0.25 < sum(not question for _, _, question, _ in parsed) / len(parsed) < 0.45
    assert sum(not answer for _, _, _, answer in parsed) > 10


# The language.


def test_every_word_with_a_letter_is_in_the_lexicon(miniature):
    split, tokenize = PunktSentenceTokenizer().tokenize, NLTKWordTokenizer().tokenize
    texts = posts(miniature) + fields(miniature, "test.csv")
    words = {word for text in texts for sentence in split(text) for word in tokenize(sentence)}
    words = {word for word in words if any(map(str.isalpha, word))}

    assert len(words) > 290
    assert words - set(read_lexicon(miniature)) == set()


def test_every_word_has_one_tag():
    known = lexicon()

    for table in (FUNCTION_WORDS, SPELT_WORDS):
        assert all(known[word] == tag for tag, words in table.items() for word in words)
    for tag, (kind, ending) in FORMS.items():
        assert all(known[word + ending] == tag for circle in CIRCLES for word in circle[kind])


def test_nltk_tags_a_sentence_from_the_lexicon_and_splits_paragraphs_without_data_files(miniature, monkeypatch):
    def refuse(name: str, *_):
        raise AssertionError(f"NLTK asked for its data file {name}")

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


def test_sentences_of_posts_and_answers_split_at_their_ends(miniature):
    paragraphs = [part for post in posts(miniature) for part in post.split("\n\n")[1:]]
    paragraphs = [part for part in paragraphs if not part.startswith(("In article", "-- "))]
    texts = paragraphs + fields(miniature, "test.csv")
    sentences = [sentence for text in texts for sentence in PunktSentenceTokenizer().tokenize(text)]

    assert len(sentences) > 7_000
    assert all(re.fullmatch(r"[A-Z][^.?!]*[.?!]", sentence) for sentence in sentences)


def test_every_circle_serves_each_kind_of_word_once_in_a_topic():
    topic = draw_topic(Random(0))

    for kind in ("NN", "VB", "JJ", "RB"):
        assert sorted(scene[kind] for scene in topic) == [0, 1, 2, 3, 4]


def test_every_content_word_comes_in_every_group(miniature):
    words = {word for circle in CIRCLES for kind in circle for word in circle[kind]}

    for group in GROUPS:
        text = " ".join(path.read_bytes().decode("latin-1") for path in miniature.glob(f"20news-*/{group}/*"))
        written = set(re.findall(r"\w+", text.lower()))
        stems = written | {word.removesuffix("s") for word in written} | {word.removesuffix("ed") for word in written}
        assert words <= stems, group


# What is there already.


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(miniature, tmp_path):
    write_documents(tmp_path / "same", seed=0)
    write_documents(tmp_path / "other", seed=1)
    written = contents(miniature)
    stamp = json.loads(written.pop(STAMP))
    written = {path: content for path, content in written.items() if path.startswith(DOCUMENTS)}

    assert contents(tmp_path / "same") == written
    assert contents(tmp_path / "other").keys() == written.keys()
    assert contents(tmp_path / "other") != written
    assert stamp == {"version": VERSION, "seed": 0, **CHECKSUMS}


def test_a_second_call_writes_nothing(tiny, tmp_path):
    assert write_miniature(tmp_path, seed=0) is True
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    assert write_miniature(tmp_path, seed=0) is False
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_another_seed_or_version_replaces_the_pieces_and_keeps_other_files(tiny, tmp_path, monkeypatch):
    write_miniature(tmp_path, seed=0)
    (tmp_path / "notes.txt").write_text("mine")

    assert write_miniature(tmp_path, seed=1) is True
    assert (tmp_path / "lexicon.tsv").read_text() == "1"
    monkeypatch.setattr(mini, "VERSION", 2)
    assert write_miniature(tmp_path, seed=1) is True
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*PIECES, STAMP, "notes.txt"])


@pytest.mark.parametrize("new", [IMAGES, (VISUAL_GENOME, MIT67)])
def test_a_miniature_from_before_there_were_some_pieces_gains_them_and_keeps_the_others(tiny, tmp_path, new):
    write_miniature(tmp_path, seed=0)
    stamp = json.loads((tmp_path / STAMP).read_text())
    for name in new:
        shutil.rmtree(tmp_path / name)
        stamp.pop(name)
    (tmp_path / STAMP).write_text(json.dumps(stamp))
    before = {name: (tmp_path / name).stat().st_ino for name in PIECES if name not in new}

    assert write_miniature(tmp_path, seed=0) is True
    assert {path.name for path in tmp_path.iterdir()} == {*PIECES, STAMP}
    assert {name: (tmp_path / name).stat().st_ino for name in before} == before


def test_a_missing_piece_is_written_again(tiny, tmp_path):
    write_miniature(tmp_path, seed=0)
    (tmp_path / "lexicon.tsv").unlink()

    assert write_miniature(tmp_path, seed=0) is True
    assert (tmp_path / "lexicon.tsv").read_text() == "0"


@pytest.mark.parametrize("moves", range(2 * len(PIECES)))
def test_after_an_interruption_at_any_move_the_same_command_finishes(tiny, tmp_path, monkeypatch, moves):
    write_miniature(tmp_path, seed=0)
    rename, made = Path.rename, []

    def interrupted(path: Path, target: Path):
        if len(made) == moves:
            raise KeyboardInterrupt
        made.append(target)
        return rename(path, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", interrupted)
        write_miniature(tmp_path, seed=1)
    write_miniature(tmp_path, seed=1)

    assert {path.name for path in tmp_path.iterdir()} == {*PIECES, STAMP}
    assert (tmp_path / "20news-bydate-test/file").read_text() == "20news-bydate-test 1"
    assert (tmp_path / "lexicon.tsv").read_text() == "1"


@pytest.mark.parametrize("change", ["edit", "add", "remove"])
def test_a_piece_that_was_changed_is_refused_and_kept(tiny, tmp_path, change):
    write_miniature(tmp_path, seed=0)
    folder = tmp_path / "yahoo_answers_csv"
    if change == "edit":
        (folder / "file").write_text("cut")
    elif change == "add":
        (folder / "notes.txt").write_text("mine")
    else:
        (folder / "file").unlink()
    before = contents(tmp_path)

    for seed in (0, 1):
        with pytest.raises(UserError, match="yahoo_answers_csv: not as this command wrote it"):
            write_miniature(tmp_path, seed)
    assert contents(tmp_path) == before


def test_real_data_in_the_folder_is_refused_and_kept(tmp_path):
    (tmp_path / "yahoo_answers_csv").mkdir()
    (tmp_path / "yahoo_answers_csv/train.csv").write_text("real")

    with pytest.raises(UserError, match="yahoo_answers_csv: not as this command wrote it"):
        write_miniature(tmp_path, seed=0)
    assert contents(tmp_path) == {"yahoo_answers_csv/train.csv": b"real"}


@pytest.mark.parametrize(("stamp", "says"), [("[]", "not the stamp"), ("{", "not valid JSON")])
def test_a_malformed_stamp_is_one_line(tmp_path, stamp, says):
    (tmp_path / STAMP).write_text(stamp)

    with pytest.raises(UserError, match=f"mini.json: .*{says}"):
        write_miniature(tmp_path, seed=0)


# The command.


def test_the_command_says_what_it_did(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mini", "--out", str(tmp_path), "--seed", "3"])
    run_command(mini.main)
    run_command(mini.main)

    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{tmp_path}: miniature data sets of seed 3 written"
    assert second == f"{tmp_path}: miniature data sets of seed 3 are there already"


def test_a_file_in_the_place_of_the_folder_is_one_line(tiny, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["mini", "--out", str(tmp_path / "file")])

    with pytest.raises(SystemExit) as stop:
        run_command(mini.main)
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'file'}: File exists; give another --out\n"
