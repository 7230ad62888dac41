import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.common.errors import UserError
from data.records import Corpus, Document, Documents
from data.text import analysis, encoding
from data.text.encoding import EncodedCorpus, encode_corpus, encode_texts
from data.text.newsgroups import TEST, TRAIN
from data.text.sentences import TextAnalyser

POSTS = {
    "a.x/1": "The dog barks. The dog sleeps.",
    "a.x/2": "...",
    "b.x/3": "The cat sleeps",
    "b.x/10": "Dog - dog, the\n\n\n???\n\nup",
}
TEST_POSTS = {"b.x/20": "The bird! The bird! Sleeps bird", "a.x/21": "***"}
LEXICON = "dog\tNN\ncat\tNN\nbarks\tVBZ\nsleeps\tVBZ\n"
PARTS = ("ids", "labels", "words", "categories")


class InThisProcess:
    """Replaces the pool of worker processes, which take a second to start."""

    def __init__(self, workers, context, initializer, arguments):
        initializer(*arguments)

    def submit(self, function, *arguments) -> Future:
        future = Future()
        future.set_result(function(*arguments))
        return future

    def shutdown(self, cancel_futures: bool) -> None:
        pass


@pytest.fixture(autouse=True)
def _in_this_process(request, monkeypatch):
    monkeypatch.setattr(analysis, "_end_with_the_caller", lambda: None)  # Must not watch this process.
    if "worker_processes" not in request.fixturenames:
        monkeypatch.setattr(analysis, "ProcessPoolExecutor", InThisProcess)


@pytest.fixture
def worker_processes() -> None:
    """Requests real worker processes."""


@pytest.fixture
def recipe(recipe):
    return replace(recipe, max_sentences=3, max_words=4)


@pytest.fixture
def root(write_posts) -> Path:
    root = write_posts(POSTS, TEST_POSTS)
    (root / "lexicon.tsv").write_text(LEXICON)
    return root


@pytest.fixture
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs") / "cache"


def assert_equal(one: EncodedCorpus, other: EncodedCorpus) -> None:
    assert (one.classes, one.vocabulary) == (other.classes, other.vocabulary)
    for split in ("train", "test"):
        for part in PARTS:
            first, second = (getattr(getattr(corpus, split), part) for corpus in (one, other))
            assert first.dtype == second.dtype
            np.testing.assert_array_equal(first, second)


# --- what the arrays hold ---------------------------------------------------------------------------------------------


def test_a_corpus_worked_by_hand(root, recipe, cache):
    corpus = encode_corpus("20news", root, recipe, cache)
    assert corpus.classes == ("a.x", "b.x")
    # the 4, dog 4, sleeps 2, barks 1, cat 1, up 1: by decreasing frequency, then by first occurrence.
    assert corpus.vocabulary == ("", "<unk>", "the", "dog", "sleeps", "barks", "cat", "up")
    assert corpus.train.ids.tolist() == ["a.x/1", "a.x/2", "b.x/3", "b.x/10"]
    assert corpus.train.labels.tolist() == [0, 0, 1, 1]
    empty = [0, 0, 0, 0]
    assert corpus.train.words.tolist() == [
        [[2, 3, 5, 0], [2, 3, 4, 0], empty],
        [empty, empty, empty],
        [[2, 6, 4, 0], empty, empty],
        [[3, 3, 2, 0], [7, 0, 0, 0], empty],
    ]
    noun, verb, other = 1, 2, 5
    assert corpus.train.categories.tolist() == [
        [[other, noun, verb, 0], [other, noun, verb, 0], empty],
        [empty, empty, empty],
        [[other, noun, verb, 0], empty, empty],
        [[other, noun, other, 0], [other, 0, 0, 0], empty],
    ]
    assert corpus.test.ids.tolist() == ["a.x/21", "b.x/20"]
    assert corpus.test.words[1].tolist() == [[2, 1, 0, 0], [2, 1, 0, 0], [4, 1, 0, 0]]
    assert (len(corpus.train), len(corpus.test)) == (4, 2)
    for split in (corpus.train, corpus.test):
        assert isinstance(split.words, np.memmap) and isinstance(split.categories, np.memmap)
        assert (split.words.dtype, split.categories.dtype) == (np.uint16, np.int8)
    rare = encode_corpus("20news", root, replace(recipe, min_count=2), cache)
    assert rare.vocabulary == ("", "<unk>", "the", "dog", "sleeps")
    assert rare.train.words[2, 0].tolist() == [2, 1, 4, 0]
    assert rare.train.categories[2, 0].tolist() == [other, noun, verb, 0]


@pytest.mark.parametrize(("distinct", "dtype"), [(65_534, np.uint16), (65_535, np.int32)])
def test_large_vocabularies_have_wider_ids(write_posts, recipe, cache, distinct, dtype):
    text = " ".join(f"w{number}" for number in range(distinct))
    root = write_posts({"a.x/1": text}, {"a.x/2": f"w{distinct - 1} w0"})
    (root / "lexicon.tsv").write_text(LEXICON)
    recipe = replace(recipe, train_documents=1, test_documents=1, max_sentences=1, max_words=distinct)
    corpus = encode_corpus("20news", root, recipe, cache)
    assert corpus.train.words.dtype == corpus.test.words.dtype == dtype
    np.testing.assert_array_equal(corpus.train.words[0, 0], np.arange(2, distinct + 2))
    assert corpus.test.words[0, 0, :3].tolist() == [distinct + 1, 2, 0]


def test_a_training_split_without_words_has_no_vocabulary(write_posts, recipe, cache):
    root = write_posts(dict.fromkeys(POSTS, "..."), TEST_POSTS)
    (root / "lexicon.tsv").write_text(LEXICON)
    corpus = encode_corpus("20news", root, recipe, cache)
    assert corpus.vocabulary == ("", "<unk>")
    assert set(corpus.test.words.ravel()) == {0, 1}


def test_yahoo_is_encoded(recipe, tmp_path, cache):
    folder = tmp_path / "yahoo_answers_csv"
    folder.mkdir()
    (tmp_path / "lexicon.tsv").write_text(LEXICON)
    (folder / "classes.txt").write_text("Pets\nCars\n")
    (folder / "train.csv").write_text('"1","The dog","barks",""\n"2","The","",""\n"1","cat","",""\n"2","up","",""\n')
    (folder / "test.csv").write_text('"2","dog","",""\n"1","","",""\n')
    corpus = encode_corpus("yahoo-mini", tmp_path, recipe, cache)
    assert corpus.classes == ("Pets", "Cars")
    assert corpus.train.ids.tolist() == ["1", "2", "3", "4"]
    assert corpus.train.words[0].tolist() == [[2, 3, 0, 0], [4, 0, 0, 0], [0, 0, 0, 0]]
    assert corpus.test.labels.tolist() == [1, 0]
    assert encode_corpus("yahoo-half", tmp_path, recipe, cache).folder != corpus.folder


def test_texts_are_encoded_like_the_corpus(root, recipe, cache):
    corpus = encode_corpus("20news", root, recipe, cache)
    analyser = TextAnalyser(recipe, root)
    words, categories = encode_texts(POSTS.values(), corpus.vocabulary, analyser, recipe)
    assert (words.dtype, categories.dtype) == (np.int32, np.int8)
    np.testing.assert_array_equal(words, corpus.train.words)
    np.testing.assert_array_equal(categories, corpus.train.categories)
    words, _ = encode_texts(["A bird barks", ""], corpus.vocabulary, analyser, recipe)
    assert words[:, 0].tolist() == [[1, 1, 5, 0], [0, 0, 0, 0]]
    assert encode_texts([], corpus.vocabulary, analyser, recipe)[0].shape == (0, 3, 4)


# --- holding out ------------------------------------------------------------------------------------------------------


def test_a_holdout_is_the_last_of_each_class(write_posts, recipe, cache):
    numbers = {"a.x": (1, 2, 3, 40), "b.x": (100, 7, 8, 9, 11, 10)}
    root = write_posts({f"{group}/{n}": f"w{n}" for group in numbers for n in numbers[group]}, TEST_POSTS)
    (root / "lexicon.tsv").write_text(LEXICON)
    corpus = encode_corpus("20news", root, replace(recipe, train_documents=10, holdout=0.34), cache)
    assert corpus.train.ids.tolist() == ["a.x/1", "a.x/2", "a.x/3", "b.x/7", "b.x/8", "b.x/9", "b.x/10"]
    assert corpus.test.ids.tolist() == ["a.x/40", "b.x/11", "b.x/100"]
    assert corpus.test.labels.tolist() == [0, 1, 1]
    assert corpus.vocabulary[2:] == ("w1", "w2", "w3", "w7", "w8", "w9", "w10")


def test_a_holdout_reads_no_test_post(root, recipe, cache):
    for path in (root / TEST).glob("*/*"):
        path.unlink()
        path.mkdir()
    assert len(encode_corpus("20news", root, replace(recipe, holdout=0.5), cache).test) == 2
    with pytest.raises(IsADirectoryError):
        encode_corpus("20news", root, recipe, cache)


@pytest.mark.parametrize(("holdout", "held_out"), [(0.1, 0), (0.9, 4)])
def test_a_holdout_of_none_or_all_is_refused(root, recipe, cache, holdout, held_out):
    with pytest.raises(UserError, match=f"^text.holdout is {holdout}: holds out {held_out} of 4 documents"):
        encode_corpus("20news", root, replace(recipe, holdout=holdout), cache)


# --- the cache --------------------------------------------------------------------------------------------------------


def test_a_second_call_only_opens_the_cache(root, recipe, cache, monkeypatch, tmp_path_factory):
    first = encode_corpus("20news", root, recipe, cache)
    assert first.folder.stat().st_mode & 0o777 == 0o755
    monkeypatch.setattr(encoding, "TextAnalyser", None)
    monkeypatch.setattr(encoding.newsgroups, "read", None)
    moved = shutil.copytree(root, tmp_path_factory.mktemp("moved") / "datasets")
    for folder in (root, moved):
        second = encode_corpus("20news", folder, recipe, cache)
        assert second.folder == first.folder
        assert_equal(first, second)


def test_the_cache_key_is_stable(root, recipe, cache, monkeypatch):
    """Existing caches stay valid."""
    monkeypatch.setattr(encoding, "version", lambda package: "3.9.1")
    for path in root.rglob("*"):
        os.utime(path, (1, 1))
    assert encode_corpus("20news", root, recipe, cache).folder.name == "20news-88f8913b092473e0"


def test_two_processes_may_encode_at_once(root, recipe, cache, monkeypatch):
    write_last, others = encoding._write_test, []

    def overtaken(*arguments):
        write_last(*arguments)
        monkeypatch.setattr(encoding, "_write_test", write_last)
        others.append(encode_corpus("20news", root, recipe, cache))

    monkeypatch.setattr(encoding, "_write_test", overtaken)
    slower = encode_corpus("20news", root, recipe, cache)
    assert slower.folder == others[0].folder
    assert_equal(slower, others[0])
    assert [path.name for path in cache.iterdir()] == [slower.folder.name]


def edit_post(root: Path) -> None:
    (root / TRAIN / "a.x/1").write_text("more than there was, dogs and dogs and dogs")


def touch_post(root: Path) -> None:
    os.utime(root / TEST / "a.x/21", (1, 1))


def rename_group(root: Path) -> None:
    for split in (TRAIN, TEST):
        (root / split / "a.x").rename(root / split / "a.y")


def move_post(root: Path) -> None:
    (root / TRAIN / "a.x/2").rename(root / TRAIN / "b.x/2")


def edit_lexicon(root: Path) -> None:
    (root / "lexicon.tsv").write_text(LEXICON.replace("cat\tNN", "cat\tJJ"))


@pytest.mark.parametrize("change", [edit_post, touch_post, rename_group, move_post, edit_lexicon])
def test_other_files_have_another_cache(root, recipe, cache, change):
    folder = encode_corpus("20news", root, recipe, cache).folder
    change(root)
    assert encode_corpus("20news", root, recipe, cache).folder != folder


@pytest.mark.parametrize(
    "change",
    [
        {"sample_seed": 1},
        {"holdout": 0.5},
        {"strip_headers": True},
        {"strip_footers": True},
        {"strip_quotes": True},
        {"max_sentences": 4},
        {"max_words": 5},
        {"min_count": 2},
        {},
    ],
)
def test_another_recipe_or_nltk_has_another_cache(root, recipe, cache, monkeypatch, change):
    folder = encode_corpus("20news", root, recipe, cache).folder
    if not change:
        monkeypatch.setattr(encoding, "version", lambda package: "1.0")
    assert encode_corpus("20news", root, replace(recipe, **change), cache).folder != folder


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_nothing(root, recipe, cache, monkeypatch, error):
    def interrupted(*arguments) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(encoding, "_write_test", interrupted)
        with pytest.raises(error):
            encode_corpus("20news", root, recipe, cache)
    assert list(cache.iterdir()) == []
    assert len(encode_corpus("20news", root, recipe, cache).test) == 2
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("found", [2, 4])
def test_documents_that_change_between_passes_are_noticed(root, recipe, cache, monkeypatch, found):
    changing = Documents(3, lambda: (Document(str(number), 0, "dog") for number in range(found)))
    monkeypatch.setattr(encoding.newsgroups, "read", lambda *arguments: Corpus(("a.x",), train=changing, test=changing))
    with pytest.raises(UserError, match=f"^train documents: read {found} instead of 3; "):
        encode_corpus("20news", root, recipe, cache)
    assert list(cache.iterdir()) == []


def test_a_missing_data_set_or_lexicon_leaves_no_cache(root, recipe, cache):
    with pytest.raises(UserError, match="yahoo_answers_csv"):
        encode_corpus("yahoo-half", root, recipe, cache)
    (root / "lexicon.tsv").unlink()
    with pytest.raises(UserError, match="no such lexicon"):
        encode_corpus("20news", root, recipe, cache)
    assert not cache.exists()


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [(OSError(28, "No space left on device"), OSError, ""), (BrokenProcessPool(), UserError, "worker process")],
)
def test_a_full_disk_or_killed_worker_leaves_no_cache(root, recipe, cache, monkeypatch, error, raised, message):
    def submit(self, function, *arguments):
        raise error

    monkeypatch.setattr(InThisProcess, "submit", submit)
    with pytest.raises(raised, match=message) as caught:
        encode_corpus("20news", root, recipe, cache)
    assert f"{cache}/20news-" in str(caught.value)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["corpus.json", *(f"{split}.{part}.npy" for split in ("train", "test") for part in PARTS)]
)
def test_a_damaged_cache_gets_one_line(root, recipe, cache, name):
    path = encode_corpus("20news", root, recipe, cache).folder / name
    whole = path.read_bytes()
    others = [whole[:-1]] if name.endswith(".npy") else [b"", b"{}", b"[]"]
    for damaged in (whole[: len(whole) // 2], *others, None):
        path.unlink() if damaged is None else path.write_bytes(damaged)
        with pytest.raises(UserError) as error:
            encode_corpus("20news", root, recipe, cache)
        assert str(error.value).startswith(f"{path}: ")
        assert "remove this cache folder" in str(error.value)


# --- worker processes -------------------------------------------------------------------------------------------------


def test_the_number_of_workers_changes_nothing(root, recipe, tmp_path_factory, monkeypatch, worker_processes):
    monkeypatch.setattr(analysis, "CHUNK", 1)  # The first chunk takes the longest.
    (root / TRAIN / "a.x/1").write_text("The dog barks. The dog sleeps. " * 2000)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    two_workers = encode_corpus("20news", root, recipe, tmp_path_factory.mktemp("cache"))
    assert two_workers.train.ids.tolist() == ["a.x/1", "a.x/2", "b.x/3", "b.x/10"]
    monkeypatch.setattr(analysis, "ProcessPoolExecutor", InThisProcess)
    monkeypatch.setattr(analysis, "CHUNK", 64)
    assert_equal(two_workers, encode_corpus("20news", root, recipe, tmp_path_factory.mktemp("cache")))


def test_workers_ignore_interrupts_and_end_with_their_caller(root):
    code = """
import sys, time
from pathlib import Path
from data.text.analysis import analysed_chunks, analyser_pool
from data.text.recipe import TextRecipe
from data.records import Document, Documents
recipe = TextRecipe(1, 1, 0, 0.0, False, False, False, "punkt-untrained", "lexicon", 3, 4, 1)
pool = analyser_pool(recipe, Path(sys.argv[1]))
next(analysed_chunks(Documents(1, lambda: iter([Document("1", 0, "dog")])), recipe, pool, ""))
print(*pool._processes, flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", code, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as caller:
        status = Path("/proc") / caller.stdout.readline().strip() / "status"
        blocked = int(re.search(r"SigBlk:\s*(\w+)", status.read_text())[1], 16)
        assert blocked & 1 << signal.SIGINT - 1
        caller.kill()
    deadline = time.monotonic() + 10
    while is_running(status) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(status)


def is_running(status: Path) -> bool:
    try:
        return "State:\tZ" not in status.read_text()  # Z: has ended.
    except OSError:
        return False
