"""MXNet's files of named arrays (`.params`)."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mxnet as mx
import numpy as np
from mxnet.ndarray import NDArray

from data.common.errors import REMEDIES, UserError
from data.common.files import replaced_on_success
from vision.devices import reason


def read_parameters(path: Path) -> dict[str, NDArray]:
    """The named arrays of a file. Nothing is unpickled.

    Raises:
        UserError: the file is missing, damaged or not one of MXNet.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; give the path of a .params file")
    try:
        found = mx.nd.load(str(path))
    except (mx.MXNetError, ValueError) as error:
        raise UserError(
            f"{path}: damaged, or not a .params file of MXNet ({reason(error)}); download or copy it again"
        ) from None
    if not isinstance(found, dict) or not found:
        raise UserError(f"{path}: has no named parameters; give a .params file with the weights of a network")
    return found


def write_parameters(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes a `.params` file of float32 arrays in one step.

    Raises:
        UserError: the disk is full.
    """
    with verified_on_success(path) as temporary:
        mx.nd.save(str(temporary), {name: mx.nd.array(array, dtype="float32") for name, array in arrays.items()})


@contextmanager
def verified_on_success(path: Path) -> Iterator[Path]:
    """Yields a temporary path for a `.params` file, which replaces `path` when the block ends and the file is readable.

    MXNet reports no error if the disk is full at the last bytes, so the file is read again.

    Raises:
        UserError: the disk is full.
    """
    with replaced_on_success(path) as temporary:
        try:
            yield temporary
            mx.nd.load(str(temporary))
        except mx.MXNetError as error:
            raise UserError(f"{path}: cannot be written ({reason(error)}); {REMEDIES[errno.ENOSPC]}") from None
