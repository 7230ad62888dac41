"""Unpacks archives that nobody vouches for: plain files only, and nothing outside the target."""

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

# What the standard library raises on an archive that is truncated, garbled, encrypted or oddly compressed.
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
    """A file to be written: its path below the target, its bytes, and how to read it."""

    path: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, target: Path, only: str = "*") -> None:
    """Writes members of a tar or zip archive whose path matches the glob `only` below the folder `target`.

    All members are looked at before the first is written. Files get mode 0644 and folders 0755.

    Raises:
        UserError: a member is absolute, leads out by `..`, or is a link or a device; the archive is damaged;
            the disk has too little space for what it holds.
    """
    try:
        with _members(archive) as members:
            wanted = [member for member in members if fnmatch.fnmatch(member.path, only)]
            write(wanted, target, f"unpacking {archive.name}")
    except DAMAGE as error:
        raise UserError(f"{archive}: damaged, or no tar or zip archive ({error}); get another copy") from None


def copy(source: Path, target: Path) -> None:
    """Copies a file, or a folder with all it holds, into the folder `target`, with the modes of `unpack`."""
    paths = [path for path in sorted(source.rglob("*")) if path.is_file()] if source.is_dir() else [source]
    members = [
        Member(str(path.relative_to(source.parent)), path.stat().st_size, partial(path.open, "rb")) for path in paths
    ]
    write(members, target, f"copying {source.name}")


def write(members: list[Member], target: Path, title: str) -> None:
    """Writes `members` below `target` under a progress bar called `title`.

    Raises:
        UserError: the disk has too little space for them.
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
    """Makes a folder and those above it with mode 0755, for NLTK reads nothing that others may write to."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir()
        path.chmod(0o755)


def require_space(folder: Path, needed: int, purpose: str) -> None:
    """Raises `UserError` where the disk of `folder` has fewer than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{folder}: {purpose} takes {readable(needed)}, and the disk has {readable(free)} free; "
            "free some, or name a folder on another disk with --data"
        )


def readable(size: int) -> str:
    """A number of bytes as people say it: `15.2 GB`, `172.1 kB`."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"


@contextmanager
def _members(archive: Path) -> Iterator[list[Member]]:
    if zipfile.is_zipfile(archive) and not tarfile.is_tarfile(archive):  # a tar may end in a zip file
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
        kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was not made on Unix
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refusal(archive, info.filename, "is a link or a device")
        if not info.is_dir():
            yield Member(path, info.file_size, partial(zipped.open, info))


def _safe_path(archive: Path, name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise _refusal(archive, name, "leads out of the folder it is unpacked to")
    return str(path)


def _refusal(archive: Path, member: str, fault: str) -> UserError:
    return UserError(f"{archive}: its member {member!r} {fault}; nothing was unpacked, get another copy")
