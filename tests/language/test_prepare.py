"""`python -m language.prepare` creates what trainings share."""

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
    """Runs the command with the given word vectors; returns the folder of the encoded corpora."""

    def call(word_vectors: str) -> Path:
        model = dataclasses.replace(config.model, word_vectors=word_vectors)
        path = tmp_path / "config.yaml"
        path.write_text(write_config(dataclasses.replace(config, model=model)))
        options = ["--data", str(posts), "--runs", str(tmp_path / "runs")]
        monkeypatch.setattr(sys, "argv", ["prepare", str(path), *options])
        prepare.main()
        return tmp_path / "runs" / "cache"

    return call


def test_encodes_the_corpus_and_trains_vectors_once(call, config, posts, monkeypatch):
    def times(folder: Path) -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    cache = call("random")
    (folder,) = cache.iterdir()
    assert not list(folder.glob("skipgram*"))
    call("skipgram")
    corpus = encoding.encode_corpus(config.dataset, posts, config.text, cache)
    assert corpus.folder == folder
    vectors = np.load(folder / f"skipgram-{config.model.embedding_size}.npy")
    assert vectors.shape == (len(corpus.vocabulary), config.model.embedding_size)
    before = times(cache)
    monkeypatch.setattr(encoding, "analyser_pool", None)  # Nothing is encoded again.
    assert times(call("skipgram")) == before


@pytest.mark.parametrize("command", ["prepare", "train", "predict"])
def test_command_lines_do_not_import_tensorflow(command):
    code = f"import sys, language.{command}; print('tensorflow' in sys.modules, 'gensim' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.stdout == "False False\n"
