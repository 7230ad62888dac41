"""The command-line options that training and prediction share."""

import argparse
import os
from pathlib import Path


def add_shared_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--data`, `--gpus` and `--cache`."""
    add_data_and_gpu_options(parser)
    parser.add_argument("--cache", type=Path, help="folder of the encoded data sets (default: cache/ among the runs)")


def add_data_and_gpu_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--data` and `--gpus`, for a command that encodes no data set."""
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("FAN_DATA", "datasets")),
        help="folder of the data sets (default: $FAN_DATA, else datasets)",
    )
    parser.add_argument("--gpus", help="ids of the GPUs that may be seen; a run uses the first (default: all)")


def choose_gpus(ids: str | None) -> None:
    """Hides all other GPUs from TensorFlow, which must not have been imported yet."""
    if ids is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = ids
