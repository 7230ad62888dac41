"""What the commands of documents share besides `data.common.options`."""

import argparse
from pathlib import Path

from data.common.errors import UserError


def add_cache_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--cache`."""
    parser.add_argument("--cache", type=Path, help="folder of the encoded data sets (default: cache/ among the runs)")


def require_gpus(ids: str | None) -> None:
    """Raises a `UserError` where GPUs were asked for and TensorFlow sees none: it would quietly take the CPU."""
    import tensorflow as tf

    if ids and not tf.config.list_physical_devices("GPU"):
        raise UserError(f"--gpus {ids}: TensorFlow sees no such GPU here; leave --gpus out to run on the CPU")
