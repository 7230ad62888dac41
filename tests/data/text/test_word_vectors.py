from dataclasses import replace

import numpy as np
import pytest

from data.common.errors import UserError
from data.text.encoding import EncodedCorpus, EncodedDocuments
from data.text.word_vectors import word_vectors

VOCABULARY = ("", "<unk>", "the", "dog", "barks", "café")


@pytest.fixture
def corpus(tmp_path) -> EncodedCorpus:
    words = np.array([[[2, 3, 4], [2, 1, 0]], [[2, 3, 0], [0, 0, 0]], [[5, 3, 4], [0, 0, 0]]] * 20, np.uint16)
    ids = np.array([str(number) for number in range(60)])
    documents = EncodedDocuments(ids, np.zeros(60, np.int32), words, (words > 0).astype(np.int8))
    return EncodedCorpus(tmp_path, ("a", "b"), VOCABULARY, documents, documents)


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "vectors.txt"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


GLOVE = "the 1 2 3\n. . . 7 8 9\ndog -0.5 1e-3 .25\ncat 4 5 6\ncafé 1 1 1\n"


def refusal(corpus: EncodedCorpus, path: str) -> str:
    with pytest.raises(UserError) as error:
        word_vectors(path, corpus, size=3, seed=0)
    return str(error.value)


def test_random_vectors_depend_on_the_seed(corpus):
    vectors = word_vectors("random", corpus, size=50, seed=1)
    assert (vectors.shape, vectors.dtype) == ((6, 50), np.float32)
    assert not vectors[0].any()
    assert 0.04 < np.abs(vectors[1:]).max() <= 0.05
    np.testing.assert_array_equal(word_vectors("random", corpus, size=50, seed=1), vectors)
    assert (word_vectors("random", corpus, size=50, seed=2)[1:] != vectors[1:]).any(axis=1).all()


@pytest.mark.parametrize("header", ["", "5 3\n"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_files_of_glove_and_word2vec_are_read(corpus, write, capsys, header, line_end):
    path = write((header + " 9 9 9\n" + GLOVE).replace("\n", line_end))
    vectors = word_vectors(path, corpus, size=3, seed=0)
    assert (vectors.shape, vectors.dtype) == ((6, 3), np.float32)
    np.testing.assert_array_equal(vectors[[2, 3, 5]], np.array([[1, 2, 3], [-0.5, 1e-3, 0.25], [1, 1, 1]], np.float32))
    random = word_vectors("random", corpus, size=3, seed=0)
    np.testing.assert_array_equal(vectors[[1, 4]], random[[1, 4]])  # Words that are not in the file.
    assert not vectors[0].any()
    assert "3 of 5 words" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("the 1 2 3\ndog 1 2\n", "line 2 "),
        ("the 1 2 3\n\n", "line 2 "),
        ("2 2\nthe 1 2\n", "line 2 "),
        ("the 1 2 3 4\n", "no vector"),
        ("a 1 2 3\n", "no vector"),
        ("", "no vector"),
        ("the 1 2 x\n", "line 1: "),
        ("dog 1 2 3\nthe 1 nan 3\n", "line 2: "),
        ("the 1 1e99 3\n", "line 1: "),
    ],
)
def test_unusable_files_are_refused(corpus, write, text, place):
    path = write(text)
    assert refusal(corpus, path).startswith(f"{path}: {place}")


def test_files_that_are_not_text_are_refused(corpus, tmp_path):
    (tmp_path / "binary").write_bytes(b"3 3\nthe \xff\xfe\x00")
    for path in (tmp_path / "absent", tmp_path, tmp_path / "binary"):
        refused = refusal(corpus, str(path))
        assert refused.startswith(f"{path}: ") and "model.word_vectors" in refused


def test_skipgram_vectors_are_reproducible_and_cached(corpus, tmp_path):
    vectors = word_vectors("skipgram", corpus, size=8, seed=1)
    assert (vectors.shape, vectors.dtype) == ((6, 8), np.float32)
    assert not vectors[0].any()
    assert vectors[1:].any(axis=1).all()
    path = tmp_path / "skipgram-8.npy"
    path.unlink()
    np.testing.assert_array_equal(word_vectors("skipgram", corpus, size=8, seed=2), vectors)
    without_text = replace(corpus, train=None)
    np.testing.assert_array_equal(word_vectors("skipgram", without_text, size=8, seed=3), vectors)


def test_damaged_skipgram_vectors_get_one_line(corpus, tmp_path):
    path = tmp_path / "skipgram-8.npy"
    np.save(path, np.zeros((6, 8), np.float32))
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UserError, match=f"^{path}: "):
        word_vectors("skipgram", corpus, size=8, seed=0)
