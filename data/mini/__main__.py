"""Writes the miniature data sets: `python -m data.mini --out DIR`.

They lie in the official on-disk formats, so that what reads the real data reads them too. `mini.json` beside
them holds the seed and a checksum of each piece, by which this command knows its own work: what is whole is
left as it is, what is of another seed or version is replaced, and anything else is refused, never
overwritten.
"""

import argparse
import hashlib
import tempfile
from pathlib import Path

from data.common.errors import UserError, run_command
from data.common.files import read_json, write_json
from data.common.options import data_folder
from data.mini.documents import PIECES as DOCUMENTS
from data.mini.documents import write_documents
from data.mini.images import PIECES as IMAGES
from data.mini.images import write_images
from data.mini.mit67 import PIECE as MIT67
from data.mini.mit67 import write_mit67
from data.mini.visual_genome import PIECE as VISUAL_GENOME
from data.mini.visual_genome import write_visual_genome

PIECES = (*IMAGES, VISUAL_GENOME, MIT67, *DOCUMENTS)

# To be raised whenever the same seed comes to write other bytes.
VERSION = 1
STAMP = "mini.json"


def write_miniature(out: Path, seed: int) -> bool:
    """Writes the miniature data sets below `out`; other files there are left alone.

    Every piece is made in a temporary folder and moved into place whole, unless its like is there already. The
    stamp is written after the old pieces are gone and before the new ones come: after an interruption it vouches
    for all that is there.

    Args:
        out: folder, made if it is absent.
        seed: the same seed writes the same bytes.

    Returns:
        Whether anything was written; False if all was there already.

    Raises:
        UserError: the place of a piece is taken by what this function did not write, or was changed since.
    """
    stamp = _read_stamp(out / STAMP)
    present = [name for name in PIECES if (out / name).exists()]
    for name in present:
        if name not in stamp or stamp[name] != _checksum(out / name):
            raise UserError(
                f"{out / name}: not as this command wrote it (damaged, edited, or data of your own); "
                "move it away, or give another --out"
            )
    if (stamp.get("version"), stamp.get("seed")) == (VERSION, seed) and len(present) == len(PIECES):
        return False
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".mini-") as temporary:
        new, old = Path(temporary) / "new", Path(temporary) / "old"
        old.mkdir()
        for write in (write_images, write_visual_genome, write_mit67, write_documents):
            write(new, seed)
        checksums = {name: _checksum(new / name) for name in PIECES}
        kept = [name for name in present if stamp[name] == checksums[name]]  # Somebody may be reading them.
        for name in present:
            if name not in kept:
                (out / name).rename(old / name)
        write_json(out / STAMP, {"version": VERSION, "seed": seed, **checksums})
        for name in PIECES:
            if name not in kept:
                (new / name).rename(out / name)
    return True


def _read_stamp(path: Path) -> dict[str, int | str]:
    """Version, seed, and piece -> checksum; empty where nothing was written yet."""
    if not path.exists():
        return {}
    remedy = "move it and the data sets beside it away, or give another --out"
    stamp = read_json(path, "stamp of the miniature", remedy)
    if not isinstance(stamp, dict):
        raise UserError(f"{path}: not the stamp of a miniature; {remedy}")
    return stamp


def _checksum(piece: Path) -> str:
    """SHA-256 over the paths and bytes of a file, or of all files below a folder."""
    paths = sorted(path for path in piece.rglob("*") if path.is_file()) if piece.is_dir() else [piece]
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(piece).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m data.mini",
        description="Writes made-up miniature data sets in the official formats: 20 Newsgroups (600 + 400 "
        "posts), Yahoo Answers (2,000 + 400 rows) and the lexicon that stands for a tagger; VOC 2007 (200 + 80 "
        "pictures), COCO (300, of which 80 are minival), Visual Genome (300 + 80) and MIT67 (120 + 240). It takes "
        "some seconds and needs no network; run again, it returns at once.",
        epilog="example: python -m data.mini --out datasets/mini --seed 1",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=data_folder() / "mini",
        help="folder to write to (default: $FAN_DATA/mini, else datasets/mini)",
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed writes the same bytes (default: 0)")
    arguments = parser.parse_args()
    try:
        is_new = write_miniature(arguments.out, arguments.seed)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{error.filename or arguments.out}: {reason}; give another --out") from None
    state = "written" if is_new else "are there already"
    print(f"{arguments.out}: miniature data sets of seed {arguments.seed} {state}")


if __name__ == "__main__":
    run_command(main)
