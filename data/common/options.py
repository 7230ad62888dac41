"""Command-line options that several commands share."""

import argparse
import os
from pathlib import Path


def training_parser(package: str, example: str, module: str = "train") -> argparse.ArgumentParser:
    """The options of all training commands `python -m <package>.<module>`; `example` ends the help text."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {package}.{module}",
        description="Trains one experiment into <runs>/<preset>/<data set>/<variant>/seed<k>/.",
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help=f"a file in {package}/configs/")
    parser.add_argument("--seed", type=seed_number, default=0, help="seed of weights and order of data (default: 0)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the runs (default: runs)")
    parser.add_argument(
        "--set",
        action="append",
        metavar="SECTION.KEY=VALUE",
        help="replace a value of the config; use a separate --runs folder for such runs",
    )
    add_data_option(parser)
    add_gpus_option(parser)
    return parser


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--data`."""
    parser.add_argument(
        "--data",
        type=Path,
        default=data_folder(),
        help="folder of the data sets (default: $FAN_DATA, else datasets)",
    )


def data_folder() -> Path:
    """The default of `--data`: the environment variable FAN_DATA, or `datasets` if it is not set or empty."""
    return Path(os.environ.get("FAN_DATA") or "datasets")


def add_gpus_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--gpus`."""
    parser.add_argument("--gpus", help="ids of the GPUs to use, such as 0,1 (default: all)")


def seed_number(text: str) -> int:
    """Parses a seed in the range that NumPy, Keras, MXNet and Python all accept.

    Example:
        >>> seed_number("7")
        7
    """
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text} must be an integer from 0 to 2147483647")
    return int(text)


def count_from_1(text: str) -> int:
    """Parses an integer of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} must be an integer of at least 1")
    return int(text)


def choose_gpus(ids: str | None) -> None:
    """Makes only these GPUs visible, by the ids of nvidia-smi. Call it before TensorFlow or MXNet is used."""
    if ids is not None:
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        os.environ["CUDA_VISIBLE_DEVICES"] = ids
