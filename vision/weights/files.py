"""From a file of any format to `FILE.params` and `FILE.json`, which says where it came from."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.common.files import write_json
from vision.parameters import read_parameters, write_parameters
from vision.weights import detectron, gluoncv, open_nsfw, pth, relation_networks, safetensor
from vision.weights.convert import convert
from vision.weights.layout import PREFIX, Convolution, convolutions, empty_backbone
from vision.weights.report import Row, summary, table
from vision.weights.source import Source, provenance_path, refuse

Reader = Callable[[Path, list[Convolution]], Source]


def convert_file(path: Path, backbone: str, out: Path, verbose: bool = False) -> None:
    """Converts the file `path` to `out`, and prints what became of its parameters.

    Raises:
        UserError: the file is missing, damaged, of an unknown format or of another network. Then nothing is written.
    """
    reader = reader_of(path)
    if out.exists() and out.samefile(path):
        raise refuse(out, "would be replaced by its own conversion", "give another --out")
    source = reader(path, convolutions(empty_backbone(backbone)))
    # The names of its parameters say where the strides are, so the layout is made again.
    layout = convolutions(empty_backbone(backbone, source.pool1, source.stride_in))
    arrays, rows = convert(path, source, layout)
    provenance_path(out).unlink(missing_ok=True)  # It may be about what `out` was before.
    write_parameters(out, arrays)
    write_json(provenance_path(out), _provenance(path, backbone, source, rows))
    if verbose:
        print(table(rows))
    print(f"{path}: {source.format}; {summary(rows)}")
    print(f"{out}: {len(arrays)} parameters of {backbone}")


def reader_of(path: Path) -> Reader:
    """What reads a file, by the bytes it begins with.

    Raises:
        UserError: there is no such file, or its format is unknown.
    """
    if not path.is_file():
        raise refuse(path, "no such file", "give the path of a file of weights")
    with path.open("rb") as file:
        start = file.read(16)
    for is_format, reader in READERS:
        if is_format(start):
            return reader
    raise refuse(path, "is of no format that is known here", "give one that vision/README.md lists")


def _read_params(path: Path, layout: list[Convolution]) -> Source:
    """Reads a `.params` file of MXNet."""
    arrays = {name: array.asnumpy() for name, array in read_parameters(path).items()}
    if any(name.startswith(PREFIX) for name in arrays):
        raise refuse(path, "is converted already", "set model.pretrained to it")
    if any(name.startswith(("arg:", "aux:")) for name in arrays):
        return relation_networks.of_arrays(arrays, layout)
    return gluoncv.of_arrays(arrays, layout)


# What a file of a format begins with, and what reads it.
READERS: list[tuple[Callable[[bytes], bool], Reader]] = [
    (lambda start: start.startswith((pth.ZIP, pth.OLDER)), pth.read),
    (lambda start: start.startswith(b"\x80"), detectron.read),  # a pickle
    (lambda start: start.startswith((0x112).to_bytes(8, "little")), _read_params),  # MXNet's list of arrays
    (lambda start: start[8:9] == b"{", safetensor.read),  # after the length of the header
    (lambda start: start.startswith(b"\x08"), open_nsfw.read),  # ONNX: field 1 of a protocol buffer
]


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
