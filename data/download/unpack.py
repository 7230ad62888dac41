"""Unpacks untrusted archives: regular files only, and nothing outside the target folder."""

import fnmatch
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from tqdm import tqdm

from data.common.errors import UserError

CHUNK = 1 << 20  # bytes read at a time

# Exceptions of the standard library for archives that are truncated, corrupt, encrypted or of an unknown compression.
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
)


class Member(NamedTuple):
    """A file to write: its path relative to the target, its size in bytes, and a function that opens it."""

    path: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, target: Path, only: str = "*") -> None:
    """Unpacks the members of a tar or zip archive that match the glob pattern `only` into the folder `target`.

    All members are checked before the first is written. Files get mode 0644 and folders 0755.

    Raises:
        UserError: a member has an absolute path or one with `..`, or is a link or device; the archive is damaged; the
            disk does not have enough space.
    """
    try:
        with _members(archive) as members:
            wanted = [member for member in members if fnmatch.fnmatch(member.path, only)]
            write(wanted, target, f"unpacking {archive.name}")
    except DAMAGE as error:
        raise UserError(f"{archive}: damaged, or not a tar or zip archive ({error}); get another copy") from None


def copy(source: Path, target: Path) -> None:
    """Copies a file or folder into the folder `target`, with the modes of `unpack`."""
    paths = [path for path in sorted(source.rglob("*")) if path.is_file()] if source.is_dir() else [source]
    members = [
        Member(str(path.relative_to(source.parent)), path.stat().st_size, partial(path.open, "rb")) for path in paths
    ]
    write(members, target, f"copying {source.name}")


def write(members: list[Member], target: Path, title: str) -> None:
    """Writes `members` to the folder `target`, with a progress bar called `title`.

    Raises:
        UserError: the disk does not have enough space.
    """
    total = sum(member.size for member in members)
    require_space(target, total, title)
    with tqdm(total=total, desc=title, unit="B", unit_scale=True) as progress:
        for member in members:
            place = target / member.path
            make_folder(place.parent)
            with member.open() as source, place.open("wb") as file:
                while chunk := source.read(CHUNK):
                    file.write(chunk)
                    progress.update(len(chunk))
            place.chmod(0o644)


def make_folder(path: Path) -> None:
    """Creates a folder and its parents with mode 0755, because NLTK rejects folders that others can write to."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir()
        path.chmod(0o755)


def require_space(folder: Path, needed: int, purpose: str) -> None:
    """Raises `UserError` if the disk of `folder` has fewer than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{folder}: {purpose} needs {readable(needed)}, but the disk has {readable(free)} free; "
            "free some space, or choose a folder on another disk with --data"
        )


def readable(size: int) -> str:
    """Returns a number of bytes with a unit.

    >>> readable(15_203_364_040), readable(172_080), readable(999)
    ('15.2 GB', '172.1 kB', '999 bytes')
    """
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"


@contextmanager
def _members(archive: Path) -> Iterator[list[Member]]:
    if zipfile.is_zipfile(archive) and not tarfile.is_tarfile(archive):  # A tar archive can end with a zip file.
        with zipfile.ZipFile(archive) as zipped:
            yield list(_zip_members(archive, zipped))
    else:
        with tarfile.open(archive) as tar:
            yield list(_tar_members(archive, tar))


def _tar_members(archive: Path, tar: tarfile.TarFile) -> Iterator[Member]:
    for info in tar:
        path = _safe_path(archive, info.name)
        if info.isreg():
            yield Member(path, info.size, partial(tar.extractfile, info))
        elif not info.isdir():
            raise _refusal(archive, info.name, "is a link or a device")


def _zip_members(archive: Path, zipped: zipfile.ZipFile) -> Iterator[Member]:
    for info in zipped.infolist():
        path = _safe_path(archive, info.filename)
        kind = stat.S_IFMT(info.external_attr >> 16)  # 0 for archives made on other systems than Unix.
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refusal(archive, info.filename, "is a link or a device")
        if not info.is_dir():
            yield Member(path, info.file_size, partial(zipped.open, info))


def _safe_path(archive: Path, name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise _refusal(archive, name, "has a path outside the target folder")
    return str(path)


def _refusal(archive: Path, member: str, fault: str) -> UserError:
    return UserError(f"{archive}: member {member!r} {fault}; nothing was unpacked, get another copy")
