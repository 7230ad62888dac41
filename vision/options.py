"""What the commands of images share besides `data.common.options`."""

import argparse
import re

MOST_WORKERS = 64


def add_workers_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--workers`."""
    parser.add_argument(
        "--workers",
        type=worker_count,
        default=2,
        metavar="N",
        help="threads that read images ahead of the network; 0 for none (default: %(default)s)",
    )


def gigabytes(text: str) -> float:
    """An amount of memory."""
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text} is no number of gigabytes, as 1.5")
    return float(text)


def worker_count(text: str) -> int:
    """How many threads may read ahead: more than `MOST_WORKERS` are a slip of the finger."""
    if not text.isdecimal() or int(text) > MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 0 to {MOST_WORKERS}")
    return int(text)
