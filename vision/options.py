"""What the commands of images share besides `data.options`."""

import argparse


def add_workers_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--workers`."""
    parser.add_argument(
        "--workers",
        type=int,
        choices=range(65),
        default=2,
        metavar="N",
        help="threads that read images ahead of the network; 0 for none (default: %(default)s)",
    )
