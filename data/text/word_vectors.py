"""Initial word vectors: random, skip-gram of the training text, or a file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.common.errors import UserError
from data.common.files import lines_with_progress, open_array, replaced_on_success
from data.text.encoding import PADDING, EncodedCorpus

# word2vec's default skip-gram; the HAN paper only names word2vec.
WINDOW, SKIPGRAM_EPOCHS = 5, 10


def word_vectors(source: str, corpus: EncodedCorpus, size: int, seed: int) -> np.ndarray:
    """Vectors for the vocabulary of a corpus.

    Args:
        source: "random"; "skipgram", trained once per corpus and cached with it; or the path of a text file in GloVe's
            or word2vec's format.
        corpus: the encoded data set; only its training words are read.
        size: of a vector.
        seed: of the random vectors, also used for words that are not in the file.

    Returns:
        [vocabulary, size] float32; the row of padding is 0.
    """
    vectors = np.random.default_rng(seed).uniform(-0.05, 0.05, (len(corpus.vocabulary), size)).astype(np.float32)
    if source == "skipgram":
        vectors = _skipgram(corpus, size)
    elif source != "random":
        _fill_from_file(vectors, Path(source), corpus.vocabulary)
    vectors[PADDING] = 0
    return vectors


class _Sentences:
    """The training sentences as lists of words, streamed in every epoch of gensim."""

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
    """Trains skip-gram vectors; one worker and a fixed seed make the result reproducible."""
    path = corpus.folder / f"skipgram-{size}.npy"
    if not path.exists():
        from gensim.models import Word2Vec  # Takes seconds to import, and most runs find the file.

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
    return np.array(open_array(path, "skip-gram vectors", "remove the file to train them again"))


def _fill_from_file(vectors: np.ndarray, path: Path, vocabulary: tuple[str, ...]) -> None:
    """Copies the file's vectors of known words into `vectors` and prints how many there are."""
    ids = {word: number for number, word in enumerate(vocabulary)}
    del ids[vocabulary[0]]  # Padding, whose text is empty, is not a word of the file.
    found = set()
    for number, line in _lines(path):
        word, *values = line.rstrip().rsplit(" ", vectors.shape[1])  # Words of GloVe may contain spaces.
        if number == 1 and len(line.split()) == 2:
            continue  # word2vec's header: number and size of the vectors.
        if len(values) != vectors.shape[1]:
            raise UserError(f"{path}: line {number} must have {vectors.shape[1]} values, as model.embedding_size says")
        if word in ids:
            vectors[ids[word]] = _numbers(values, f"{path}: line {number}")
            found.add(word)
    if not found:
        raise UserError(f"{path}: no vector of the {len(ids):,} words; set model.embedding_size to the file's size")
    print(f"word vectors: {len(found):,} of {len(ids):,} words from {path}; the others start at random")


def _numbers(values: list[str], where: str) -> np.ndarray:
    try:
        numbers = np.array(values, np.float32)
    except ValueError as error:
        raise UserError(f"{where}: {error}; each line must be a word and its values, separated by spaces") from None
    if not np.isfinite(numbers).all():
        raise UserError(f"{where}: a value is not finite; remove the line")
    return numbers


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        yield from enumerate(lines_with_progress(path, f"reading {path.name}"), start=1)
    except (OSError, UnicodeDecodeError) as error:
        remedy = "set model.word_vectors to random, skipgram or the path of a text file"
        raise UserError(f"{path}: cannot be read as word vectors ({error}); {remedy}") from None
