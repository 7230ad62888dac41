"""Measures how time and memory of documents grow with their number: `python -m scripts.bench.growth`.

Parts and the whole of 20 Newsgroups are trained on for an epoch; beyond its size, made-up rows in Yahoo Answers' format
are encoded and trained on for some steps. All at the paper's sizes, every measurement in a process of its own. "Linear"
shows in the time of a document, "flat" in anonymous memory, which the kernel counts apart from the mapped arrays.
"""

import argparse
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.common.config import read_config
from data.common.errors import UserError, run_command
from data.common.options import count_from_1
from data.common.runs import RunFolder
from data.text import yahoo
from data.text.encoding import EncodedCorpus, EncodedDocuments, encode_corpus
from data.text.word_vectors import word_vectors
from language.config import Config
from scripts.bench.made_up_rows import CLASSES, write_rows
from scripts.bench.process_memory import peak_resident, resident, resident_files
from scripts.tables.markdown import markdown_table

if TYPE_CHECKING:
    from language.engine import Step

EXAMPLE = """\
example, a minute and no data set needed:
  python -m scripts.bench.growth --posts --sizes 2000 5000 --steps 3

700,000 rows need 4 GB below --work while they are encoded.
"""

CONFIGS = Path(__file__).parents[2] / "language" / "configs" / "paper"
# Made-up words have no tags to find; NLTK's models would take a quarter of an hour for them, skip-gram an hour.
QUICK = ("text.sentences=punkt-untrained", "text.tagger=lexicon", "model.word_vectors=random")
TRAIN_ROWS_OF_A_TEST_ROW = 10


# --- measurements, each made in a process of its own ----------------------------------------------------------------


@dataclass(frozen=True)
class Encoding:
    """What encoding took.

    Args:
        documents: of both splits.
        seconds: they took, start of the workers included.
        anonymous: MiB, the most there was in the process that writes the arrays.
        worker: MiB, the most there was in one of the processes that cut texts into words, libraries included.
        arrays: MiB.
    """

    documents: int
    seconds: float
    anonymous: float
    worker: float
    arrays: float


@dataclass(frozen=True)
class Training:
    """What training took.

    Args:
        size: training documents of the corpus.
        vocabulary: its words.
        opening: seconds to open the encoded corpus.
        starting: seconds from asking for the process to the end of its first step, which compiles.
        documents: those trained on after that.
        seconds: they took.
        first: MiB of anonymous memory after the first step.
        anonymous, mapped: MiB, the most there was.
        vectors: MiB of the word vectors and Adam's two moments of them, a part of `anonymous`.
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
    """Encodes a data set that is not in the cache."""
    start = time.perf_counter()
    with peak_resident() as peaks:
        corpus = encode_corpus(config.dataset, root, config.text, cache)
    seconds = time.perf_counter() - start
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    arrays = sum(array.nbytes for split in (corpus.train, corpus.test) for array in _arrays(split)) / 2**20
    return Encoding(len(corpus.train) + len(corpus.test), seconds, peaks["anonymous"], worker, arrays)


def train(asked: float, config: Config, root: Path, cache: Path, count: int) -> Training:
    """Opens an encoded data set as `language.train` does and trains on about `count` documents spread over it.

    Args:
        asked: `time.perf_counter()` when this process was asked for; all processes share that clock.
        config: the experiment.
        root: data folder.
        cache: folder of the encoded corpora.
        count: how many documents.
    """
    from language.engine import train_epoch

    with peak_resident() as peaks:
        start = time.perf_counter()
        corpus = encode_corpus(config.dataset, root, config.text, cache)
        opening = time.perf_counter() - start
        step = _make_step(config, corpus)
        batch = slice(config.training.batch_size)
        sums = step(corpus.train.words[batch], corpus.train.categories[batch], corpus.train.labels[batch])
        float(sums["correct"])  # Waits for it.
        starting = time.perf_counter() - asked
        first = resident(Path("/proc/self/status").read_text())["anonymous"]
        documents = spread(corpus.train, count)
        start = time.perf_counter()
        train_epoch(step, documents, config, seed=0, epoch=1)
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


def _make_step(config: Config, corpus: EncodedCorpus) -> "Step":
    """All that `language.engine.train` does before its first step; what it writes goes to a temporary folder."""
    import keras
    import tensorflow as tf

    from language.checkpoint import build_model, keep_inputs
    from language.engine import make_train_step
    from language.packed.han import quickest_forward

    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    with tempfile.TemporaryDirectory() as folder:
        keep_inputs(RunFolder(Path(folder)), corpus)
    model = build_model(config, len(corpus.vocabulary), len(corpus.classes))
    optimizer = keras.optimizers.Adam(config.training.learning_rate)
    optimizer.build(model.trainable_variables)
    vectors = word_vectors(config.model.word_vectors, corpus, config.model.embedding_size, seed=0)
    model.embedding.set_weights([vectors])
    return make_train_step(model, quickest_forward(model), optimizer, config)


def spread(documents: EncodedDocuments, count: int) -> EncodedDocuments:
    """Every k-th document, with the k that comes nearest to `count` of them; the arrays stay mapped."""
    stride = max(1, round(len(documents) / count))
    return EncodedDocuments(*(array[::stride] for array in _arrays(documents)))


def _arrays(documents: EncodedDocuments) -> tuple[np.ndarray, ...]:
    return documents.ids, documents.labels, documents.words, documents.categories


_held: EncodedCorpus  # What a process that measures sharing holds open between its two calls.


def hold(config: Config, root: Path, cache: Path) -> None:
    """Opens an encoded data set and reads every page of it."""
    global _held
    _held = encode_corpus(config.dataset, root, config.text, cache)
    for split in (_held.train, _held.test):
        for array in _arrays(split):
            for start in range(0, len(array), 10_000):
                array[start : start + 10_000].tobytes()


def held() -> dict[str, float]:
    """The `resident_files` of the data set that this process holds."""
    return resident_files(Path("/proc/self/smaps").read_text(), _held.folder)


# --- their course ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Growth:
    """All that is measured of a number of rows; `shared` has the sums over two processes that hold the arrays."""

    rows: int
    encoding: Encoding
    training: Training
    shared: dict[str, float]


def measure_posts(counts: list[int], root: Path, cache: Path) -> list[Training]:
    """An epoch of each part of 20 Newsgroups."""
    config = read_config(Config, CONFIGS / "20news" / "fan-sup.yaml", ["model.word_vectors=random"])
    encode_corpus(config.dataset, root, config.text, cache)
    return [_measured(train, time.perf_counter(), config, root, cache, count) for count in counts]


def measure_rows(rows: int, folder: Path, steps: int) -> Growth:
    """Writes the rows where they are not there yet, encodes them anew, and trains."""
    root, cache = folder / f"rows-{rows}", folder / f"encoded-{rows}"
    test_rows = max(CLASSES, rows // TRAIN_ROWS_OF_A_TEST_ROW // CLASSES * CLASSES)
    sizes = (f"text.train_documents={rows}", f"text.test_documents={test_rows}")
    config = read_config(Config, CONFIGS / "yahoo-half" / "fan-sup.yaml", [*QUICK, *sizes])
    if not (root / yahoo.FOLDER / "test.csv").is_file():
        write_rows(root, {"train.csv": rows, "test.csv": test_rows})
    shutil.rmtree(cache, ignore_errors=True)
    encoding = _measured(encode, config, root, cache)
    training = _measured(train, time.perf_counter(), config, root, cache, steps * config.training.batch_size)
    with _process() as one, _process() as other:
        for process in (one, other):
            _result(process, hold, config, root, cache)
        memory = [_result(process, held) for process in (one, other)]
    return Growth(rows, encoding, training, {name: sum(one[name] for one in memory) for name in ("Rss", "Pss")})


def _measured(function: Callable[..., Any], *arguments: Any) -> Any:
    with _process() as process:
        return _result(process, function, *arguments)


def _process() -> Executor:
    return ProcessPoolExecutor(1, get_context("spawn"))


def _result(process: Executor, function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return process.submit(function, *arguments).result()
    except BrokenProcessPool:
        raise UserError(
            f"{function.__name__}: its process was killed, as the system does where memory is short; free some, or "
            "give smaller --sizes"
        ) from None


# --- tables ---------------------------------------------------------------------------------------------------------


def posts_table(trainings: list[Training]) -> str:
    """An epoch of each part of 20 Newsgroups."""
    header = ["documents", "an epoch", "a document", "to the first", "anonymous", "mapped, libraries too"]
    lines = []
    for one in trainings:
        times = [f"{one.seconds:.1f} s", *_per_document(one, trainings[0])]
        lines.append([f"{one.documents:,}", *times, *_mib(one.anonymous, one.mapped)])
    return markdown_table(header, lines)


def encoding_table(measured: list[Growth]) -> str:
    """What encoding took at each size."""
    header = ["rows", "test rows", "documents/s", "a document", "to the first", "anonymous", "a worker", "arrays"]
    lines = []
    for growth in measured:
        one = growth.encoding
        speed = [f"{one.documents / one.seconds:,.0f}", *_per_document(one, measured[0].encoding)]
        memory = _mib(one.anonymous, one.worker, one.arrays)
        lines.append([f"{growth.rows:,}", f"{one.documents - growth.rows:,}", *speed, *memory])
    return markdown_table(header, lines)


def start_table(measured: list[Growth]) -> str:
    """How long a training takes to its first step where the arrays are there, and what two that read them take."""
    header = ["rows", "open the arrays", "first step done", "arrays", "resident in two processes", "memory they take"]
    lines = []
    for growth in measured:
        seconds = [f"{growth.training.opening:.2f} s", f"{growth.training.starting:.1f} s"]
        memory = _mib(growth.encoding.arrays, growth.shared["Rss"], growth.shared["Pss"])
        lines.append([f"{growth.rows:,}", *seconds, *memory])
    return markdown_table(header, lines)


def training_table(measured: list[Growth]) -> str:
    """What training took at each size."""
    header = ["rows", "vocabulary", "trained on", "a document", "to the first", "an epoch, extrapolated"]
    header += ["anonymous after a step", "at most", "of it word vectors", "mapped, libraries too"]
    lines = []
    for growth in measured:
        one = growth.training
        counts = [f"{count:,}" for count in (growth.rows, one.vocabulary, one.documents)]
        epoch = f"{one.seconds / one.documents * one.size / 60:.1f} min"
        memory = _mib(one.first, one.anonymous, one.vectors, one.mapped)
        lines.append([*counts, *_per_document(one, measured[0].training), epoch, *memory])
    return markdown_table(header, lines)


def _per_document(one: Training | Encoding, first: Training | Encoding) -> list[str]:
    seconds, base = one.seconds / one.documents, first.seconds / first.documents
    return [f"{1000 * seconds:.2f} ms", f"{seconds / base:.2f}"]


def _mib(*amounts: float) -> list[str]:
    return [f"{amount:,.0f} MiB" for amount in amounts]


# --- command line ---------------------------------------------------------------------------------------------------


def main() -> None:
    """Command line of `python -m scripts.bench.growth`."""
    arguments = _parse_arguments()
    if arguments.posts:
        trainings = measure_posts(arguments.posts, arguments.data, arguments.cache)
        print(f"\n20 Newsgroups, an epoch of parts and of the whole\n\n{posts_table(trainings)}")
    if arguments.work:
        arguments.work.mkdir(parents=True, exist_ok=True)
    kept = nullcontext(arguments.work)
    measured: list[Growth] = []
    try:
        with kept if arguments.keep else tempfile.TemporaryDirectory(dir=arguments.work) as folder:
            for rows in arguments.sizes:
                measured.append(measure_rows(rows, Path(folder), arguments.steps))
    finally:  # What was measured is shown even where a larger size fails.
        if measured:
            print(
                f"\nrows, encoded on {os.cpu_count()} cores with a lexicon for a tagger\n\n{encoding_table(measured)}"
            )
            print(f"\nrows, start from the cache\n\n{start_table(measured)}")
            print(f"\nrows, training\n\n{training_table(measured)}")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench.growth",
        description=__doc__.partition(":")[0] + ".",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FAN_DATA") or "datasets"), help="data folder")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="encoded posts (default: runs/cache)")
    parser.add_argument(
        "--posts",
        type=count_from_1,
        nargs="*",
        default=[1000, 3000, 11314],
        metavar="N",
        help="how many posts of 20 Newsgroups, about (default: 1000 3000 11314); without a number, none",
    )
    parser.add_argument(
        "--sizes",
        type=_rows,
        nargs="*",
        default=[100_000, 700_000],
        metavar="N",
        help="how many made-up rows (default: 100000 700000); without a number, none",
    )
    parser.add_argument(
        "--steps", type=count_from_1, default=300, help="steps of training on rows, about (default: 300)"
    )
    parser.add_argument("--work", type=Path, help="folder for rows and their arrays (default: a temporary one)")
    parser.add_argument("--keep", action="store_true", help="leave them in --work, and take rows that are there")
    arguments = parser.parse_args()
    if arguments.keep and not arguments.work:
        parser.error("--keep needs a folder to keep them in; give --work")
    return arguments


def _rows(text: str) -> int:
    if count_from_1(text) % CLASSES:
        raise argparse.ArgumentTypeError(f"{text} is no multiple of the {CLASSES} classes")
    return int(text)


if __name__ == "__main__":
    run_command(main)
