"""Measures training and preprocessing of documents side by side: `python -m scripts.bench.language`.

Networks, and ways to use the cores, take turns on the same batches in one run, since a time alone says as much of the
machine and its other work as of the code. Preprocessing, which takes longer, is measured once, after its loop.
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

import numpy as np

from data.common.config import read_config
from data.common.errors import run_command
from data.common.options import count_from_1
from data.records import Document
from data.text import newsgroups
from data.text.encoding import EncodedCorpus, encode_corpus
from data.text.sentences import TextAnalyser
from language.config import Config
from scripts.bench.least_operations import least_operations
from scripts.bench.stock_han import stock_han
from scripts.bench.turns import median_and_range, ratio, take_turns

CONFIGS = Path(__file__).parents[2] / "language" / "configs"
STOCK = "stock Keras HAN"
PLAIN = "fan-sup, plain"  # HAN.call, which computes padding, too.
NETWORKS = ("hatt", "fan-unsup", "fan-sup", PLAIN, STOCK)
COMPARISONS = (
    ("hatt", STOCK),
    ("fan-sup", STOCK),
    ("fan-sup", PLAIN),
    ("fan-unsup", "hatt"),
    ("fan-sup", "fan-unsup"),
)
PRODUCT = "matrix product"  # Of two square matrices, for the rate that the machine can do.
PRODUCT_SIZE, PRODUCTS = 2048, 20

Turn = Callable[[], None]


def main() -> None:
    """Command line of `python -m scripts.bench.language`."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench.language", description=__doc__.partition(":")[0] + "."
    )
    parser.add_argument("--preset", choices=["paper", "mini"], default="paper", help="sizes (default: paper)")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FAN_DATA") or "datasets"), help="data folder")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="encoded data (default: runs/cache)")
    parser.add_argument("--rounds", type=count_from_1, default=5, help="turns each network takes (default: 5)")
    parser.add_argument("--batches", type=count_from_1, default=4, help="batches a turn (default: 4)")
    parser.add_argument(
        "--documents", type=count_from_1, default=400, help="documents for the nltk loop (default: 400)"
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
        print(f"\n{layout}, batches of {config.training.batch_size}: median of {arguments.rounds} turns (spread)")
        rate = statistics.median(speeds[layout][PRODUCT])
        print(f"  {PRODUCT:16} {rate / 1e9:6.0f} GFLOP/s")
        for network in NETWORKS:
            values = speeds[layout][network]
            of_floor = rate / floors[network] / statistics.median(values)
            print(f"  {network:16} {median_and_range(values):18} documents/s, {of_floor:.2f} times its floor")
        for network, base in COMPARISONS:
            print(f"  {ratio(network, speeds[layout][network], base, speeds[layout][base])}")
    print("\nfloor: the products of a step on real words, at the rate of a large matrix product; and peak memory")
    for network in NETWORKS:
        print(f"  {network:16} {floors[network] / 1e6:6.0f} MFLOP a document {peaks[network]:7.0f} MiB")
    print(f"  fan-sup : hatt = {floors['fan-sup'] / floors['hatt']:.2f} in operations\n")
    for network in NETWORKS:
        print(f"  {ratio(f'{network}, {apart}', speeds[apart][network], together, speeds[together][network])}")

    if config.text.tagger == "perceptron":
        ours, loop = preprocessing_speeds(config, arguments.data, arguments.documents)
        print(f"\npreprocessing: {ours:.0f} documents/s on {cores} cores, {loop:.0f} by a loop over nltk.pos_tag")
        print(f"  ours : loop = {ours / loop:.2f}")


def measure_in_turns(
    layouts: dict[str, tuple[int, int]], workload: tuple[Config, Path, Path, int], rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Speeds [rounds] by layout, of every network in documents a second and of matrix products in FLOP a second.

    Args:
        layouts: number of processes and threads of each; the processes of a layout do the same at the same time, and
            their speeds are added.
        workload: config, data folder, cache and batches a turn.
        rounds: turns that each network takes in each layout.
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


_worker: dict[str, tuple[Turn, float]] = {}  # Of a worker process: each name's turn and what it works off.


def _start_worker(threads: int, config: Config, data: Path, cache: Path, batches: int) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    corpus = encode_corpus(config.dataset, data, config.text, cache)
    rows = _batches(config, corpus, batches)
    square = tf.random.normal([PRODUCT_SIZE, PRODUCT_SIZE])
    _worker[PRODUCT] = (
        (lambda: [tf.matmul(square, square) for _ in range(PRODUCTS)][-1].numpy().sum()),
        (PRODUCTS * 2.0 * PRODUCT_SIZE**3),
    )
    for network in NETWORKS:
        step = make_step(network, config, corpus)
        _worker[network] = (lambda step=step: [step(batch) for batch in rows]), float(sum(map(len, rows)))


def _timed_turn(name: str) -> float:
    turn, work = _worker[name]
    start = time.perf_counter()
    turn()
    return work / (time.perf_counter() - start)


def _batches(config: Config, corpus: EncodedCorpus, batches: int) -> list[np.ndarray]:
    size = min(config.training.batch_size, len(corpus.train))
    order = np.random.default_rng(0).permutation(len(corpus.train))
    return [np.take(order, range(n * size, (n + 1) * size), mode="wrap") for n in range(batches)]


def make_step(network: str, config: Config, corpus: EncodedCorpus) -> Callable[[np.ndarray], None]:
    """A training step of the network on the documents at the given rows, compiled on its first call."""
    import keras
    import tensorflow as tf

    from language.checkpoint import build_model
    from language.engine import make_train_step
    from language.packed.han import quickest_forward

    documents = corpus.train
    tf.config.experimental.enable_op_determinism()  # As training does.
    optimizer = keras.optimizers.Adam(config.training.learning_rate)
    if network == STOCK:
        model = stock_han(config, len(corpus.vocabulary), len(corpus.classes))
        model.compile(optimizer, tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return lambda rows: model.train_on_batch(documents.words[rows].astype(np.int32), documents.labels[rows])

    config = _config_of(network, config)
    model = build_model(config, len(corpus.vocabulary), len(corpus.classes))
    optimizer.build(model.trainable_variables)
    step = make_train_step(model, model if network == PLAIN else quickest_forward(model), optimizer, config)

    def run(rows: np.ndarray) -> None:
        float(step(documents.words[rows], documents.categories[rows], documents.labels[rows])["correct"])

    return run


def _config_of(network: str, config: Config) -> Config:
    variant = {PLAIN: "fan-sup", STOCK: "hatt"}.get(network, network)
    return read_config(Config, CONFIGS / config.preset / config.dataset / f"{variant}.yaml")


def _floor(network: str, config: Config, corpus: EncodedCorpus, batches: int) -> float:
    """Least operations a document, over the batches that are measured."""
    model = _config_of(network, config).model
    rows = _batches(config, corpus, batches)
    operations = sum(least_operations(corpus.train.words[batch], model, len(corpus.classes)) for batch in rows)
    return operations / sum(map(len, rows))


def peak_memory(network: str, workload: tuple[Config, Path, Path, int]) -> float:
    """Peak resident memory in MiB of a process of its own that trains ten batches."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_of_ten_steps, (network, *workload[:3]))


def _peak_of_ten_steps(network: str, config: Config, data: Path, cache: Path) -> float:
    corpus = encode_corpus(config.dataset, data, config.text, cache)
    step = make_step(network, config, corpus)
    for rows in _batches(config, corpus, 10):
        step(rows)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def preprocessing_speeds(config: Config, data: Path, count: int) -> tuple[float, float]:
    """Documents a second of `encode_corpus` on all cores, start-up included, and of the loop over nltk.pos_tag."""
    import nltk

    whole = newsgroups.read(data, config.text)
    sample: list[Document] = list(whole.train)[:: max(1, len(whole.train) // count)][:count]
    TextAnalyser(config.text, data)  # Puts the data folder's nltk_data on NLTK's path.
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
