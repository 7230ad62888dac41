"""Measures training and preprocessing of documents side by side: `python -m scripts.bench_language`.

Every ratio compares things measured alternately in one run, since a time alone says as much of the machine and its
other work as of the code.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from data import newsgroups
from data.config import read_config
from data.encoding import EncodedCorpus, encode_corpus
from data.errors import run_command
from data.records import Document
from data.text import TextAnalyser
from language.config import Config

CONFIGS = Path(__file__).parents[1] / "language" / "configs"
STOCK = "stock Keras HAN"
NETWORKS = ("hatt", "fan-unsup", "fan-sup", STOCK)
COMPARISONS = (("hatt", STOCK), ("fan-sup", STOCK), ("fan-unsup", "hatt"), ("fan-sup", "fan-unsup"))


def stock_han(config: Config, vocabulary_size: int, classes: int):
    """HAN as Keras' own layers give it: TimeDistributed over all sentence slots, masks by `mask_zero`.

    Attention pooling is a dense layer and Keras' softmax with a mask.
    """
    import keras
    import tensorflow as tf

    sizes, layers = config.model, keras.layers

    def pooled(sequence, mask):
        hidden = layers.Dense(sizes.attention_size, activation="tanh")(sequence)
        logits = layers.Flatten()(layers.Dense(1, use_bias=False)(hidden))
        return layers.Dot(1)([layers.Softmax()(logits, mask=mask), sequence])

    words = keras.Input((config.text.max_words,), dtype="int32")
    embedded = layers.Embedding(vocabulary_size, sizes.embedding_size, mask_zero=True)(words)
    encoded = layers.Bidirectional(layers.LSTM(sizes.lstm_units, return_sequences=True))(embedded)
    sentence_encoder = keras.Model(words, pooled(encoded, tf.not_equal(words, 0)))

    document = keras.Input((config.text.max_sentences, config.text.max_words), dtype="int32")
    in_use = tf.reduce_any(tf.not_equal(document, 0), axis=-1)
    sentences = layers.TimeDistributed(sentence_encoder)(document)
    encoded = layers.Bidirectional(layers.LSTM(sizes.lstm_units, return_sequences=True))(sentences, mask=in_use)
    return keras.Model(document, layers.Dense(classes)(pooled(encoded, in_use)))


def make_step(network: str, config: Config, corpus: EncodedCorpus) -> Callable[[np.ndarray], None]:
    """A training step of the network on the documents at the given rows, compiled on its first call."""
    import keras
    import tensorflow as tf

    from language.checkpoint import build_model
    from language.train import make_train_step

    documents = corpus.train
    tf.config.experimental.enable_op_determinism()  # As training does.
    optimizer = keras.optimizers.Adam(config.training.learning_rate)
    if network == STOCK:
        model = stock_han(config, len(corpus.vocabulary), len(corpus.classes))
        model.compile(optimizer, tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return lambda rows: model.train_on_batch(documents.words[rows].astype(np.int32), documents.labels[rows])

    config = read_config(Config, CONFIGS / config.preset / config.dataset / f"{network}.yaml")
    model = build_model(config, len(corpus.vocabulary), len(corpus.classes))
    optimizer.build(model.trainable_variables)
    step = make_train_step(model, optimizer, config)

    def run(rows: np.ndarray) -> None:
        float(step(documents.words[rows], documents.categories[rows], documents.labels[rows])["correct"])

    return run


def training_speeds(config: Config, corpus: EncodedCorpus, rounds: int, batches: int) -> dict[str, list[float]]:
    """Documents a second of each network, [rounds] each, the networks taking turns on the same batches."""
    size = min(config.training.batch_size, len(corpus.train))
    order = np.random.default_rng(0).permutation(len(corpus.train))
    rows = [np.take(order, range(n * size, (n + 1) * size), mode="wrap") for n in range(batches)]
    steps = {network: make_step(network, config, corpus) for network in NETWORKS}
    speeds: dict[str, list[float]] = {network: [] for network in NETWORKS}
    for step in steps.values():
        step(rows[0])  # Compiles.
    for _ in range(rounds):
        for network, step in steps.items():
            start = time.perf_counter()
            for batch in rows:
                step(batch)
            speeds[network].append(batches * size / (time.perf_counter() - start))
    return speeds


def _peak_of_ten_steps(network: str, config: Config, data: Path, cache: Path) -> float:
    corpus = encode_corpus(config.dataset, data, config.text, cache)
    step = make_step(network, config, corpus)
    order = np.random.default_rng(0).permutation(len(corpus.train))
    for start in range(10):
        step(np.take(order, range(start, start + config.training.batch_size), mode="wrap"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def peak_memory(network: str, config: Config, data: Path, cache: Path) -> float:
    """Peak resident memory in MiB of a process of its own that trains ten batches."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_of_ten_steps, (network, config, data, cache))


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


def main() -> None:
    """Command line of `python -m scripts.bench_language`."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench_language", description=__doc__.partition(":")[0] + "."
    )
    parser.add_argument("--preset", choices=["paper", "mini"], default="paper", help="sizes (default: paper)")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FAN_DATA") or "datasets"), help="data folder")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="encoded data (default: runs/cache)")
    parser.add_argument("--rounds", type=int, default=5, help="turns each network takes (default: 5)")
    parser.add_argument("--batches", type=int, default=4, help="batches a turn (default: 4)")
    parser.add_argument("--documents", type=int, default=400, help="documents for the nltk loop (default: 400)")
    arguments = parser.parse_args()
    config = read_config(Config, CONFIGS / arguments.preset / "20news" / "hatt.yaml")
    corpus = encode_corpus(config.dataset, arguments.data, config.text, arguments.cache)

    peaks = {network: peak_memory(network, config, arguments.data, arguments.cache) for network in NETWORKS}
    speeds = training_speeds(config, corpus, arguments.rounds, arguments.batches)
    print(
        f"\ntraining, batches of {config.training.batch_size}: median of {arguments.rounds} turns (lowest to highest)"
    )
    for network, values in speeds.items():
        spread = f"({min(values):.0f} to {max(values):.0f})"
        print(f"  {network:16} {statistics.median(values):6.0f} documents/s {spread:16} peak {peaks[network]:5.0f} MiB")
    for network, base in COMPARISONS:
        ratios = [one / other for one, other in zip(speeds[network], speeds[base], strict=True)]
        print(f"  {network} : {base} = {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    if config.text.tagger == "perceptron":
        ours, loop = preprocessing_speeds(config, arguments.data, arguments.documents)
        print(
            f"\npreprocessing: {ours:.0f} documents/s on {os.cpu_count()} cores, {loop:.0f} by a loop over nltk.pos_tag"
        )
        print(f"  ours : loop = {ours / loop:.2f}")


if __name__ == "__main__":
    run_command(main)
