"""Converts a file of any format to `FILE.params`, and records its origin in `FILE.json`."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.common.files import write_json
from vision.parameters import write_parameters
from vision.weights import detectron, open_nsfw, params, pth, torchvision
from vision.weights.convert import convert
from vision.weights.layout import Convolution, convolutions, empty_backbone
from vision.weights.report import Row, summary, table
from vision.weights.source import Source, provenance_path, refuse

Reader = Callable[[Path, list[Convolution]], Source]

# How the first bytes of a format are recognized, and its reader.
READERS: list[tuple[Callable[[bytes], bool], Reader]] = [
    (lambda start: start.startswith((pth.ZIP, pth.OLDER)), pth.read),
    (lambda start: start.startswith(b"\x80"), detectron.read),  # a pickle
    (lambda start: start.startswith((0x112).to_bytes(8, "little")), params.read),  # MXNet's list of arrays
    (lambda start: start[8:9] == b"{", torchvision.read_safetensors),  # after the length of the header
    (lambda start: start.startswith(b"\x08"), open_nsfw.read),  # ONNX: field 1 of a protocol buffer
]


def convert_file(path: Path, backbone: str, out: Path, verbose: bool = False) -> None:
    """Converts the file `path` to `out`, and prints how its parameters were used.

    Raises:
        UserError: the file is missing, damaged, of an unknown format or of another network. Nothing is written then.
    """
    reader = reader_of(path)
    if out.exists() and out.samefile(path):
        raise refuse(out, "is the file to convert", "give another --out")
    source = reader(path, convolutions(empty_backbone(backbone)))
    # The names of our parameters depend on the stride, which is known only now.
    layout = convolutions(empty_backbone(backbone, source.pool1, source.stride_in))
    arrays, rows = convert(path, source, layout)
    provenance_path(out).unlink(missing_ok=True)  # It may describe an older `out`.
    write_parameters(out, arrays)
    write_json(provenance_path(out), _provenance(path, backbone, source, rows))
    if verbose:
        print(table(rows))
    print(f"{path}: {source.format}; {summary(rows)}")
    print(f"{out}: {len(arrays)} parameters of {backbone}")


def reader_of(path: Path) -> Reader:
    """Finds the reader of a file from its first bytes.

    Raises:
        UserError: the file does not exist, or its format is unknown.
    """
    if not path.is_file():
        raise refuse(path, "no such file", "give the path of a file of weights")
    with path.open("rb") as file:
        start = file.read(16)
    for is_format, reader in READERS:
        if is_format(start):
            return reader
    raise refuse(path, "unknown format", "give a file in one of the formats listed in vision/README.md")


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
