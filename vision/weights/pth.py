"""Reads state dictionaries of PyTorch (`.pth`) in both of its formats, without PyTorch.

Since PyTorch 1.6 a file is a zip: `<name>/data.pkl` is a pickle in which each storage is a persistent id, and
`<name>/data/<k>` contains the bytes of storage k. Older files are a stream: pickles of a magic number, a version and
sizes of the machine's types; the pickle of the dictionary; a pickled list of the keys of its storages; and for each
storage the number of its elements (8 bytes) and its bytes. Both formats are defined by `torch.serialization`.
"""

import io
import math
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from vision.weights import torchvision
from vision.weights.layout import Convolution
from vision.weights.source import Arrays, Source, refuse
from vision.weights.unpickle import Admitted, Unpickler

ZIP = b"PK\x03\x04"
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001  # of the older format
OLDER = b"\x80\x02\x8a\x0a" + MAGIC.to_bytes(10, "little")  # a pickle of the magic number
REMEDY = "give the .pth of a network's state_dict"
STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


class _Storage(NamedTuple):
    """A persistent id."""

    dtype: np.dtype
    key: str
    count: int


class _Tensor(NamedTuple):
    """What `torch._utils._rebuild_tensor_v2` and the older `_rebuild_tensor` are called with."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _tensor(storage: _Storage, offset: int, shape: tuple, strides: tuple, *_: Any) -> _Tensor:
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or not all(isinstance(each, int) and each >= 0 for each in numbers):
        raise ValueError("a tensor without storage or with invalid strides")
    if len(shape) != len(strides):
        raise ValueError("a tensor whose strides do not match its shape")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


ADMITTED: Admitted = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    **{("torch", name): code for name, code in STORAGES.items()},
}


def read(path: Path, layout: list[Convolution]) -> Source:
    """Reads the file.

    Raises:
        UserError: the file is damaged, contains anything other than tensors, or names anything not admitted.
    """
    content = path.read_bytes()
    arrays = _of_zip(path, content) if content.startswith(ZIP) else _of_stream(path, content)
    return torchvision.of_arrays(path, arrays, layout)


def _of_zip(path: Path, content: bytes) -> Arrays:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {info.filename.partition("/")[2]: info for info in archive.infolist()}
            # PyTorch does not compress. A compressed file could unpack to any size.
            if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
                raise refuse(path, "is a compressed zip, which PyTorch does not write")
            if "data.pkl" not in members:
                raise refuse(path, "is a zip without data.pkl", "give a .pth file saved by PyTorch")
            if "byteorder" in members and archive.read(members["byteorder"]) != b"little":
                raise refuse(path, "is in big-endian byte order", "give a .pth file saved on a little-endian machine")
            tensors = _state(path, Unpickler(path, archive.open(members["data.pkl"]), ADMITTED, _storage).load())
            buffers = {
                key: archive.read(members[f"data/{key}"]) if f"data/{key}" in members else b""
                for key in {tensor.storage.key for tensor in tensors.values()}
            }
    except (zipfile.BadZipFile, struct.error, RuntimeError, ValueError, OSError, EOFError) as error:
        raise refuse(path, f"is a damaged zip ({error})") from None
    return {name: _array(path, name, tensor, buffers[tensor.storage.key]) for name, tensor in tensors.items()}


def _of_stream(path: Path, content: bytes) -> Arrays:
    stream = io.BytesIO(content)
    storages: dict[str, _Storage] = {}

    def note(pid: Any) -> _Storage:
        storage = _storage(pid)
        storages[storage.key] = storage
        return storage

    def load() -> Any:
        return Unpickler(path, stream, ADMITTED, note).load()

    magic, version, machine = load(), load(), load()
    little_endian = isinstance(machine, dict) and machine.get("little_endian") is True
    if (magic, version) != (MAGIC, VERSION) or not little_endian:
        raise refuse(path, f"has an unknown version of PyTorch's format ({version!s:.20})")
    tensors, keys = _state(path, load()), load()
    if not isinstance(keys, list) or set(map(str, keys)) != storages.keys():
        raise refuse(path, "is damaged: its storages do not match its tensors")
    buffers = {key: _next_buffer(path, stream, storages[key]) for key in map(str, keys)}
    return {name: _array(path, name, tensor, buffers.get(tensor.storage.key, b"")) for name, tensor in tensors.items()}


def _storage(pid: Any) -> _Storage:
    """The storage of a persistent id: ("storage", type, key, device, count), and in a stream also None."""
    kind, code, key, _, count, *view = pid
    if kind != "storage" or code not in STORAGES.values() or not isinstance(key, str) or any(view):
        raise ValueError("an unknown storage")
    if type(count) is not int or count < 0:
        raise ValueError("a storage of invalid size")
    return _Storage(np.dtype(code), key, count)


def _next_buffer(path: Path, stream: IO[bytes], storage: _Storage) -> bytes:
    length = stream.read(8)
    if len(length) < 8 or struct.unpack("<q", length) != (storage.count,):
        raise refuse(path, "is damaged: a storage does not have the size that its tensors need")
    return stream.read(storage.count * storage.dtype.itemsize)


def _state(path: Path, found: Any) -> dict[str, _Tensor]:
    """The dictionary of tensors, which may be under "state_dict"."""
    state = found.get("state_dict", found) if isinstance(found, dict) else None
    if not isinstance(state, dict) or not state:
        raise refuse(path, "is not a state dictionary", REMEDY)
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, _Tensor):
            raise refuse(path, f"{name!s:.40} is not a tensor", REMEDY)
    return state


def _array(path: Path, name: str, tensor: _Tensor, buffer: bytes) -> np.ndarray:
    """The array of a tensor, a view of the bytes of its storage."""
    (dtype, _, count), offset, shape, strides = tensor
    reach = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) + 1
    if len(buffer) != count * dtype.itemsize or (0 not in shape and reach > count) or math.prod(shape) > count:
        raise refuse(path, f"is damaged: {name} does not fit its storage")
    flat = np.frombuffer(buffer, dtype)[offset:]
    return np.lib.stride_tricks.as_strided(
        flat, shape, [stride * dtype.itemsize for stride in strides], writeable=False
    )
