"""From a file of any format to `FILE.params` and `FILE.json`, which says where it came from."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.files import write_json
from vision.parameters import write_parameters
from vision.weights import open_nsfw
from vision.weights.convert import Row, convert, counts, table
from vision.weights.layout import Convolution, build_backbone, convolutions
from vision.weights.source import Source, refuse

Reader = Callable[[Path, list[Convolution]], Source]


def convert_file(path: Path, backbone: str, out: Path, verbose: bool = False) -> None:
    """Converts the file `path` to `out`, and prints what became of its parameters.

    Raises:
        UserError: the file is missing, damaged, of an unknown format or of another network. Then nothing is written.
    """
    layout = convolutions(build_backbone(backbone))
    source = reader_of(path)(path, layout)
    arrays, rows = convert(path, source, layout)
    provenance_path(out).unlink(missing_ok=True)  # It may be about what `out` was before.
    write_parameters(out, arrays)
    write_json(provenance_path(out), _provenance(path, backbone, source, rows))
    if verbose:
        print(table(rows))
    fates = ", ".join(f"{count} {fate}" for fate, count in counts(rows).items())
    print(f"{path}: {source.format}; {fates}")
    print(f"{out}: {len(arrays)} parameters of {backbone}")


def reader_of(path: Path) -> Reader:
    """What reads a file, by the bytes it begins with."""
    if not path.is_file():
        raise refuse(path, "no such file", "give the path of a file of weights")
    return open_nsfw.read


def provenance_path(out: Path) -> Path:
    """The JSON next to a converted file."""
    return out.with_suffix(".json")


def _provenance(path: Path, backbone: str, source: Source, rows: list[Row]) -> dict[str, Any]:
    return {
        "backbone": backbone,
        "source": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "format": source.format,
        "licence": source.licence,
        "trained_on": source.trained_on,
        "preprocessing": source.preprocessing._asdict() | {"note": "folded into the first convolution and BatchNorm"},
        "pool1": source.pool1,
        "stride_in": source.stride_in,
        "parameters": [row._asdict() for row in rows],
    }
