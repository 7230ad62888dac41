"""Malicious files: one line, exit code 2, nothing in them is run."""

import json
import os
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest


class Call:
    """Pickled as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def harmful_objects(marker):
    """Objects whose pickles create `marker` or call something when `pickle.load` reads them."""
    return {
        "system": Call(os.system, f"touch {marker}"),
        "in a dictionary": {"blobs": {"conv1_w": Call(os.system, f"touch {marker}")}},
        "through getattr": Call(getattr, "text", "format"),
        "by an admitted function": Call(np.core.multiarray._reconstruct, Call(open, str(marker), "w"), (0,), b"b"),
        "array of objects": {"conv1_w": np.array([Call(open, str(marker), "w")], object)},
        "class in an array": OrderedDict(conv1_w=Call(np.dtype, "O")),
    }


@pytest.mark.parametrize("name", harmful_objects(""))
@pytest.mark.parametrize("protocol", [2, 4])
def test_calls_in_a_pickle_are_not_run(refused, tmp_path, name, protocol):
    harm = harmful_objects(tmp_path / "marker")[name]
    (tmp_path / "source").write_bytes(pickle.dumps(harm, protocol))
    refused()
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("name", harmful_objects(""))
def test_calls_in_a_pth_are_not_run(refused, tmp_path, name):
    harm = pickle.dumps(harmful_objects(tmp_path / "marker")[name], 2)
    with zipfile.ZipFile(tmp_path / "source", "w") as archive:
        archive.writestr("archive/data.pkl", harm)
    refused()
    header = [pickle.dumps(each, 2) for each in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    (tmp_path / "source").write_bytes(b"".join([*header, harm]))
    refused()
    assert not (tmp_path / "marker").exists()


def test_the_refused_name_is_shown(refused, tmp_path):
    (tmp_path / "source").write_bytes(pickle.dumps(Call(os.system, "true"), 2))
    assert "'posix.system'" in refused()


# Pickles that call a stand-in, or set a state, with arguments that no library would write.
MISUSES = {
    "dtype of objects": b"cnumpy\ndtype\n(U\x02O8K\x00K\x01tR.",
    "dtype without a kind": b"cnumpy\ndtype\n(tR.",
    "array of an endless shape": b"}(U\x07conv1_wcnumpy.core.multiarray\n_reconstruct\n)R(K\x01(L99999999999999L\nt"
    b"cnumpy\ndtype\n(U\x02f4K\x00K\x01tR\x89U\x04\x00\x00\x00\x00tbu.",
    "state of a class": b"cnumpy\nndarray\n(N}U\x0c__setstate__Nstb.",
    "persistent id": b"U\x05helloQ.",
    "memo that does not exist": b"h\x07.",
    "memo of a huge index": b"Nr\xff\xff\xff\xff.",
    "nothing": b".",
    "extension code": b"\x82\x01.",
}


@pytest.mark.parametrize("name", MISUSES)
def test_misuse_of_admitted_names_is_refused(refused, tmp_path, name):
    (tmp_path / "source").write_bytes(b"\x80\x02" + MISUSES[name])
    refused()


def rebuild(*arguments: bytes) -> bytes:
    """A pickled state dictionary with one tensor, whose storage has 4 numbers."""
    storage = b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x04tQ"
    return b"\x80\x02}U\x0cconv1.weightctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"".join(arguments) + b"tRs."


TENSORS = {
    "beyond its storage": rebuild(b"K\x01", b"(K\x04t", b"(K\x01t"),
    "with strides beyond its storage": rebuild(b"K\x00", b"(K\x02K\x02t", b"(K\x03K\x01t"),
    "repeated without end": rebuild(b"K\x00", b"(L99999999999L\nt", b"(K\x00t"),
    "of a negative stride": rebuild(b"K\x03", b"(K\x04t", b"(J\xff\xff\xff\xfft"),
    "of a negative offset": rebuild(b"J\xff\xff\xff\xff", b"(K\x04t", b"(K\x01t"),
    "of a strange type": rebuild(b"K\x00", b"U\x014", b"(K\x01t"),
    "of more strides than sides": rebuild(b"K\x00", b"(K\x04t", b"(K\x01K\x01t"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_do_not_fit_their_storage_are_refused(refused, tmp_path, name):
    with zipfile.ZipFile(tmp_path / "source", "w") as archive:
        archive.writestr("archive/data.pkl", TENSORS[name])
        archive.writestr("archive/data/0", bytes(16))
    refused()


@pytest.mark.parametrize(
    "members",
    [
        {"archive/data.pkl": TENSORS["beyond its storage"].replace(b"K\x01(", b"K\x00("), "archive/data/0": bytes(12)},
        {"archive/data.pkl": TENSORS["beyond its storage"].replace(b"K\x01(", b"K\x00(")},
        {"archive/version": b"3"},
        {"archive/data.pkl": pickle.dumps({}, 2)},
        {"archive/data.pkl": pickle.dumps({"epoch": 3}, 2)},
        {"archive/data.pkl": pickle.dumps([1, 2], 2)},
        {"archive/data.pkl": pickle.dumps({}, 2), "archive/byteorder": b"big"},
    ],
    ids=["short storage", "no storage", "no pickle", "empty", "no tensor", "a list", "big-endian"],
)
def test_zips_without_a_state_dictionary_are_refused(refused, tmp_path, members):
    with zipfile.ZipFile(tmp_path / "source", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    refused()


STREAMS = {
    "no sizes of a machine": (1001, [1, 2]),
    "big-endian": (1001, {"little_endian": False}),
    "another version": (1002, {"little_endian": True}),
    "no state": (1001, {"little_endian": True}, {}, None),
}


@pytest.mark.parametrize("name", STREAMS)
def test_streams_not_written_by_pytorch_are_refused(refused, tmp_path, name):
    parts = (0x1950A86A20F9469CFC6C, *STREAMS[name])
    (tmp_path / "source").write_bytes(b"".join(pickle.dumps(each, 2) for each in parts))
    refused()


@pytest.mark.parametrize("keys", [None, [[1]], ["0", "1"], []])
def test_keys_of_other_storages_are_refused(refused, tmp_path, keys):
    start = [pickle.dumps(each, 2) for each in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    tensor = rebuild(b"K\x00", b"(K\x04t", b"(K\x01t")
    storage = struct.pack("<q", 4) + bytes(16)
    (tmp_path / "source").write_bytes(b"".join([*start, tensor, pickle.dumps(keys, 2), storage]))
    refused()


def test_an_object_with_an_array_attribute_is_refused(refused, tmp_path):
    value = OrderedDict()
    value.array = 5
    (tmp_path / "source").write_bytes(pickle.dumps({"conv1_w": value}, 2))
    refused()


def test_a_compressed_zip_is_refused(refused, tmp_path):
    with zipfile.ZipFile(tmp_path / "source", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**7))
    refused()


def safetensors(header, data=bytes(16), length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(start, end, shape=(2,), kind="F32"):
    return {"dtype": kind, "shape": list(shape), "data_offsets": [start, end]}


SAFETENSORS = {
    "overlapping ranges": safetensors({"a": entry(0, 8), "b": entry(4, 12)}, bytes(12)),
    "the same range twice": safetensors({"a": entry(0, 8), "b": entry(0, 8)}, bytes(8)),
    "range beyond the end": safetensors({"a": entry(0, 8), "b": entry(8, 24, (4,))}),
    "range of another size": safetensors({"a": entry(0, 16)}),
    "negative range": safetensors({"a": entry(-8, 8, (4,))}),
    "hole": safetensors({"a": entry(8, 16)}),
    "huge header": safetensors({"a": entry(0, 16, (4,))}, length=2**60),
    "header beyond the end": safetensors({"a": entry(0, 16, (4,))}, length=10**6),
    "header without end": safetensors(b"{" * 1000),
    "unknown type": safetensors({"a": entry(0, 16, (4,), "F3")}),
    "type that NumPy does not have": safetensors({"a": entry(0, 16, (8,), "BF16")}),
    "shape of 2^80": safetensors({"a": entry(0, 16, (2**40, 2**40))}),
}


@pytest.mark.parametrize("name", SAFETENSORS)
def test_wrong_safetensors_headers_are_refused(refused, tmp_path, name):
    (tmp_path / "source").write_bytes(SAFETENSORS[name])
    refused()
