"""Writes all miniature data sets into one folder, in the official formats, so that the usual readers can read them.

`mini.json` in the same folder records the seed and a checksum of each piece (a file or folder of a data set). Complete
pieces are kept, pieces of another seed or version are replaced, and anything else is reported and never overwritten.
"""

import hashlib
import tempfile
from pathlib import Path

from data.common.errors import UserError
from data.common.files import read_json, write_json
from data.mini.documents import PIECES as DOCUMENTS
from data.mini.documents import write_documents
from data.mini.images import PIECES as IMAGES
from data.mini.images import write_images
from data.mini.mit67 import PIECE as MIT67
from data.mini.mit67 import write_mit67
from data.mini.visual_genome import PIECE as VISUAL_GENOME
from data.mini.visual_genome import write_visual_genome

PIECES = (*IMAGES, VISUAL_GENOME, MIT67, *DOCUMENTS)

# Increase this number with every change that makes the same seed write other bytes.
VERSION = 1
STAMP = "mini.json"


def write_miniature(out: Path, seed: int) -> bool:
    """Writes the miniature data sets to `out`; other files in this folder are not touched.

    All pieces are generated in a temporary folder and then renamed. The stamp is written between removing old pieces
    and adding new ones, so it is valid for all existing pieces even after an interruption.

    Args:
        out: output folder; created if necessary.
        seed: the same seed writes the same bytes.

    Returns:
        True if anything was written, False if all pieces already existed.

    Raises:
        UserError: the name of a piece is used by something that this function did not write or that was changed since.
    """
    stamp = _read_stamp(out / STAMP)
    present = [name for name in PIECES if (out / name).exists()]
    for name in present:
        if name not in stamp or stamp[name] != _checksum(out / name):
            raise UserError(
                f"{out / name}: was not written by this command, or was changed since; move it, or choose another --out"
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
        kept = [name for name in present if stamp[name] == checksums[name]]  # A training may be reading them.
        for name in present:
            if name not in kept:
                (out / name).rename(old / name)
        write_json(out / STAMP, {"version": VERSION, "seed": seed, **checksums})
        for name in PIECES:
            if name not in kept:
                (new / name).rename(out / name)
    return True


def _read_stamp(path: Path) -> dict[str, int | str]:
    """Returns version, seed and the checksum of each piece; empty if the stamp does not exist."""
    if not path.exists():
        return {}
    remedy = "move it and the data sets in its folder, or choose another --out"
    stamp = read_json(path, "stamp of the miniature", remedy)
    if not isinstance(stamp, dict):
        raise UserError(f"{path}: not the stamp of a miniature; {remedy}")
    return stamp


def _checksum(piece: Path) -> str:
    """Returns the SHA-256 of the paths, sizes and bytes of all files of a piece."""
    paths = sorted(path for path in piece.rglob("*") if path.is_file()) if piece.is_dir() else [piece]
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(piece).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
