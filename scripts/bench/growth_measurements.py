"""Measurements of `scripts.bench.growth`; each function runs in a separate process."""

import resource
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.text.encoding import EncodedCorpus, EncodedDocuments, encode_corpus
from language.config import Config
from scripts.bench.measuring import own_resident, peak_resident, resident_files


@dataclass(frozen=True)
class Encoding:
    """Time and memory of encoding.

    Args:
        documents: number of documents in both splits.
        seconds: time, including the start of the workers.
        anonymous: peak memory of the process that writes the arrays, in MiB.
        worker: peak memory of a tokenizing process, including libraries, in MiB.
        arrays: size of the arrays in MiB.
    """

    documents: int
    seconds: float
    anonymous: float
    worker: float
    arrays: float


@dataclass(frozen=True)
class Training:
    """Time and memory of training.

    Args:
        size: number of training documents in the corpus.
        vocabulary: number of its words.
        opening: seconds to open the encoded corpus.
        starting: seconds from the start of the process to the end of the first step, which compiles.
        documents: number of documents trained on after that.
        seconds: their time.
        first: anonymous memory after the first step, in MiB.
        anonymous, mapped: peak memory in MiB.
        vectors: memory of the word vectors and their two moments in Adam, part of `anonymous`, in MiB.
    """

    size: int
    vocabulary: int
    opening: float
    starting: float
    documents: int
    seconds: float
    first: float
    anonymous: float
    mapped: float
    vectors: float


def encode(config: Config, root: Path, cache: Path) -> Encoding:
    """Encodes a dataset that is not in the cache."""
    start = time.perf_counter()
    with peak_resident() as peaks:
        corpus = encode_corpus(config.dataset, root, config.text, cache)
    seconds = time.perf_counter() - start
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    arrays = sum(array.nbytes for split in (corpus.train, corpus.test) for array in _arrays(split)) / 2**20
    return Encoding(len(corpus.train) + len(corpus.test), seconds, peaks["anonymous"], worker, arrays)


def train(asked: float, config: Config, root: Path, cache: Path, count: int) -> Training:
    """Opens an encoded dataset like `language.train` and trains on about `count` documents spread over it.

    Args:
        asked: `time.perf_counter()` when the process was started; all processes share this clock.
        config: the experiment.
        root: data folder.
        cache: folder of the encoded corpora.
        count: number of documents.
    """
    from scripts.bench import document_steps  # needs TensorFlow, which only this process imports

    with peak_resident() as peaks:
        start = time.perf_counter()
        corpus = encode_corpus(config.dataset, root, config.text, cache)
        opening = time.perf_counter() - start
        step = document_steps.first_step(config, corpus)
        batch = slice(config.training.batch_size)
        sums = step(corpus.train.words[batch], corpus.train.categories[batch], corpus.train.labels[batch])
        float(sums["correct"])  # waits for the step
        starting = time.perf_counter() - asked
        first = own_resident()["anonymous"]
        documents = spread(corpus.train, count)
        start = time.perf_counter()
        document_steps.train_epoch(step, documents, config, seed=0, epoch=1)
        seconds = time.perf_counter() - start
    return Training(
        size=len(corpus.train),
        vocabulary=len(corpus.vocabulary),
        opening=opening,
        starting=starting,
        documents=len(documents),
        seconds=seconds,
        first=first,
        vectors=3 * np.float32().nbytes * len(corpus.vocabulary) * config.model.embedding_size / 2**20,
        **peaks,
    )


def spread(documents: EncodedDocuments, count: int) -> EncodedDocuments:
    """Every k-th document, about `count` in all; the arrays stay mapped."""
    stride = max(1, round(len(documents) / count))
    return EncodedDocuments(*(array[::stride] for array in _arrays(documents)))


def _arrays(documents: EncodedDocuments) -> tuple[np.ndarray, ...]:
    return documents.ids, documents.labels, documents.words, documents.categories


_held: EncodedCorpus  # kept open between two calls of a process that measures sharing


def hold(config: Config, root: Path, cache: Path) -> None:
    """Opens an encoded dataset and reads every page of it."""
    global _held
    _held = encode_corpus(config.dataset, root, config.text, cache)
    for split in (_held.train, _held.test):
        for array in _arrays(split):
            for start in range(0, len(array), 10_000):
                array[start : start + 10_000].tobytes()


def held() -> dict[str, float]:
    """The `resident_files` of the dataset opened by `hold`."""
    return resident_files(Path("/proc/self/smaps").read_text(), _held.folder)
