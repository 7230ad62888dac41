"""The command-line options that training and prediction share."""

import argparse
import os
from pathlib import Path

from data.errors import UserError


def add_shared_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--data`, `--gpus` and `--cache`."""
    add_data_and_gpu_options(parser)
    parser.add_argument("--cache", type=Path, help="folder of the encoded data sets (default: cache/ among the runs)")


def add_data_and_gpu_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--data` and `--gpus`, for a command that encodes no data set."""
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("FAN_DATA") or "datasets"),
        help="folder of the data sets (default: $FAN_DATA, else datasets)",
    )
    parser.add_argument("--gpus", help="ids of the GPUs that may be seen; a run uses the first (default: all)")


def seed_number(text: str) -> int:
    """A seed as NumPy, Keras and Python all take it."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 0 to 4294967295")
    return int(text)


def choose_gpus(ids: str | None) -> None:
    """Hides all other GPUs from TensorFlow, which must not have been imported yet."""
    if ids is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = ids


def require_gpus(ids: str | None) -> None:
    """Raises a `UserError` where GPUs were asked for and TensorFlow sees none: it would quietly take the CPU."""
    import tensorflow as tf

    if ids and not tf.config.list_physical_devices("GPU"):
        raise UserError(f"--gpus {ids}: TensorFlow sees no such GPU here; leave --gpus out to run on the CPU")
