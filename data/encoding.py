"""Documents as arrays: analysed on all cores, given word ids, and cached on disk under a key of what determines them."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data import newsgroups, yahoo
from data.errors import UserError
from data.files import read_json, read_text, write_json, write_text
from data.recipe import TextRecipe
from data.records import Corpus, Document, Documents
from data.text import TextAnalyser

FORMAT = 1  # Part of the cache's key: raise it when the code changes what the arrays hold.
PADDING, UNKNOWN = 0, 1
UNKNOWN_WORD = "<unk>"
CHUNK = 256  # documents a task of a worker process


@dataclass(frozen=True)
class EncodedDocuments:
    """A split as arrays, memory-mapped from the cache.

    Args:
        ids: [D] str.
        labels: [D] integer, the class.
        words: [D, S, W] unsigned integer word ids; 0 is padding, always after the words, and sentences without a
            word stand after the others.
        categories: [D, S, W] int8, indices into `data.text.CATEGORIES`; 0 where `words` is.
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
        folder: where it is cached.
        classes: class names in the order of the labels.
        vocabulary: word of each id; "" for padding, "<unk>" for words that are not in it, then by falling frequency.
    """

    folder: Path
    classes: tuple[str, ...]
    vocabulary: tuple[str, ...]
    train: EncodedDocuments
    test: EncodedDocuments


def encode_corpus(dataset: str, root: Path, recipe: TextRecipe, cache: Path) -> EncodedCorpus:
    """Opens the encoded data set from `cache`, encoding it first where it is not there yet.

    Args:
        dataset: "20news", "yahoo-mini" or "yahoo-half".
        root: data folder.
        recipe: what is read and how it is cut.
        cache: folder of the encoded corpora; an entry's name holds a digest of the recipe, the data set's files (names,
            sizes, times) and NLTK's version.

    Raises:
        UserError: the data set or NLTK's data are missing or damaged.
    """
    reader = newsgroups if dataset == "20news" else yahoo
    folder = cache / f"{dataset}-{_key(dataset, reader.files(root), recipe)}"
    if not folder.is_dir():
        analyser = TextAnalyser(recipe, root)  # Fails at once where NLTK's data are missing.
        corpus = _with_holdout(reader.read(root, recipe), recipe)
        _write(folder, corpus, analyser, recipe, root)
    return _open(folder)


def encode_texts(
    texts: Iterable[str], vocabulary: tuple[str, ...], analyser: TextAnalyser, recipe: TextRecipe
) -> tuple[np.ndarray, np.ndarray]:
    """Encodes a few texts with a vocabulary that stands.

    Returns:
        words [D, S, W] int32 and categories [D, S, W] int8.
    """
    ids = {word: number for number, word in enumerate(vocabulary)}
    analysed = _flatten([analyser.analyse(text) for text in texts], recipe)
    words = np.array([ids.get(word, UNKNOWN) for word in analysed.words], np.int32)
    return _pad(words, analysed.lengths, recipe), _pad(analysed.categories, analysed.lengths, recipe)


def _key(dataset: str, files: list[Path], recipe: TextRecipe) -> str:
    states = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file()]
    determinants = [FORMAT, dataset, asdict(recipe), version("nltk"), states]
    return hashlib.sha256(json.dumps(determinants).encode()).hexdigest()[:16]


def _with_holdout(corpus: Corpus, recipe: TextRecipe) -> Corpus:
    """Puts the last documents of each class of the training split in the place of the test split.

    Newsgroup posts are read in the order of their article numbers, so this repeats the by-date split within the training
    posts; a random hold-out would share threads and signatures with what it is to judge.
    """
    if not recipe.holdout:
        return corpus
    labels = np.array([document.label for document in corpus.train])
    held_out = np.zeros(len(labels), bool)
    for label in range(len(corpus.classes)):
        of_class = np.flatnonzero(labels == label)
        held_out[of_class[len(of_class) - round(recipe.holdout * len(of_class)) :]] = True

    def part(chosen: np.ndarray) -> Documents:
        return Documents(
            int(chosen.sum()), lambda: (document for document, keep in zip(corpus.train, chosen, strict=True) if keep)
        )

    return Corpus(corpus.classes, train=part(~held_out), test=part(held_out))


# --- analysing on all cores ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Analysed:
    """Some documents' words one after another.

    Args:
        words: [sum of lengths] str.
        categories: [sum of lengths] int8.
        lengths: [D, S] uint8, words in each sentence.
    """

    words: list[str]
    categories: np.ndarray
    lengths: np.ndarray


def _flatten(documents: list[list], recipe: TextRecipe) -> _Analysed:
    lengths = np.zeros((len(documents), recipe.max_sentences), np.uint8 if recipe.max_words < 256 else np.int32)
    for document, sentences in enumerate(documents):
        lengths[document, : len(sentences)] = [len(sentence) for sentence in sentences]
    words = [word for sentences in documents for sentence in sentences for word in sentence]
    return _Analysed([word.text for word in words], np.array([word.category for word in words], np.int8), lengths)


def _pad(values: np.ndarray, lengths: np.ndarray, recipe: TextRecipe) -> np.ndarray:
    """Lays `values` [sum of lengths] out as [D, S, W] with zeros behind each sentence."""
    padded = np.zeros((*lengths.shape, recipe.max_words), values.dtype)
    padded[np.arange(recipe.max_words) < lengths[..., None]] = values
    return padded


_worker_analyser: TextAnalyser  # One a worker process, made once: loading the tagger takes a second.


def _start_worker(recipe: TextRecipe, root: Path) -> None:
    global _worker_analyser
    _worker_analyser = TextAnalyser(recipe, root)


def _analyse_in_worker(texts: list[str], recipe: TextRecipe) -> _Analysed:
    return _flatten([_worker_analyser.analyse(text) for text in texts], recipe)


def _analysed_chunks(
    documents: Documents, recipe: TextRecipe, root: Path, what: str
) -> Iterator[tuple[list[Document], _Analysed]]:
    """Yields chunks of documents with their analysis, in order; at most a few chunks are in memory at a time."""
    workers = min(os.cpu_count() or 1, -(-len(documents) // CHUNK))
    stream = iter(documents)
    # Spawned, not forked: the caller may already run TensorFlow's threads.
    with (
        tqdm(total=len(documents), desc=what, unit="document", mininterval=1) as progress,
        ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (recipe, root)) as pool,
    ):
        pending: list = []
        while True:
            while len(pending) < 2 * workers and (chunk := list(islice(stream, CHUNK))):
                pending.append((chunk, pool.submit(_analyse_in_worker, [document.text for document in chunk], recipe)))
            if not pending:
                return
            chunk, analysis = pending.pop(0)
            yield [Document(document.id, document.label, "") for document in chunk], analysis.result()
            progress.update(len(chunk))


# --- the cache ------------------------------------------------------------------------------------------------------


def _write(folder: Path, corpus: Corpus, analyser: TextAnalyser, recipe: TextRecipe, root: Path) -> None:
    """Writes the encoded corpus into a folder beside `folder` and renames it: it is there whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        vocabulary = _write_train(temporary, corpus.train, recipe, root)
        _write_test(temporary, corpus.test, vocabulary, recipe, root)
        write_text(temporary / "vocabulary.txt", "\n".join(vocabulary))
        write_json(temporary / "corpus.json", {"classes": corpus.classes, "recipe": asdict(recipe)})
        if not folder.is_dir():  # Another process may have been faster; its entry is the same.
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _open(folder: Path) -> EncodedCorpus:
    remedy = "remove this cache folder, it is made anew"
    description = read_json(folder / "corpus.json", "cached corpus", remedy)
    vocabulary = read_text(folder / "vocabulary.txt", "cached vocabulary", remedy).split("\n")

    def split(name: str) -> EncodedDocuments:
        try:
            parts = [
                np.load(folder / f"{name}.{part}.npy", mmap_mode="r")
                for part in ("ids", "labels", "words", "categories")
            ]
        except (OSError, ValueError) as error:
            raise UserError(f"{folder}: damaged cache ({error}); {remedy}") from None
        return EncodedDocuments(*parts)

    return EncodedCorpus(folder, tuple(description["classes"]), tuple(vocabulary), split("train"), split("test"))


def _write_train(folder: Path, documents: Documents, recipe: TextRecipe, root: Path) -> list[str]:
    """Encodes the training split with an id for every distinct word, then again with the vocabulary's; returns that."""
    first_ids: dict[str, int] = {"": PADDING, UNKNOWN_WORD: UNKNOWN}

    def number(words: list[str]) -> list[int]:
        return [first_ids.setdefault(word, len(first_ids)) for word in words]

    _write_split(folder, "train", documents, number, np.dtype(np.int32), recipe, root)
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
    final = np.lib.format.open_memmap(folder / "final.npy", "w+", final_ids.dtype, first.shape)
    for start, rows in zip(range(0, len(first), CHUNK), _row_chunks(first), strict=True):
        final[start : start + CHUNK] = final_ids[rows]
    final.flush()
    (folder / "final.npy").replace(folder / "train.words.npy")
    return vocabulary


def _write_test(folder: Path, documents: Documents, vocabulary: list[str], recipe: TextRecipe, root: Path) -> None:
    ids = {word: number for number, word in enumerate(vocabulary)}

    def number(words: list[str]) -> list[int]:
        return [ids.get(word, UNKNOWN) for word in words]

    _write_split(folder, "test", documents, number, _id_type(len(vocabulary)), recipe, root)


def _write_split(
    folder: Path, name: str, documents: Documents, number, id_type: np.dtype, recipe: TextRecipe, root: Path
) -> None:
    """Streams a split into memory-mapped arrays; `number` gives a list of words their ids."""
    shape = (len(documents), recipe.max_sentences, recipe.max_words)
    words = np.lib.format.open_memmap(folder / f"{name}.words.npy", "w+", id_type, shape)
    categories = np.lib.format.open_memmap(folder / f"{name}.categories.npy", "w+", np.int8, shape)
    labels = np.zeros(len(documents), np.int32)
    ids: list[str] = []
    for chunk, analysed in _analysed_chunks(documents, recipe, root, f"{name} documents"):
        rows = slice(len(ids), len(ids) + len(chunk))
        words[rows] = _pad(np.array(number(analysed.words), id_type), analysed.lengths, recipe)
        categories[rows] = _pad(analysed.categories, analysed.lengths, recipe)
        labels[rows] = [document.label for document in chunk]
        ids += [document.id for document in chunk]
    words.flush()
    categories.flush()
    np.save(folder / f"{name}.labels.npy", labels)
    np.save(folder / f"{name}.ids.npy", np.array(ids))


def _row_chunks(array: np.ndarray) -> Iterator[np.ndarray]:
    return (array[start : start + CHUNK] for start in range(0, len(array), CHUNK))


def _id_type(size: int) -> np.dtype:
    return np.dtype(np.uint16 if size <= np.iinfo(np.uint16).max + 1 else np.int32)
