"""The command-line options that images and documents share."""

import argparse
import os
from pathlib import Path


def training_parser(package: str, example: str, module: str = "train") -> argparse.ArgumentParser:
    """The command line of `python -m <package>.<module>`, but for what only one of them has; `example` stands below."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {package}.{module}",
        description="Trains one experiment into <runs>/<preset>/<data set>/<variant>/seed<k>/.",
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help=f"a file of {package}/configs/")
    parser.add_argument("--seed", type=seed_number, default=0, help="of weights and order of the data (default: 0)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the runs (default: runs)")
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
    """Where the data sets are unless `--data` says otherwise."""
    return Path(os.environ.get("FAN_DATA") or "datasets")


def add_gpus_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--gpus`."""
    parser.add_argument("--gpus", help="ids of the GPUs that may be seen, as 0,1 (default: all)")


def seed_number(text: str) -> int:
    """A seed as NumPy, Keras, MXNet and Python all take it."""
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 0 to 2147483647")
    return int(text)


def count_from_1(text: str) -> int:
    """How many of something there are to be."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1")
    return int(text)


def choose_gpus(ids: str | None) -> None:
    """Hides all other GPUs from TensorFlow or MXNet, which must not have been used yet. Ids are those of nvidia-smi."""
    if ids is not None:
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        os.environ["CUDA_VISIBLE_DEVICES"] = ids
