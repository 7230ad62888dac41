"""Command-line options that images and documents share."""

import argparse
import os
from pathlib import Path


def training_parser(package: str, example: str, module: str = "train") -> argparse.ArgumentParser:
    """The options that `python -m vision.train` and `language.train` share; `example` is the end of the help text."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {package}.{module}",
        description="Trains one experiment into <runs>/<preset>/<data set>/<variant>/seed<k>/.",
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help=f"a file of {package}/configs/")
    parser.add_argument(
        "--seed", type=seed_number, default=0, help="of the weights and the order of the data (default: 0)"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder for the runs (default: runs)")
    parser.add_argument(
        "--set",
        action="append",
        metavar="SECTION.KEY=VALUE",
        help="replaces a value of the config; such a run belongs in a --runs folder of its own",
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
    """The default of `--data`: the environment variable FAN_DATA, or `datasets`."""
    return Path(os.environ.get("FAN_DATA") or "datasets")


def add_gpus_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--gpus`."""
    parser.add_argument("--gpus", help="ids of the GPUs to use, such as 0,1 (default: all)")


def seed_number(text: str) -> int:
    """Parses a seed that NumPy, Keras, MXNet and Python accept."""
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text} must be an integer from 0 to 2147483647")
    return int(text)


def count_from_1(text: str) -> int:
    """Parses a positive integer.

    Example:
        >>> count_from_1("3")
        3
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} must be a positive integer")
    return int(text)


def choose_gpus(ids: str | None) -> None:
    """Hides all other GPUs from TensorFlow and MXNet; call it before they are imported. Ids are those of nvidia-smi."""
    if ids is not None:
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        os.environ["CUDA_VISIBLE_DEVICES"] = ids
