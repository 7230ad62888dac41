"""What the commands of images share besides `data.options`."""

import argparse

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


def worker_count(text: str) -> int:
    """How many threads may read ahead: more than `MOST_WORKERS` are a slip of the finger."""
    if not text.isdecimal() or int(text) > MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 0 to {MOST_WORKERS}")
    return int(text)
