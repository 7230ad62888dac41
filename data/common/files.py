"""Files that are written whole or not at all, and read with one clear line when they are malformed."""

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

# What NumPy raises on a file that is cut, garbled or no array at all: it hands on what its readers of zip archives and
# of headers raise, and Python 3.10 and 3.11 differ on what a plain array is not.
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
    """Yields a temporary path in the same folder, renamed to `path` if the block ends well, else removed.

    Raises:
        OSError: bears the name of `path`, also where the disk is full, which the system says without a name.
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
    """Writes `text` to `path` in one step: a reader sees the old file or the new one."""
    with replaced_on_success(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON in one step."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Writes named arrays to a compressed `.npz` in one step."""
    with replaced_on_success(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def read_text(path: Path, what: str, remedy: str) -> str:
    """Reads a UTF-8 file; `what` it is and the `remedy` when it is absent go into the error's line."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such {what}; {remedy}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: {what} is no UTF-8 text ({error.reason} at byte {error.start}); {remedy}") from None
    except OSError as error:
        raise UserError(f"{path}: {what} cannot be read ({error.strerror}); {remedy}") from None


def read_json(path: Path, what: str, remedy: str) -> Any:
    """Reads a JSON file; a malformed one gets a line with the place of the mistake."""
    try:
        return json.loads(read_text(path, what, remedy))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: {what} is not valid JSON ({error}); {remedy}") from None


def read_yaml(path: Path, what: str, remedy: str) -> Any:
    """Reads a YAML file; a malformed one gets a line with the place of the mistake."""
    try:
        return yaml.safe_load(read_text(path, what, remedy))
    except (yaml.YAMLError, ValueError) as error:  # ValueError: of an impossible date, for one.
        raise UserError(f"{path}: {what} is not valid YAML ({error}); {remedy}") from None


def read_arrays(path: Path, names: list[str], what: str, remedy: str) -> dict[str, np.ndarray]:
    """Reads the arrays called `names` from an `.npz`; unknown, missing or damaged contents get one line."""
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
    """The names of the arrays in an `.npz`; a missing or damaged one gets one line."""
    try:
        with ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except FileNotFoundError:
        raise UserError(f"{path}: no such {what}; {remedy}") from None
    except DAMAGE as error:
        raise UserError(f"{path}: {what} is damaged ({error}); {remedy}") from None


def open_array(path: Path, what: str, remedy: str) -> np.ndarray:
    """Memory-maps an `.npy` for reading; a missing or damaged one gets one line."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGE as error:
        raise UserError(f"{path}: {what} is damaged ({error}); {remedy}") from None


def lines_with_progress(path: Path, title: str, **options: str) -> Iterator[str]:
    """Yields the lines of a UTF-8 file that takes seconds to read, under a progress bar of its bytes.

    Args:
        path: the file.
        title: stands before the bar.
        options: `errors` and `newline` of `open`.
    """
    bar = {"desc": title, "unit": "B", "unit_scale": True, "mininterval": 1, "leave": False}
    with path.open(encoding="utf-8", **options) as file, tqdm(total=path.stat().st_size, **bar) as progress:
        for line in file:
            yield line
            progress.update(file.buffer.tell() - progress.n)
