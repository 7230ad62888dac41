"""Compares training and preprocessing of documents in one run: `python -m scripts.bench.language`.

Networks and ways to use the cores take turns on the same batches. Preprocessing takes longer and is measured once, like
the loop it is compared with.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import nltk
import numpy as np

from data.common.config import read_config
from data.common.errors import run_command
from data.common.options import add_data_option, count_from_1
from data.records import Document
from data.text import newsgroups
from data.text.encoding import EncodedCorpus, encode_corpus
from data.text.sentences import TextAnalyser
from language.config import Config, ModelConfig
from scripts.bench.measuring import median_and_range, ratio, take_turns

CONFIGS = Path(__file__).parents[2] / "language" / "configs"
STOCK = "stock Keras HAN"
PLAIN = "fan-sup, plain"  # HAN.call, which also computes padding
NETWORKS = ("hatt", "fan-unsup", "fan-sup", PLAIN, STOCK)
COMPARISONS = (
    ("hatt", STOCK),
    ("fan-sup", STOCK),
    ("fan-sup", PLAIN),
    ("fan-unsup", "hatt"),
    ("fan-sup", "fan-unsup"),
)
PRODUCT = "matrix product"  # of two square matrices, for the peak rate of the machine
PRODUCT_SIZE, PRODUCTS = 2048, 20
PASSES = 3  # forward, gradient of the input, gradient of the weights: as many operations each

Turn = Callable[[], object]


def main() -> None:
    """Command line of `python -m scripts.bench.language`."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench.language",
        description="Compares training and preprocessing of documents in one run.",
    )
    parser.add_argument("--preset", choices=["paper", "mini"], default="paper", help="sizes (default: paper)")
    add_data_option(parser)
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="encoded data (default: runs/cache)")
    parser.add_argument("--rounds", type=count_from_1, default=5, help="turns per network (default: 5)")
    parser.add_argument("--batches", type=count_from_1, default=4, help="batches per turn (default: 4)")
    parser.add_argument(
        "--documents", type=count_from_1, default=400, help="documents for the loop over nltk (default: 400)"
    )
    arguments = parser.parse_args()
    config = read_config(Config, CONFIGS / arguments.preset / "20news" / "hatt.yaml")
    corpus = encode_corpus(config.dataset, arguments.data, config.text, arguments.cache)

    cores = os.cpu_count() or 1
    together, apart = f"1 process x {cores} threads", f"{cores} processes x 1 thread"
    layouts = {together: (1, cores), apart: (cores, 1)}
    workload = (config, arguments.data, arguments.cache, arguments.batches)
    speeds = measure_in_turns(layouts, workload, arguments.rounds)
    floors = {network: _floor(network, config, corpus, arguments.batches) for network in NETWORKS}
    peaks = {network: peak_memory(network, workload) for network in NETWORKS}

    for layout in layouts:
        print(f"\n{layout}, batches of {config.training.batch_size}: median of {arguments.rounds} turns (range)")
        rate = statistics.median(speeds[layout][PRODUCT])
        print(f"  {PRODUCT:16} {rate / 1e9:6.0f} GFLOP/s")
        for network in NETWORKS:
            values = speeds[layout][network]
            of_floor = rate / floors[network] / statistics.median(values)
            print(f"  {network:16} {median_and_range(values):18} documents/s, {of_floor:.2f} times its floor")
        for network, base in COMPARISONS:
            print(f"  {ratio(network, speeds[layout][network], base, speeds[layout][base])}")
    print("\nfloor: the matrix products of a step on real words, at the rate of a large product; and peak memory")
    for network in NETWORKS:
        print(f"  {network:16} {floors[network] / 1e6:6.0f} MFLOP per document {peaks[network]:7.0f} MiB")
    print(f"  fan-sup : hatt = {floors['fan-sup'] / floors['hatt']:.2f} in operations\n")
    for network in NETWORKS:
        print(f"  {ratio(f'{network}, {apart}', speeds[apart][network], together, speeds[together][network])}")

    if config.text.tagger == "perceptron":
        ours, loop = preprocessing_speeds(config, arguments.data, arguments.documents)
        print(f"\npreprocessing: {ours:.0f} documents/s on {cores} cores, {loop:.0f} in a loop over nltk.pos_tag")
        print(f"  ours : loop = {ours / loop:.2f}")


def measure_in_turns(
    layouts: dict[str, tuple[int, int]], workload: tuple[Config, Path, Path, int], rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Speeds [rounds] by layout: of each network in documents/s, of matrix products in FLOP/s.

    Args:
        layouts: number of processes and threads of each layout; processes run at the same time and their speeds are
            added.
        workload: config, data folder, cache and batches per turn.
        rounds: turns of each network in each layout.
    """
    workers = {
        layout: [
            ProcessPoolExecutor(1, get_context("spawn"), _start_worker, (threads, *workload)) for _ in range(processes)
        ]
        for layout, (processes, threads) in layouts.items()
    }
    names = (PRODUCT, *NETWORKS)
    turns = {
        (layout, name): partial(_speed_together, name, processes)
        for name in names
        for layout, processes in workers.items()
    }
    speeds = take_turns(turns, rounds)
    for processes in workers.values():
        for process in processes:
            process.shutdown()
    return {layout: {name: speeds[layout, name] for name in names} for layout in layouts}


def _speed_together(name: str, processes: list[ProcessPoolExecutor]) -> float:
    turns = [process.submit(_timed_turn, name) for process in processes]
    return sum(turn.result() for turn in turns)


_worker: dict[str, tuple[Turn, float]] = {}  # in a worker process: function and amount of work by name


def _start_worker(threads: int, config: Config, data: Path, cache: Path, batches: int) -> None:
    steps = _document_steps()
    steps.set_threads(threads)
    corpus = encode_corpus(config.dataset, data, config.text, cache)
    rows = _batches(config, corpus, batches)
    _worker[PRODUCT] = steps.matrix_products(PRODUCT_SIZE, PRODUCTS), PRODUCTS * 2.0 * PRODUCT_SIZE**3
    for network in NETWORKS:
        step = _make_step(network, config, corpus)
        _worker[network] = (lambda step=step: [step(batch) for batch in rows]), float(sum(map(len, rows)))


def _document_steps() -> ModuleType:
    """The module that needs TensorFlow. Imported in workers only: the preprocessing is measured without it."""
    from scripts.bench import document_steps

    return document_steps


def _make_step(network: str, config: Config, corpus: EncodedCorpus) -> Callable[[np.ndarray], object]:
    if network == STOCK:
        return _document_steps().stock_step(config, corpus)
    return _document_steps().our_step(_config_of(network, config), corpus, plain=network == PLAIN)


def _timed_turn(name: str) -> float:
    turn, work = _worker[name]
    start = time.perf_counter()
    turn()
    return work / (time.perf_counter() - start)


def _batches(config: Config, corpus: EncodedCorpus, batches: int) -> list[np.ndarray]:
    size = min(config.training.batch_size, len(corpus.train))
    order = np.random.default_rng(0).permutation(len(corpus.train))
    return [np.take(order, range(n * size, (n + 1) * size), mode="wrap") for n in range(batches)]


def _config_of(network: str, config: Config) -> Config:
    variant = {PLAIN: "fan-sup", STOCK: "hatt"}.get(network, network)
    return read_config(Config, CONFIGS / config.preset / config.dataset / f"{variant}.yaml")


def _floor(network: str, config: Config, corpus: EncodedCorpus, batches: int) -> float:
    """Least operations per document in the measured batches."""
    model = _config_of(network, config).model
    rows = _batches(config, corpus, batches)
    operations = sum(least_operations(corpus.train.words[batch], model, len(corpus.classes)) for batch in rows)
    return operations / sum(map(len, rows))


def least_operations(words: np.ndarray, model: ModelConfig, classes: int) -> int:
    """The floor of a training step: floating-point operations of its matrix products, two per multiply-add.

    Counts real words and sentences only, the input projection of the LSTM once per distinct word, and its recurrent
    product for all but the first word of a sequence, whose state is 0. Activations, softmaxes, sums and data movement
    are not counted.

    Args:
        words: [B, S, W] ids, 0 for padding.
        model: sizes of the network.
        classes: number of classes.
    """
    units, both = model.lstm_units, 2 * model.lstm_units  # U, 2U
    gates = 2 * 4 * units  # of both directions
    lengths = np.count_nonzero(words, axis=2)  # [B, S]
    documents, sentences, tokens = len(words), np.count_nonzero(lengths), lengths.sum()
    in_use = np.count_nonzero(lengths.any(axis=1))  # documents with a word
    distinct = len(np.unique(words[words != 0]))
    sentence_size = 2 * both if model.focused_attention else both

    word_encoder = distinct * model.embedding_size * gates + (tokens - sentences) * units * gates
    word_attention = tokens * (both * model.attention_size + model.attention_size + both)
    sentence_encoder = (sentences * sentence_size + (sentences - in_use) * units) * gates
    sentence_attention = sentences * (both * model.attention_size + model.attention_size + both)
    products = word_encoder + word_attention + sentence_encoder + sentence_attention + documents * both * classes
    if model.focused_attention:
        projections, pairs = tokens * 2 * both * model.d_k, (lengths.astype(np.int64) ** 2).sum() * model.d_k
        products += projections + pairs + tokens * both
    return int(2 * PASSES * products)


def peak_memory(network: str, workload: tuple[Config, Path, Path, int]) -> float:
    """Peak resident memory in MiB of a process that trains on ten batches."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_of_ten_steps, (network, *workload[:3]))


def _peak_of_ten_steps(network: str, config: Config, data: Path, cache: Path) -> float:
    corpus = encode_corpus(config.dataset, data, config.text, cache)
    step = _make_step(network, config, corpus)
    for rows in _batches(config, corpus, 10):
        step(rows)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def preprocessing_speeds(config: Config, data: Path, count: int) -> tuple[float, float]:
    """Documents/s of `encode_corpus` on all cores, including start-up, and of a loop over nltk.pos_tag."""
    whole = newsgroups.read(data, config.text)
    sample: list[Document] = list(whole.train)[:: max(1, len(whole.train) // count)][:count]
    TextAnalyser(config.text, data)  # adds nltk_data of the data folder to NLTK's path
    start = time.perf_counter()
    for document in sample:
        for sentence in nltk.sent_tokenize(document.text):
            nltk.pos_tag(nltk.word_tokenize(sentence))
    loop = len(sample) / (time.perf_counter() - start)
    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        encode_corpus(config.dataset, data, config.text, Path(cache))
        ours = (len(whole.train) + len(whole.test)) / (time.perf_counter() - start)
    return ours, loop


if __name__ == "__main__":
    run_command(main)
