"""Files of named arrays as MXNet writes them (`.params`)."""

import errno
from pathlib import Path

import mxnet as mx
import numpy as np
from mxnet.ndarray import NDArray

from data.common.errors import REMEDIES, UserError
from data.common.files import replaced_on_success
from vision.devices import reason


def read_parameters(path: Path) -> dict[str, NDArray]:
    """The arrays of a file by their names. Nothing is unpickled.

    Raises:
        UserError: it is missing, damaged or not a file of MXNet.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file of weights; give the path of a .params file")
    try:
        found = mx.nd.load(str(path))
    except (mx.MXNetError, ValueError) as error:
        raise UserError(
            f"{path}: damaged, or not a .params file of MXNet ({reason(error)}); download or copy it again"
        ) from None
    if not isinstance(found, dict) or not found:
        raise UserError(f"{path}: has no named parameters; give a .params file that a network was saved to")
    return found


def write_parameters(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes a `.params` file of float32 arrays in one step.

    Raises:
        UserError: the disk is full.
    """
    with replaced_on_success(path) as temporary:
        try:
            mx.nd.save(str(temporary), {name: mx.nd.array(array, dtype="float32") for name, array in arrays.items()})
            mx.nd.load(str(temporary))  # If the disk is full at the last bytes, MXNet drops them without an error.
        except mx.MXNetError as error:
            raise UserError(f"{path}: cannot be written ({reason(error)}); {REMEDIES[errno.ENOSPC]}") from None
