"""Word vectors to start from: random, skip-gram of the training text, or a file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.common.errors import UserError
from data.common.files import lines_with_progress, open_array, replaced_on_success
from data.text.encoding import PADDING, EncodedCorpus

# Skip-gram as word2vec's defaults have it; HAN names no more than word2vec.
WINDOW, SKIPGRAM_EPOCHS = 5, 10


def word_vectors(source: str, corpus: EncodedCorpus, size: int, seed: int) -> np.ndarray:
    """Vectors for the corpus' vocabulary.

    Args:
        source: "random"; "skipgram", trained once for a corpus and kept with its cache; or the path of a text file
            in GloVe's or word2vec's format.
        corpus: the encoded data set; only its training words are read.
        size: of a vector.
        seed: of the random vectors, which words that a file lacks get as well.

    Returns:
        [vocabulary, size] float32; the padding's row is 0.
    """
    vectors = np.random.default_rng(seed).uniform(-0.05, 0.05, (len(corpus.vocabulary), size)).astype(np.float32)
    if source == "skipgram":
        vectors = _skipgram(corpus, size)
    elif source != "random":
        _fill_from_file(vectors, Path(source), corpus.vocabulary)
    vectors[PADDING] = 0
    return vectors


class _Sentences:
    """The training sentences as lists of words, streamed anew at every epoch of gensim's."""

    def __init__(self, corpus: EncodedCorpus, progress: tqdm):
        self._corpus = corpus
        self._progress = progress

    def __iter__(self) -> Iterator[list[str]]:
        vocabulary = self._corpus.vocabulary
        for document in self._corpus.train.words:
            for sentence in document[document.any(axis=1)]:
                yield [vocabulary[word] for word in sentence[sentence != PADDING]]
            self._progress.update()


def _skipgram(corpus: EncodedCorpus, size: int) -> np.ndarray:
    """Trains skip-gram vectors with one worker and a fixed seed: more workers would make every result another."""
    path = corpus.folder / f"skipgram-{size}.npy"
    if not path.exists():
        from gensim.models import Word2Vec  # Imported here: it takes seconds and most runs find the file.

        passes = SKIPGRAM_EPOCHS + 1  # One more to count the words.
        with tqdm(total=passes * len(corpus.train), desc="skip-gram", unit="document", mininterval=1) as progress:
            model = Word2Vec(
                _Sentences(corpus, progress),
                vector_size=size,
                window=WINDOW,
                sg=1,
                min_count=1,
                epochs=SKIPGRAM_EPOCHS,
                workers=1,
                seed=0,
            )
        vectors = np.zeros((len(corpus.vocabulary), size), np.float32)
        present = [number for number, word in enumerate(corpus.vocabulary) if word in model.wv]
        vectors[present] = [model.wv[corpus.vocabulary[number]] for number in present]
        with replaced_on_success(path) as temporary:
            np.save(temporary, vectors)
    return np.array(open_array(path, "skip-gram vectors", "remove the file, it is made anew"))


def _fill_from_file(vectors: np.ndarray, path: Path, vocabulary: tuple[str, ...]) -> None:
    """Copies the file's vectors of known words into `vectors` and reports how many there were."""
    ids = {word: number for number, word in enumerate(vocabulary)}
    found = set()
    for number, line in _lines(path):
        word, *values = line.rstrip().rsplit(" ", vectors.shape[1])  # GloVe's words may hold spaces.
        if number == 1 and len(line.split()) == 2:
            continue  # word2vec's header: how many vectors, of what size.
        if len(values) != vectors.shape[1]:
            raise UserError(f"{path}: line {number} holds too few values; model.embedding_size is {vectors.shape[1]}")
        if word in ids:
            vectors[ids[word]] = _numbers(values, f"{path}: line {number}")
            found.add(word)
    if not found:
        raise UserError(f"{path}: holds no vector of the {len(ids):,} words; is model.embedding_size that of the file?")
    print(f"word vectors: {len(found):,} of {len(ids):,} words from {path}; the others start at random")


def _numbers(values: list[str], where: str) -> np.ndarray:
    try:
        numbers = np.array(values, np.float32)
    except ValueError as error:
        raise UserError(f"{where}: {error}; word vectors stand as word, space, values") from None
    if not np.isfinite(numbers).all():
        raise UserError(f"{where}: holds a value that is not finite; remove the line")
    return numbers


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        yield from enumerate(lines_with_progress(path, f"reading {path.name}"), start=1)
    except (OSError, UnicodeDecodeError) as error:
        remedy = "model.word_vectors is random, skipgram or the path of a text file"
        raise UserError(f"{path}: cannot be read as word vectors ({error}); {remedy}") from None
