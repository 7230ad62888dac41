"""Encodes documents as arrays of word ids, cached on disk under a hash of the recipe and the files."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import IO

import numpy as np
from tqdm import tqdm

from data.common.errors import UserError
from data.common.files import open_array, read_json, read_text, write_json, write_text
from data.records import Corpus, Documents
from data.text import newsgroups, yahoo
from data.text.analysis import analysed_chunks, analyser_pool, flatten, pad
from data.text.recipe import TextRecipe
from data.text.sentences import LEXICON, TextAnalyser

# The document data sets: the module whose `files` and `read` give each. Add a data set here.
READERS: dict[str, ModuleType] = {"20news": newsgroups, "yahoo-mini": yahoo, "yahoo-half": yahoo}

FORMAT = 1  # Part of the cache key: increase it when the code changes the contents of the arrays.
PADDING, UNKNOWN = 0, 1
UNKNOWN_WORD = "<unk>"
ROWS = 1024  # Documents per chunk when an array is read through; each chunk is counted over the whole vocabulary.


@dataclass(frozen=True)
class EncodedDocuments:
    """A split as arrays, memory-mapped from the cache.

    Args:
        ids: [D] str.
        labels: [D] integer, the class.
        words: [D, S, W] integer word ids; 0 is padding, always after the words; empty sentences come last.
        categories: [D, S, W] int8, indices into `data.text.sentences.CATEGORIES`; 0 where `words` is.
    """

    ids: np.ndarray
    labels: np.ndarray
    words: np.ndarray
    categories: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class EncodedCorpus:
    """A corpus as arrays.

    Args:
        folder: its cache entry.
        classes: class names in the order of the labels.
        vocabulary: word of each id: "" for padding, "<unk>" for unknown words, then words by decreasing frequency.
    """

    folder: Path
    classes: tuple[str, ...]
    vocabulary: tuple[str, ...]
    train: EncodedDocuments
    test: EncodedDocuments


def encode_corpus(dataset: str, root: Path, recipe: TextRecipe, cache: Path) -> EncodedCorpus:
    """Opens the encoded data set from `cache`; encodes it first if it is not cached.

    Args:
        dataset: a key of `READERS`.
        root: data folder.
        recipe: which documents are read and how they are split.
        cache: folder of the encoded corpora; the name of an entry contains a hash of the recipe, the data set's files
            (names, sizes, times) and NLTK's version.

    Raises:
        UserError: the data set or NLTK's data are missing or damaged.
    """
    reader = READERS[dataset]
    folder = cache / f"{dataset}-{_key(dataset, root, reader.files(root), recipe)}"
    if not folder.is_dir():
        TextAnalyser(recipe, root)  # If NLTK's data are missing, fails here and not in every worker.
        corpus = _with_holdout(reader.read(root, recipe), recipe)
        _write(folder, corpus, recipe, root)
    return _open(folder)


def encode_texts(
    texts: Iterable[str], vocabulary: tuple[str, ...], analyser: TextAnalyser, recipe: TextRecipe
) -> tuple[np.ndarray, np.ndarray]:
    """Encodes a few texts with a given vocabulary.

    Returns:
        words [D, S, W] int32 and categories [D, S, W] int8.
    """
    ids = {word: number for number, word in enumerate(vocabulary)}
    analysed = flatten([analyser.analyse(text) for text in texts], recipe)
    words = np.array([ids.get(word, UNKNOWN) for word in analysed.words], np.int32)
    return pad(words, analysed.lengths, recipe), pad(analysed.categories, analysed.lengths, recipe)


def _key(dataset: str, root: Path, files: list[Path], recipe: TextRecipe) -> str:
    if recipe.tagger == "lexicon":
        files = [*files, root / LEXICON]
    states = [_state(path, root) for path in files if path.is_file()]
    determinants = [FORMAT, dataset, asdict(recipe), version("nltk"), states]
    return hashlib.sha256(json.dumps(determinants).encode()).hexdigest()[:16]


def _state(path: Path, root: Path) -> tuple[str, int, int]:
    state = path.stat()
    return path.relative_to(root).as_posix(), state.st_size, state.st_mtime_ns


def _with_holdout(corpus: Corpus, recipe: TextRecipe) -> Corpus:
    """Replaces the test split by the last training documents of each class.

    Newsgroup posts are read in the order of their article numbers, so this is a by-date split of the training posts; a
    random hold-out would share threads and signatures with the remaining ones.
    """
    if not recipe.holdout:
        return corpus
    documents = tqdm(corpus.train, desc="holding out", unit="document", mininterval=1, leave=False)
    labels = np.array([document.label for document in documents])
    held_out = np.zeros(len(labels), bool)
    for label in range(len(corpus.classes)):
        of_class = np.flatnonzero(labels == label)
        held_out[of_class[len(of_class) - round(recipe.holdout * len(of_class)) :]] = True
    if held_out.all() or not held_out.any():
        raise UserError(
            f"text.holdout is {recipe.holdout}: holds out {held_out.sum():,} of {len(labels):,} documents; "
            "both parts must contain documents"
        )

    def part(chosen: np.ndarray) -> Documents:
        return Documents(
            int(chosen.sum()), lambda: (document for document, keep in zip(corpus.train, chosen, strict=False) if keep)
        )

    return Corpus(corpus.classes, train=part(~held_out), test=part(held_out))


# --- the cache ------------------------------------------------------------------------------------------------------


def _write(folder: Path, corpus: Corpus, recipe: TextRecipe, root: Path) -> None:
    """Writes the encoded corpus to a temporary folder and renames it, so that `folder` is never incomplete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    temporary.chmod(0o755)  # mkdtemp gives access to the user only.
    pool = analyser_pool(recipe, root)
    try:
        vocabulary = _write_train(temporary, corpus.train, recipe, pool)
        _write_test(temporary, corpus.test, vocabulary, recipe, pool)
        write_text(temporary / "vocabulary.txt", "\n".join(vocabulary))
        write_json(temporary / "corpus.json", {"classes": corpus.classes, "recipe": asdict(recipe)})
        _rename_unless_there(temporary, folder)
    except BrokenProcessPool:
        raise UserError(
            f"{folder}: a worker process was killed, probably because memory ran out; free some and rerun the command"
        ) from None
    except OSError as error:  # The error of a full disk has no file name.
        raise OSError(error.errno, error.strerror or str(error), error.filename or str(folder)) from error
    finally:
        pool.shutdown(cancel_futures=True)
        shutil.rmtree(temporary, ignore_errors=True)


def _rename_unless_there(temporary: Path, folder: Path) -> None:
    """Another process may have written the same entry first."""
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _open(folder: Path) -> EncodedCorpus:
    remedy = "remove this cache folder to encode the data set again"
    description = read_json(folder / "corpus.json", "cached corpus", remedy)
    if not isinstance(description, dict) or "classes" not in description:
        raise UserError(f"{folder}/corpus.json: cached corpus has no classes; {remedy}")
    vocabulary = read_text(folder / "vocabulary.txt", "cached vocabulary", remedy).split("\n")

    def split(name: str) -> EncodedDocuments:
        parts = ("ids", "labels", "words", "categories")
        return EncodedDocuments(*(open_array(folder / f"{name}.{part}.npy", "cached array", remedy) for part in parts))

    return EncodedCorpus(folder, tuple(description["classes"]), tuple(vocabulary), split("train"), split("test"))


def _write_train(folder: Path, documents: Documents, recipe: TextRecipe, pool: Executor) -> list[str]:
    """Writes the training split with ids by first occurrence, then replaces them by ids by frequency.

    Returns:
        the vocabulary.
    """
    first_ids: dict[str, int] = {"": PADDING, UNKNOWN_WORD: UNKNOWN}

    def number(words: list[str]) -> list[int]:
        return [first_ids.setdefault(word, len(first_ids)) for word in words]

    _write_split(folder, "train", documents, number, np.dtype(np.int32), recipe, pool)
    first = np.load(folder / "train.words.npy", mmap_mode="r")
    counts = np.zeros(len(first_ids), np.int64)
    for rows in _row_chunks(first):
        counts += np.bincount(rows.ravel(), minlength=len(first_ids))
    by_frequency = np.argsort(-counts[2:], kind="stable") + 2
    kept = by_frequency[counts[by_frequency] >= recipe.min_count]
    words = list(first_ids)
    vocabulary = ["", UNKNOWN_WORD, *(words[word] for word in kept)]

    final_ids = np.full(len(first_ids), UNKNOWN, _id_type(len(vocabulary)))
    final_ids[PADDING] = PADDING
    final_ids[kept] = np.arange(2, len(vocabulary))
    with _array_file(folder / "final.npy", final_ids.dtype, first.shape) as final:
        for rows in _row_chunks(first):
            final.write(final_ids[rows].tobytes())
    (folder / "final.npy").replace(folder / "train.words.npy")
    return vocabulary


def _write_test(folder: Path, documents: Documents, vocabulary: list[str], recipe: TextRecipe, pool: Executor) -> None:
    ids = {word: number for number, word in enumerate(vocabulary)}

    def number(words: list[str]) -> list[int]:
        return [ids.get(word, UNKNOWN) for word in words]

    _write_split(folder, "test", documents, number, _id_type(len(vocabulary)), recipe, pool)


def _write_split(
    folder: Path,
    name: str,
    documents: Documents,
    number: Callable[[list[str]], list[int]],
    id_type: np.dtype,
    recipe: TextRecipe,
    pool: Executor,
) -> None:
    """Streams a split into array files; `number` maps words to ids."""
    shape = (len(documents), recipe.max_sentences, recipe.max_words)
    labels: list[np.ndarray] = []  # Arrays of chunks take a fifth of the memory of lists.
    ids: list[np.ndarray] = []
    with (
        _array_file(folder / f"{name}.words.npy", id_type, shape) as words,
        _array_file(folder / f"{name}.categories.npy", np.dtype(np.int8), shape) as categories,
    ):
        for chunk, analysed in analysed_chunks(documents, recipe, pool, f"{name} documents"):
            words.write(pad(np.array(number(analysed.words), id_type), analysed.lengths, recipe).tobytes())
            categories.write(pad(analysed.categories, analysed.lengths, recipe).tobytes())
            labels.append(np.array([document.label for document in chunk], np.int32))
            ids.append(np.array([document.id for document in chunk]))
    if (count := sum(map(len, ids))) != len(documents):
        raise UserError(
            f"{name} documents: read {count:,} instead of {len(documents):,}; "
            "rerun the command while nothing changes the data set"
        )
    np.save(folder / f"{name}.labels.npy", np.concatenate(labels))
    np.save(folder / f"{name}.ids.npy", np.concatenate(ids))


@contextmanager
def _array_file(path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> Iterator[IO[bytes]]:
    """Opens an `.npy` for writing row by row: writing to a memory map on a full disk would kill the process."""
    with path.open("wb") as file:
        description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, description)
        yield file


def _row_chunks(array: np.ndarray) -> Iterator[np.ndarray]:
    return (array[start : start + ROWS] for start in range(0, len(array), ROWS))


def _id_type(size: int) -> np.dtype:
    return np.dtype(np.uint16 if size <= np.iinfo(np.uint16).max + 1 else np.int32)
