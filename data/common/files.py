"""Writes files atomically, and reads them with one clear line if they are missing or malformed."""

import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import yaml
from tqdm import tqdm

from data.common.errors import UserError

# What NumPy raises on a file that is truncated, corrupt or not an array, including the errors of zip archives and of
# array headers, which depend on the Python version.
DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    RuntimeError,
    BadZipFile,
    TokenError,
    zlib.error,
)


@contextmanager
def replaced_on_success(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the same folder: renamed to `path` if the block succeeds, otherwise removed.

    Raises:
        OSError: always with the name of `path`, which the system leaves out when the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 file atomically: readers see the old file or the new one."""
    with replaced_on_success(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes indented JSON atomically."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Writes named arrays to a compressed `.npz` atomically."""
    with replaced_on_success(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def read_text(path: Path, what: str, remedy: str) -> str:
    """Reads a UTF-8 file.

    Args:
        path: the file.
        what: the kind of file, for error messages.
        remedy: what to do if it is missing or malformed, for error messages.

    Raises:
        UserError: the file does not exist, or is not a readable text file.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such {what}; {remedy}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: {what} is not UTF-8 text ({error.reason} at byte {error.start}); {remedy}") from None
    except OSError as error:
        raise UserError(f"{path}: {what} cannot be read ({error.strerror}); {remedy}") from None


def read_json(path: Path, what: str, remedy: str) -> Any:
    """Reads a JSON file, like `read_text`. The error for a malformed file names the place."""
    try:
        return json.loads(read_text(path, what, remedy))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: {what} is not valid JSON ({error}); {remedy}") from None


def read_yaml(path: Path, what: str, remedy: str) -> Any:
    """Reads a YAML file, like `read_text`. The error for a malformed file names the place."""
    try:
        return yaml.safe_load(read_text(path, what, remedy))
    except (yaml.YAMLError, ValueError) as error:  # ValueError: for example an impossible date
        raise UserError(f"{path}: {what} is not valid YAML ({error}); {remedy}") from None


def read_arrays(path: Path, names: list[str], what: str, remedy: str) -> dict[str, np.ndarray]:
    """Reads the arrays `names` from an `.npz`. Raises a `UserError` if the file or an array is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in names if name in archive.files}
    except FileNotFoundError:
        raise UserError(f"{path}: no such {what}; {remedy}") from None
    except DAMAGE as error:
        raise UserError(f"{path}: {what} is damaged ({error}); {remedy}") from None
    if missing := [name for name in names if name not in arrays]:
        raise UserError(f"{path}: {what} lacks the array {missing[0]}; {remedy}")
    return arrays


def array_names(path: Path, what: str, remedy: str) -> set[str]:
    """The names of the arrays in an `.npz`. Raises a `UserError` if it is missing or damaged."""
    try:
        with ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except FileNotFoundError:
        raise UserError(f"{path}: no such {what}; {remedy}") from None
    except DAMAGE as error:
        raise UserError(f"{path}: {what} is damaged ({error}); {remedy}") from None


def open_array(path: Path, what: str, remedy: str) -> np.ndarray:
    """Memory-maps an `.npy` for reading. Raises a `UserError` if it is missing or damaged."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGE as error:
        raise UserError(f"{path}: {what} is damaged ({error}); {remedy}") from None


def lines_with_progress(path: Path, title: str, **options: str) -> Iterator[str]:
    """Yields the lines of a large UTF-8 file and shows a progress bar in bytes.

    Args:
        path: the file.
        title: label of the progress bar.
        options: `errors` and `newline`, as for `open`.
    """
    bar = {"desc": title, "unit": "B", "unit_scale": True, "mininterval": 1, "leave": False}
    with path.open(encoding="utf-8", **options) as file, tqdm(total=path.stat().st_size, **bar) as progress:
        for line in file:
            yield line
            progress.update(file.buffer.tell() - progress.n)
