"""Installs a data set: obtains its files, unpacks and counts them in a temporary folder, then moves them into place.

Data sets in the data folder are therefore always complete. `data/download/sources.py` lists their addresses.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from data.common.errors import UserError
from data.common.files import read_json, write_json
from data.download.catalogue import describe
from data.download.data_set import DataSet, File
from data.download.fetch import exclusive, fetch, partial_file
from data.download.unpack import copy, make_folder, require_space, unpack


class Source(NamedTuple):
    """A file or folder from which a data set is installed; `only` selects members of an archive."""

    path: Path
    only: str
    downloaded: bool


def install(data_set: DataSet, root: Path, copies: list[Path]) -> None:
    """Installs `data_set` in the data folder `root`; returns at once if it is already installed.

    Args:
        data_set: the data set.
        root: data folder.
        copies: local files or folders to use instead of downloads, as in `--archive`.

    Raises:
        UserError: the data set cannot be obtained or is incomplete, other files are in its place, or the disk is full.
    """
    downloads = root / "downloads"
    make_folder(downloads)
    with exclusive(downloads / f"{data_set.name}.lock"):
        stamp = downloads / f"{data_set.name}.json"
        if contents := _installed(data_set, root, stamp):
            print(f"{data_set.name}: already installed and complete ({contents})")
            return
        print(describe(data_set))
        sources = _sources(data_set, downloads, copies)
        stage = downloads / f"{data_set.name}.unpacking"
        try:
            contents = _stage(data_set, sources, stage)
            _move_into_place(data_set, stage / "whole", root)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        _write_stamp(stamp, data_set, root, contents)
        for source in sources:
            if source.downloaded:
                source.path.unlink()
    print(f"{data_set.name}: complete ({contents}), in {', '.join(str(root / part) for part in data_set.parts)}")


def _installed(data_set: DataSet, root: Path, stamp: Path) -> str:
    """Returns the counted contents if the data set is complete, an empty string if no part of it exists.

    Raises:
        UserError: the data set is incomplete. Its files may be the user's own, so they are not touched.
    """
    existing = [root / part for part in data_set.parts if (root / part).exists()]
    if not existing:
        return ""
    noted = read_json(stamp, "record of the counted contents", "remove it") if stamp.exists() else None
    if isinstance(noted, dict) and noted.get("state") == _state(data_set, root):
        return noted["contents"]
    try:
        contents = _count(data_set, root)
    except UserError as error:
        places = ", ".join(map(str, existing))
        raise UserError(f"{places}: exists, but is incomplete ({error}); move it and rerun the command") from None
    _write_stamp(stamp, data_set, root, contents)
    return contents


def _write_stamp(stamp: Path, data_set: DataSet, root: Path, contents: str) -> None:
    """Records the contents, so that they are counted again only if files or bytes change."""
    write_json(stamp, {"contents": contents, "state": _state(data_set, root)})


def _state(data_set: DataSet, root: Path) -> list[int]:
    """Returns the number of files and of bytes of a data set."""
    trees = [[place, *place.rglob("*")] for place in (root / part for part in data_set.parts)]
    sizes = [path.stat().st_size for tree in trees for path in tree if path.is_file()]
    return [len(sizes), sum(sizes)]


# --- obtaining the files --------------------------------------------------------------------------


def _sources(data_set: DataSet, downloads: Path, copies: list[Path]) -> list[Source]:
    """Returns the files and folders to install from, after downloading those that are not given.

    Copies with official file names replace these files, and the others are downloaded. If any copy has another name,
    the copies are expected to be complete and nothing is downloaded.
    """
    given = [path for copy in copies for path in _given(data_set, copy)]
    if any(path.name not in _names(data_set.files) for path in given):
        return [Source(path, "*", downloaded=False) for path in given]
    local = {file: path for file in data_set.files for path in given if path.name in _names([file])}
    absent = [file for file in data_set.files if file not in local]
    needed = sum(_required_space(file, downloads) for file in absent)
    require_space(downloads, needed, f"{data_set.name} (the download and at least as much unpacked)")
    paths = local | {file: fetch(file, downloads) for file in absent}
    return [Source(paths[file], file.only, file not in local) for file in data_set.files]


def _given(data_set: DataSet, given: Path) -> list[Path]:
    """Returns a local copy as a list: a file, a folder with the data set, or the files of the data set in a folder."""
    if not given.exists():
        raise UserError(f"{given}: no such file or folder; --archive expects a copy of {data_set.title}")
    if given.is_file() or all(_find(given, part) for part in data_set.parts):
        return [given]
    names = _names(data_set.files)
    files = [path for path in sorted(given.iterdir()) if path.name in names]
    if not files:
        parts = " and ".join(Path(part).name for part in data_set.parts)
        raise UserError(
            f"{given}: contains neither {parts} nor any of {', '.join(sorted(names))}; choose another --archive"
        )
    return files


def _names(files: Sequence[File]) -> set[str]:
    return {address.name for file in files for address in file.addresses}


def _required_space(file: File, downloads: Path) -> int:
    """Returns the bytes still to be downloaded plus the size of the file, for unpacking; 0 if its size is unknown."""
    size = next((address.size for address in file.addresses if address.size), 0)
    targets = [downloads / name for name in _names([file])]
    have = sum(path.stat().st_size for target in targets for path in (target, partial_file(target)) if path.exists())
    return max(size - have, 0) + size


# --- unpacking, counting, moving into place -------------------------------------------------------


def _stage(data_set: DataSet, sources: list[Source], stage: Path) -> str:
    """Builds the data set in `stage`/whole, with the layout of the data folder; returns the counted contents."""
    shutil.rmtree(stage, ignore_errors=True)
    unpacked, whole = stage / "unpacked", stage / "whole"
    make_folder(unpacked)
    for source in sources:
        _unpack_source(data_set, source, unpacked)
    origin = ", ".join(str(source.path) for source in sources)
    for part in data_set.parts:
        place = _find(unpacked, part)
        if place is None:
            raise UserError(f"{origin}: {Path(part).name} is missing; get a complete copy of {data_set.title}")
        make_folder((whole / part).parent)
        place.rename(whole / part)
    try:
        return _count(data_set, whole)
    except UserError as error:
        raise UserError(f"{origin}: {str(error).replace(f'{whole}/', '')}") from None


def _unpack_source(data_set: DataSet, source: Source, target: Path) -> None:
    if not source.downloaded:
        print(f"  {source.path}: local copy; its contents are counted, but its checksum is not verified")
    if source.path.is_dir():
        for part in data_set.parts:
            copy(_find(source.path, part), target)
    elif source.path.name in [Path(part).name for part in data_set.parts]:
        copy(source.path, target)
    elif part := _part(data_set, source.path.name):
        copy(source.path, target)
        (target / source.path.name).rename(target / part)
    else:
        unpack(source.path, target, source.only)


def _part(data_set: DataSet, name: str) -> str:
    """Returns the name in the data set of a file that is downloaded under another name; empty for archives."""
    addresses = (address for file in data_set.files for address in file.addresses)
    return next((address.part for address in addresses if address.name == name), "")


def _find(folder: Path, part: str) -> Path | None:
    """Returns the file or folder below `folder` with the last name of `part`, the one closest to `folder`."""
    return min(folder.rglob(Path(part).name), key=lambda path: len(path.parts), default=None)


def _count(data_set: DataSet, root: Path) -> str:
    try:
        return data_set.check(root)
    except (AttributeError, KeyError, TypeError) as error:  # Valid JSON with unexpected contents.
        raise UserError(f"{root}: a file of {data_set.name} is malformed ({error!r}); get another copy") from None


def _move_into_place(data_set: DataSet, whole: Path, root: Path) -> None:
    """Moves all parts into the data folder, or none if one of the moves fails."""
    moved: list[str] = []
    try:
        for part in data_set.parts:
            make_folder((root / part).parent)
            (whole / part).rename(root / part)
            moved.append(part)
    except BaseException:
        for part in moved:
            (root / part).rename(whole / part)
        raise
