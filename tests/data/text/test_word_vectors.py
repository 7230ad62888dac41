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


def test_random_vectors_are_small_and_the_seed_s(corpus):
    vectors = word_vectors("random", corpus, size=50, seed=1)
    assert (vectors.shape, vectors.dtype) == ((6, 50), np.float32)
    assert not vectors[0].any()
    assert 0.04 < np.abs(vectors[1:]).max() <= 0.05
    np.testing.assert_array_equal(word_vectors("random", corpus, size=50, seed=1), vectors)
    assert (word_vectors("random", corpus, size=50, seed=2)[1:] != vectors[1:]).any(axis=1).all()


@pytest.mark.parametrize("header", ["", "5 3\n"])
def test_glove_s_and_word2vec_s_formats_are_read(corpus, write, capsys, header):
    path = write(header + GLOVE)
    vectors = word_vectors(path, corpus, size=3, seed=0)
    assert (vectors.shape, vectors.dtype) == ((6, 3), np.float32)
    np.testing.assert_array_equal(vectors[[2, 3, 5]], np.array([[1, 2, 3], [-0.5, 1e-3, 0.25], [1, 1, 1]], np.float32))
    assert capsys.readouterr().out == f"word vectors: 3 of 6 words from {path}; the others start at random\n"


def test_words_that_a_file_lacks_start_at_random_and_padding_at_0(corpus, write):
    vectors = word_vectors(write(" 9 9 9\n" + GLOVE), corpus, size=3, seed=0)
    random = word_vectors("random", corpus, size=3, seed=0)
    np.testing.assert_array_equal(vectors[[1, 4]], random[[1, 4]])
    assert not vectors[0].any()


def test_windows_line_ends_change_nothing(corpus, write):
    unix = word_vectors(write(GLOVE), corpus, size=3, seed=0)
    np.testing.assert_array_equal(word_vectors(write(GLOVE.replace("\n", "\r\n")), corpus, size=3, seed=0), unix)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("the 1 2 3\ndog 1 2\n", "line 2 holds too few values; model.embedding_size is 3"),
        ("the 1 2 3\n\n", "line 2 holds too few values; model.embedding_size is 3"),
        ("2 2\nthe 1 2\n", "line 2 holds too few values; model.embedding_size is 3"),
        ("the 1 2 3 4\n", "holds no vector of the 6 words; is model.embedding_size that of the file?"),
        ("a 1 2 3\n", "holds no vector of the 6 words; is model.embedding_size that of the file?"),
        ("", "holds no vector of the 6 words; is model.embedding_size that of the file?"),
        ("the 1 2 x\n", "line 1: could not convert string to float: 'x'; word vectors stand as word, space, values"),
        ("dog 1 2 3\nthe 1 nan 3\n", "line 2: holds a value that is not finite; remove the line"),
        ("the 1 1e99 3\n", "line 1: holds a value that is not finite; remove the line"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(corpus, write, text, line):
    path = write(text)
    assert refusal(corpus, path).startswith(f"{path}: {line}")


def test_what_is_no_text_file_is_refused(corpus, tmp_path):
    remedy = "model.word_vectors is random, skipgram or the path of a text file"
    (tmp_path / "binary").write_bytes(b"3 3\nthe \xff\xfe\x00")
    for path in (tmp_path / "absent", tmp_path, tmp_path / "binary"):
        refused = refusal(corpus, str(path))
        assert refused.startswith(f"{path}: cannot be read as word vectors (")
        assert refused.endswith(remedy)


def test_skip_gram_vectors_are_the_same_every_time_and_kept(corpus, tmp_path):
    vectors = word_vectors("skipgram", corpus, size=8, seed=1)
    assert (vectors.shape, vectors.dtype) == ((6, 8), np.float32)
    assert not vectors[0].any()
    assert vectors[1:].any(axis=1).all()
    path = tmp_path / "skipgram-8.npy"
    path.unlink()
    np.testing.assert_array_equal(word_vectors("skipgram", corpus, size=8, seed=2), vectors)
    without_text = replace(corpus, train=None)
    np.testing.assert_array_equal(word_vectors("skipgram", without_text, size=8, seed=3), vectors)


def test_damaged_skip_gram_vectors_get_one_line(corpus, tmp_path):
    path = tmp_path / "skipgram-8.npy"
    np.save(path, np.zeros((6, 8), np.float32))
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UserError, match="skipgram-8.npy: skip-gram vectors is damaged .*; remove the file"):
        word_vectors("skipgram", corpus, size=8, seed=0)
