"""What trainings share is made by one command, before them."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.common.config import write_config
from data.text import encoding
from language import prepare


@pytest.fixture
def call(tmp_path, posts, config, monkeypatch):
    """Runs `python -m language.prepare` with the word vectors given; returns the folder of the encoded corpora."""

    def call(word_vectors: str) -> Path:
        model = dataclasses.replace(config.model, word_vectors=word_vectors)
        path = tmp_path / "config.yaml"
        path.write_text(write_config(dataclasses.replace(config, model=model)))
        options = ["--data", str(posts), "--runs", str(tmp_path / "runs")]
        monkeypatch.setattr(sys, "argv", ["prepare", str(path), *options])
        prepare.main()
        return tmp_path / "runs" / "cache"

    return call


def test_it_encodes_the_data_set_where_trainings_look_for_it_and_trains_skip_gram_vectors(call, config, posts, capsys):
    cache = call("skipgram")
    (folder,) = cache.iterdir()
    assert capsys.readouterr().out == f"{folder}: 60 documents to train on and 20 to test are encoded\n"
    corpus = encoding.encode_corpus(config.dataset, posts, config.text, cache)
    assert corpus.folder == folder
    vectors = np.load(folder / f"skipgram-{config.model.embedding_size}.npy")
    assert vectors.shape == (len(corpus.vocabulary), config.model.embedding_size)


def test_what_is_there_is_left_as_it_is(call, monkeypatch):
    def times(folder: Path) -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    before = times(call("skipgram"))
    monkeypatch.setattr(encoding, "analyser_pool", None)  # Nothing is to be encoded.
    assert times(call("skipgram")) == before


def test_random_vectors_are_left_to_each_training(call):
    assert not list(call("random").rglob("skipgram*"))


def test_it_waits_for_no_tensorflow():
    code = "import sys, language.prepare; print('tensorflow' in sys.modules, 'gensim' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.stdout == "False False\n"
