"""Gets a data set of the paper: downloads it or takes a local copy, unpacks and counts it, moves it in.

So what stands under the data root is always whole. `data/download/sources.py` lists where everything comes from.
"""

import argparse
import shutil
from pathlib import Path
from typing import NamedTuple

from data.common.errors import UserError, run_command
from data.common.files import read_json, write_json
from data.common.options import data_folder
from data.download.data_set import DataSet, File
from data.download.fetch import alone, fetch, partial_file
from data.download.sources import DATA_SETS
from data.download.unpack import copy, make_folder, readable, require_space, unpack
from data.download.weights import WEIGHTS, Weights, get_weights


class Piece(NamedTuple):
    """A file or folder to take a data set from, and which members of an archive are wanted."""

    path: Path
    only: str
    downloaded: bool


def get(data_set: DataSet, root: Path, copies: list[Path]) -> None:
    """Puts `data_set` below `root`, from local `copies` where there are any; returns at once if it is there.

    Raises:
        UserError: it is not to be had or not whole, something is in its way, or the disk is too small.
    """
    downloads = root / "downloads"
    make_folder(downloads)
    with alone(downloads / f"{data_set.name}.lock"):
        stamp = downloads / f"{data_set.name}.json"
        if contents := _present(data_set, root, stamp):
            print(f"{data_set.name}: already there and whole ({contents})")
            return
        print(_description(data_set))
        pieces = _pieces(data_set, downloads, copies)
        stage = downloads / f"{data_set.name}.unpacking"
        try:
            contents = _stage(data_set, pieces, stage)
            _install(data_set, stage / "whole", root)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        _write_stamp(stamp, data_set, root, contents)
        for piece in pieces:
            if piece.downloaded:
                piece.path.unlink()
    print(f"{data_set.name}: whole ({contents}), in {', '.join(str(root / part) for part in data_set.parts)}")


def _present(data_set: DataSet, root: Path, stamp: Path) -> str:
    """What was counted if the whole data set is there, nothing if none of it is.

    Raises:
        UserError: what is there is not the whole. It may be anybody's, so it is not touched.
    """
    there = [root / part for part in data_set.parts if (root / part).exists()]
    if not there:
        return ""
    noted = read_json(stamp, "note of what was counted", "remove it") if stamp.exists() else None
    if isinstance(noted, dict) and noted.get("state") == _state(data_set, root):
        return noted["contents"]
    try:
        contents = _count(data_set, root)
    except UserError as error:
        places = ", ".join(map(str, there))
        raise UserError(f"{places}: in the way, and not whole ({error}); move it elsewhere and try again") from None
    _write_stamp(stamp, data_set, root, contents)
    return contents


def _write_stamp(stamp: Path, data_set: DataSet, root: Path, contents: str) -> None:
    """Notes what was counted, and of what, so that it need not be counted again while nothing is lost."""
    write_json(stamp, {"contents": contents, "state": _state(data_set, root)})


def _state(data_set: DataSet, root: Path) -> list[int]:
    """Files and bytes of a data set."""
    trees = [[place, *place.rglob("*")] for place in (root / part for part in data_set.parts)]
    sizes = [path.stat().st_size for tree in trees for path in tree if path.is_file()]
    return [len(sizes), sum(sizes)]


# --- where to take it from ------------------------------------------------------------------------


def _pieces(data_set: DataSet, downloads: Path, copies: list[Path]) -> list[Piece]:
    """What the data set is to be taken from.

    Copies that bear the names of its files stand for these, and the other files are downloaded. If one bears
    another name, the copies are taken for the whole, and nothing is downloaded.
    """
    given = [path for copy in copies for path in _given(data_set, copy)]
    if any(path.name not in _names(data_set.files) for path in given):
        return [Piece(path, "*", downloaded=False) for path in given]
    local = {file: path for file in data_set.files for path in given if path.name in _names([file])}
    absent = [file for file in data_set.files if file not in local]
    needed = sum(_space_for(file, downloads) for file in absent)
    require_space(downloads, needed, f"{data_set.name} (downloaded, and at least as much again unpacked)")
    paths = local | {file: fetch(file, downloads) for file in absent}
    return [Piece(paths[file], file.only, file not in local) for file in data_set.files]


def _given(data_set: DataSet, given: Path) -> list[Path]:
    """A local copy: a file, a folder that holds the data set, or else the data set's files in a folder."""
    if not given.exists():
        raise UserError(f"{given}: no such file or folder; --archive takes a copy of {data_set.title}")
    if given.is_file() or all(_find(given, part) for part in data_set.parts):
        return [given]
    names = _names(data_set.files)
    files = [path for path in sorted(given.iterdir()) if path.name in names]
    if not files:
        parts = " and ".join(_last(part) for part in data_set.parts)
        raise UserError(f"{given}: holds neither {parts} nor any of {', '.join(sorted(names))}; name another copy")
    return files


def _names(files: list[File] | tuple[File, ...]) -> set[str]:
    return {address.name for file in files for address in file.addresses}


def _space_for(file: File, downloads: Path) -> int:
    """Bytes for the rest of the download, and the same file unpacked at least; 0 if its size is unknown."""
    size = next((address.size for address in file.addresses if address.size), 0)
    targets = [downloads / name for name in _names([file])]
    have = sum(path.stat().st_size for target in targets for path in (target, partial_file(target)) if path.exists())
    return max(size - have, 0) + size


# --- unpacking, counting, moving in ---------------------------------------------------------------


def _stage(data_set: DataSet, pieces: list[Piece], stage: Path) -> str:
    """Builds the data set in `stage`/whole as it will lie below the data root; returns what was counted."""
    shutil.rmtree(stage, ignore_errors=True)
    unpacked, whole = stage / "unpacked", stage / "whole"
    make_folder(unpacked)
    for piece in pieces:
        _unpack_piece(data_set, piece, unpacked)
    origin = ", ".join(str(piece.path) for piece in pieces)
    for part in data_set.parts:
        place = _find(unpacked, part)
        if place is None:
            raise UserError(f"{origin}: without {_last(part)}; a whole copy of {data_set.title} is needed")
        make_folder((whole / part).parent)
        place.rename(whole / part)
    try:
        return _count(data_set, whole)
    except UserError as error:
        raise UserError(f"{origin}: {str(error).replace(f'{whole}/', '')}") from None


def _unpack_piece(data_set: DataSet, piece: Piece, target: Path) -> None:
    if not piece.downloaded:
        print(f"  {piece.path}: a local copy, so it is not its checksum but its contents that count")
    if piece.path.is_dir():
        for part in data_set.parts:
            copy(_find(piece.path, part), target)
    elif piece.path.name in map(_last, data_set.parts):
        copy(piece.path, target)
    elif part := _part(data_set, piece.path.name):
        copy(piece.path, target)
        (target / piece.path.name).rename(target / part)
    else:
        unpack(piece.path, target, piece.only)


def _part(data_set: DataSet, name: str) -> str:
    """The name in the data set of a file that is saved under another name; nothing for an archive."""
    addresses = (address for file in data_set.files for address in file.addresses)
    return next((address.part for address in addresses if address.name == name), "")


def _find(folder: Path, part: str) -> Path | None:
    """The file or folder that has the last name of `part`, the least deep if there are several."""
    return min(folder.rglob(_last(part)), key=lambda path: len(path.parts), default=None)


def _last(part: str) -> str:
    return part.rpartition("/")[2]


def _count(data_set: DataSet, root: Path) -> str:
    try:
        return data_set.check(root)
    except (AttributeError, KeyError, TypeError) as error:
        # A JSON file that can be read, but holds something else than its name says.
        problem = f"{root}: a file of {data_set.name} is not what it should be ({error!r}); get another copy"
        raise UserError(problem) from None


def _install(data_set: DataSet, whole: Path, root: Path) -> None:
    """Moves all parts to their places, or none."""
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


# --- the command ----------------------------------------------------------------------------------


def _description(data_set: DataSet | Weights) -> str:
    return (
        f"{data_set.name}: {data_set.title}\n"
        f"  for:       {data_set.used_for}\n"
        f"  licence:   {data_set.licence}\n"
        f"  citation:  {data_set.citation}\n"
        f"  home page: {data_set.homepage}"
    )


def table() -> str:
    """All data sets and weights: name, size of the download, what it is, what it is for, licence."""
    lines = [f"{'NAME':<22} {'DOWNLOAD':>12}  WHAT, WHAT FOR, LICENCE"]
    for data_set in (*DATA_SETS, *WEIGHTS):
        sizes = [max(address.size or 0 for address in file.addresses) for file in data_set.files]
        download = ("" if all(sizes) else "over ") + readable(sum(sizes)) if any(sizes) else "unknown"
        lines.append(f"{data_set.name:<22} {download:>12}  {data_set.title}")
        lines.append(f"{'':<37}for {data_set.used_for}")
        lines.append(f"{'':<37}{data_set.licence}")
    return "\n".join(lines)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/get_data.sh",
        description="Gets a data set of the paper from its official source, verifies and unpacks it, and "
        "counts what it holds; or ImageNet weights, which are converted. Run it again to resume; it returns at "
        "once when all is there.",
        epilog="example: scripts/get_data.sh 20news --archive ~/Downloads/20news-bydate.tar.gz",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="data set or weights; without it, a table of all")
    parser.add_argument("--list", action="store_true", help="print the table of all data sets")
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        default=data_folder(),
        help="folder of the datasets (default: $FAN_DATA, else datasets)",
    )
    parser.add_argument(
        "--archive",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a local copy to take instead of downloading: an archive, or a folder that holds the data set "
        "or its archives. Its checksum may be any; its contents are counted. May be repeated; where copies "
        "bear the official names, files that are not given are downloaded",
    )
    arguments = parser.parse_args()
    if arguments.list or not (arguments.name or arguments.archive):
        print(table())
        return
    chosen = next((each for each in (*DATA_SETS, *WEIGHTS) if each.name == arguments.name), None)
    if chosen is None:
        names = ", ".join(each.name for each in (*DATA_SETS, *WEIGHTS))
        raise UserError(f"{arguments.name or 'NAME'}: no such data set or weights; name one of {names}")
    try:
        if isinstance(chosen, Weights):
            print(_description(chosen))
            get_weights(chosen, arguments.data, arguments.archive)
        else:
            get(chosen, arguments.data, arguments.archive)
    except OSError as error:
        raise UserError(
            f"{error.filename or arguments.data}: {error.strerror or error}; fix it and rerun the command"
        ) from None


if __name__ == "__main__":
    run_command(main)
