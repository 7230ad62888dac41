"""Measures how time and memory of documents grow with their number: `python -m scripts.bench.growth`.

Trains one epoch on parts and on all of 20 Newsgroups. For larger sizes, encodes made-up rows in the format of Yahoo
Answers and trains for some steps. All measurements use the paper's sizes and run in separate processes. The time per
document should be constant, and anonymous memory, which does not include the mapped arrays, should not grow.
"""

import argparse
import os
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
from typing import Any

from data.common.config import read_config
from data.common.errors import UserError, run_command
from data.common.options import add_data_option, count_from_1
from data.text import yahoo
from data.text.encoding import encode_corpus
from language.config import Config
from scripts.bench.growth_measurements import Encoding, Training, encode, held, hold, train
from scripts.bench.made_up_rows import CLASSES, write_rows
from scripts.tables.markdown import markdown_table

EXAMPLE = """\
example, takes a minute and needs no dataset:
  python -m scripts.bench.growth --posts --sizes 2000 5000 --steps 3

700,000 rows need 4 GB in --work while they are encoded.
"""

CONFIGS = Path(__file__).parents[2] / "language" / "configs" / "paper"
# Made-up words need no tagger; NLTK's models would take a quarter of an hour, skip-gram an hour.
QUICK = ("text.sentences=punkt-untrained", "text.tagger=lexicon", "model.word_vectors=random")
TRAIN_ROWS_PER_TEST_ROW = 10


# --- measuring ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Growth:
    """The measurements of one size; `shared` is the memory of two processes that open the same arrays."""

    rows: int
    encoding: Encoding
    training: Training
    shared: dict[str, float]


def measure_posts(counts: list[int], root: Path, cache: Path) -> list[Training]:
    """One epoch on each part of 20 Newsgroups."""
    config = read_config(Config, CONFIGS / "20news" / "fan-sup.yaml", ["model.word_vectors=random"])
    encode_corpus(config.dataset, root, config.text, cache)
    return [_measured(train, time.perf_counter(), config, root, cache, count) for count in counts]


def measure_rows(rows: int, folder: Path, steps: int) -> Growth:
    """Writes the rows if they do not exist, encodes them and trains."""
    root, cache = folder / f"rows-{rows}", folder / f"encoded-{rows}"
    test_rows = max(CLASSES, rows // TRAIN_ROWS_PER_TEST_ROW // CLASSES * CLASSES)
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
            f"{function.__name__}: its process was killed, probably for lack of memory; free some, or give smaller "
            "--sizes"
        ) from None


# --- tables ---------------------------------------------------------------------------------------------------------


def posts_table(trainings: list[Training]) -> str:
    """One epoch on each part of 20 Newsgroups."""
    header = ["documents", "epoch", "per document", "ratio", "anonymous", "mapped, with libraries"]
    lines = []
    for one in trainings:
        times = [f"{one.seconds:.1f} s", *_per_document(one, trainings[0])]
        lines.append([f"{one.documents:,}", *times, *_mib(one.anonymous, one.mapped)])
    return markdown_table(header, lines)


def encoding_table(measured: list[Growth]) -> str:
    """Encoding at each size."""
    header = ["rows", "test rows", "documents/s", "per document", "ratio", "anonymous", "worker", "arrays"]
    lines = []
    for growth in measured:
        one = growth.encoding
        speed = [f"{one.documents / one.seconds:,.0f}", *_per_document(one, measured[0].encoding)]
        memory = _mib(one.anonymous, one.worker, one.arrays)
        lines.append([f"{growth.rows:,}", f"{one.documents - growth.rows:,}", *speed, *memory])
    return markdown_table(header, lines)


def start_table(measured: list[Growth]) -> str:
    """Time to the first step with encoded arrays, and memory of two processes that open the same arrays."""
    header = ["rows", "arrays opened", "first step", "arrays", "resident in two processes", "memory used"]
    lines = []
    for growth in measured:
        seconds = [f"{growth.training.opening:.2f} s", f"{growth.training.starting:.1f} s"]
        memory = _mib(growth.encoding.arrays, growth.shared["Rss"], growth.shared["Pss"])
        lines.append([f"{growth.rows:,}", *seconds, *memory])
    return markdown_table(header, lines)


def training_table(measured: list[Growth]) -> str:
    """Training at each size."""
    header = ["rows", "vocabulary", "trained on", "per document", "ratio", "epoch (extrapolated)"]
    header += ["anonymous after a step", "peak", "word vectors in it", "mapped, with libraries"]
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
        print(f"\n20 Newsgroups, one epoch of parts and of all posts\n\n{posts_table(trainings)}")
    if arguments.work:
        arguments.work.mkdir(parents=True, exist_ok=True)
    kept = nullcontext(arguments.work)
    measured: list[Growth] = []
    try:
        with kept if arguments.keep else tempfile.TemporaryDirectory(dir=arguments.work) as folder:
            for rows in arguments.sizes:
                measured.append(measure_rows(rows, Path(folder), arguments.steps))
    finally:  # finished measurements are shown even if a larger size fails
        if measured:
            print(f"\nrows, encoded on {os.cpu_count()} cores with a lexicon as tagger\n\n{encoding_table(measured)}")
            print(f"\nrows, start with encoded arrays\n\n{start_table(measured)}")
            print(f"\nrows, training\n\n{training_table(measured)}")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench.growth",
        description="Measures how time and memory of documents grow with their number.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_option(parser)
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="encoded posts (default: runs/cache)")
    parser.add_argument(
        "--posts",
        type=count_from_1,
        nargs="*",
        default=[1000, 3000, 11314],
        metavar="N",
        help="numbers of posts of 20 Newsgroups (default: 1000 3000 11314); none if empty",
    )
    parser.add_argument(
        "--sizes",
        type=_rows,
        nargs="*",
        default=[100_000, 700_000],
        metavar="N",
        help="numbers of made-up rows (default: 100000 700000); none if empty",
    )
    parser.add_argument("--steps", type=count_from_1, default=300, help="training steps on rows (default: 300)")
    parser.add_argument("--work", type=Path, help="folder for rows and arrays (default: a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="keep rows and arrays in --work, and reuse rows")
    arguments = parser.parse_args()
    if arguments.keep and not arguments.work:
        parser.error("--keep: requires a folder; give --work")
    return arguments


def _rows(text: str) -> int:
    if count_from_1(text) % CLASSES:
        raise argparse.ArgumentTypeError(f"{text} must be a multiple of the {CLASSES} classes")
    return int(text)


if __name__ == "__main__":
    run_command(main)
