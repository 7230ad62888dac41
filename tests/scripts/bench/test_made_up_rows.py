import tracemalloc

import pytest

from data.text import yahoo
from data.text.recipe import TextRecipe
from data.text.sentences import TextAnalyser
from scripts.bench.made_up_rows import write_rows

RECIPE = TextRecipe(1000, 100, 0, 0.0, False, False, False, "punkt-untrained", "lexicon", 15, 30, 6)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("rows")
    write_rows(root, {"train.csv": 1000, "test.csv": 100})
    return root


def test_rows_are_read_as_a_dataset(root):
    corpus = yahoo.read(root, RECIPE)
    labels = [document.label for document in corpus.train]
    assert [labels.count(label) for label in range(10)] == [100] * 10
    assert (len(corpus.classes), len(labels), len(list(corpus.test))) == (10, 1000, 100)
    assert labels[:10] != labels[10:20]


def test_rows_have_realistic_length_and_known_words(root):
    analyser = TextAnalyser(RECIPE, root)
    documents = [analyser.analyse(document.text) for document in yahoo.read(root, RECIPE).train]
    assert sum(map(len, documents)) / 1000 == pytest.approx(6.5, abs=0.3)
    words = [word for document in documents for sentence in document for word in sentence]
    assert 80 < len(words) / 1000 < 120
    assert {word.category for word in words} == {1, 2, 3, 4, 5}


def test_rows_are_streamed(tmp_path):
    tracemalloc.start()
    write_rows(tmp_path, {"train.csv": 2000, "test.csv": 10})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / yahoo.FOLDER / "train.csv").stat().st_size > 1_000_000
    assert peak < 500_000
