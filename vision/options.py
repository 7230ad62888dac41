"""Command-line options for images only; the others are in `data.common.options`."""

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
    """Parses an amount of memory."""
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text} must be a number of gigabytes, as 1.5")
    return float(text)


def worker_count(text: str) -> int:
    """Parses a number of workers; large numbers are typing errors."""
    if not text.isdecimal() or int(text) > MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text} must be an integer from 0 to {MOST_WORKERS}")
    return int(text)
