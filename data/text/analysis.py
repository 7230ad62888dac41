"""Splits documents into words on all cores, chunk by chunk."""

import gc
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.records import Document, Documents
from data.text.recipe import TextRecipe
from data.text.sentences import TextAnalyser, Word

CHUNK = 64  # documents per task of a worker process: less than a second of work


@dataclass(frozen=True)
class Analysed:
    """The words of some documents, concatenated.

    Args:
        words: [sum of lengths] str.
        categories: [sum of lengths] int8, indices into `data.text.sentences.CATEGORIES`.
        lengths: [D, S] unsigned integer, words in each sentence.
    """

    words: list[str]
    categories: np.ndarray
    lengths: np.ndarray


def flatten(documents: list[list[list[Word]]], recipe: TextRecipe) -> Analysed:
    """Concatenates documents of sentences of words."""
    lengths = np.zeros((len(documents), recipe.max_sentences), np.uint8 if recipe.max_words < 256 else np.int32)
    for document, sentences in enumerate(documents):
        lengths[document, : len(sentences)] = [len(sentence) for sentence in sentences]
    words = [word for sentences in documents for sentence in sentences for word in sentence]
    return Analysed([word.text for word in words], np.array([word.category for word in words], np.int8), lengths)


def pad(values: np.ndarray, lengths: np.ndarray, recipe: TextRecipe) -> np.ndarray:
    """Reshapes `values` [sum of lengths] to [D, S, W] with zeros after each sentence."""
    padded = np.zeros((*lengths.shape, recipe.max_words), values.dtype)
    padded[np.arange(recipe.max_words) < lengths[..., None]] = values
    return padded


def analyser_pool(recipe: TextRecipe, root: Path) -> Executor:
    """One worker process per core, each with a `TextAnalyser`, started on demand."""
    # Spawned, not forked: the caller may already run TensorFlow's threads.
    return ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), _start_worker, (recipe, root))


def analysed_chunks(
    documents: Documents, recipe: TextRecipe, pool: Executor, title: str
) -> Iterator[tuple[list[Document], Analysed]]:
    """Yields chunks of documents, without their texts, and their analysis, in order, with a progress bar.

    Only a few chunks are in memory at a time.
    """
    ahead = 2 * (os.cpu_count() or 1)
    stream = iter(documents)
    pending: list = []
    with tqdm(total=len(documents), desc=title, unit="document", mininterval=1) as progress:
        while True:
            while len(pending) < ahead and (chunk := list(islice(stream, CHUNK))):
                pending.append((chunk, _submit(pool, [document.text for document in chunk], recipe)))
            if not pending:
                return
            chunk, analysis = pending.pop(0)
            yield [Document(document.id, document.label, "") for document in chunk], analysis.result()
            progress.update(len(chunk))


def _submit(pool: Executor, texts: list[str], recipe: TextRecipe) -> Future:
    """Submits a task. Workers started for it ignore Ctrl-C, which the caller handles."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Inherited by new processes.
    try:
        return pool.submit(_analyse_in_worker, texts, recipe)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


_worker_analyser: TextAnalyser  # One per worker process: loading the tagger takes a second.


def _start_worker(recipe: TextRecipe, root: Path) -> None:
    global _worker_analyser
    threading.Thread(target=_end_with_the_caller, daemon=True).start()
    _worker_analyser = TextAnalyser(recipe, root)
    gc.freeze()  # Otherwise a seventh of the time goes into garbage collection of its tables.


def _end_with_the_caller() -> None:
    """Ends this worker when its caller is killed; otherwise it would wait for work forever."""
    parent_process().join()
    os._exit(1)


def _analyse_in_worker(texts: list[str], recipe: TextRecipe) -> Analysed:
    return flatten(_worker_analyser.analyse_many(texts), recipe)
