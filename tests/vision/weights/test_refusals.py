"""Files that are damaged, of another network or made to do harm: one line, exit code 2, nothing run or written."""

import json
import os
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from data.errors import run_command
from tests.weight_files import (
    caffe2_arrays,
    open_nsfw_model,
    torchvision_arrays,
    write_older_pth,
    write_params,
    write_pth,
    write_python2_pickle,
    write_python3_pickle,
    write_safetensors,
)
from tests.weight_formats import FORMATS, MSRA, SCALED, YAHOO, bottlenecks
from vision.weights.__main__ import main

WRITERS = {
    "detectron": (write_python2_pickle, lambda: caffe2_arrays(bottlenecks(MSRA))),
    "pth": (write_pth, lambda: torchvision_arrays(bottlenecks(SCALED))),
    "older pth": (write_older_pth, lambda: torchvision_arrays(bottlenecks(SCALED))),
    "safetensors": (write_safetensors, lambda: torchvision_arrays(bottlenecks(SCALED))),
}


class Call:
    """Is pickled as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys, narrow):
    """Converts `source` in `tmp_path` and returns the line by which it is refused."""

    def convert() -> str:
        path = tmp_path / "source"
        before = sorted(tmp_path.rglob("*"))
        arguments = ["weights", str(path), "--backbone", "resnet50", "--out", str(tmp_path / "out" / "out.params")]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as stopped:
            run_command(main)
        output = capsys.readouterr()
        assert (stopped.value.code, output.out, output.err.count("\n")) == (2, "", 1)
        assert output.err.startswith(f"error: {path}: ")
        assert sorted(tmp_path.rglob("*")) == before
        return output.err

    return convert


# --- harm -----------------------------------------------------------------------------------------------------------


def harmful_objects(marker):
    """Objects whose pickles run something when they are read without care."""
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
def test_a_pickle_that_calls_something_is_not_run(refused, tmp_path, name, protocol):
    harm = harmful_objects(tmp_path / "marker")[name]
    (tmp_path / "source").write_bytes(pickle.dumps(harm, protocol))
    refused()
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("name", harmful_objects(""))
def test_a_pth_that_calls_something_is_not_run(refused, tmp_path, name):
    harm = pickle.dumps(harmful_objects(tmp_path / "marker")[name], 2)
    with zipfile.ZipFile(tmp_path / "source", "w") as archive:
        archive.writestr("archive/data.pkl", harm)
    refused()
    header = [pickle.dumps(each, 2) for each in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    (tmp_path / "source").write_bytes(b"".join([*header, harm]))
    refused()
    assert not (tmp_path / "marker").exists()


def test_what_is_refused_is_named(refused, tmp_path):
    (tmp_path / "source").write_bytes(pickle.dumps(Call(os.system, "true"), 2))
    assert "'posix.system'" in refused()


# Pickles that misuse what is admitted: each calls a stand-in, or sets a state, with what no library would write.
MISUSES = {
    "dtype of objects": b"cnumpy\ndtype\n(U\x02O8K\x00K\x01tR.",
    "dtype without a kind": b"cnumpy\ndtype\n(tR.",
    "array of an endless shape": b"}(U\x07conv1_wcnumpy.core.multiarray\n_reconstruct\n)R(K\x01(L99999999999999L\nt"
    b"cnumpy\ndtype\n(U\x02f4K\x00K\x01tR\x89U\x04\x00\x00\x00\x00tbu.",
    "state of a class": b"cnumpy\nndarray\n(N}U\x0c__setstate__Nstb.",
    "persistent id": b"U\x05helloQ.",
    "memo that does not exist": b"h\x07.",
    "memo of an enormous index": b"Nr\xff\xff\xff\xff.",
    "nothing": b".",
    "extension code": b"\x82\x01.",
}


@pytest.mark.parametrize("name", MISUSES)
def test_a_pickle_that_misuses_what_is_admitted_is_refused(refused, tmp_path, name):
    (tmp_path / "source").write_bytes(b"\x80\x02" + MISUSES[name])
    refused()


def rebuild(*arguments: bytes) -> bytes:
    """A pickled state dictionary of one tensor, whose storage has 4 numbers."""
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
def test_a_tensor_that_does_not_fit_its_storage_is_refused(refused, tmp_path, name):
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
def test_a_zip_that_is_no_state_dictionary_is_refused(refused, tmp_path, members):
    with zipfile.ZipFile(tmp_path / "source", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    refused()


def test_a_compressed_zip_is_not_unpacked(refused, tmp_path):
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
def test_a_wrong_header_of_safetensors_is_refused(refused, tmp_path, name):
    (tmp_path / "source").write_bytes(SAFETENSORS[name])
    refused()


# --- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
@pytest.mark.parametrize("name", FORMATS)
def test_a_truncated_file_is_refused(refused, tmp_path, name, share):
    path = tmp_path / "source"
    FORMATS[name](path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused()


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", b"\x80", b"PK\x03\x04", b"\x08", bytes(100)])
def test_what_is_no_weights_is_refused(refused, tmp_path, content):
    (tmp_path / "source").write_bytes(content)
    refused()


def test_a_missing_file_and_a_folder_are_refused(refused, tmp_path):
    refused()
    (tmp_path / "source").mkdir()
    refused()


def with_change(arrays, change):
    """Arrays of which the weight of the second convolution is changed."""
    name = [name for name, array in arrays.items() if array.ndim == 4][1]
    return {**arrays, name: change(arrays[name])}


@pytest.mark.parametrize(
    "change",
    [
        lambda array: array[:-1],
        lambda array: array.reshape(-1),
        lambda array: np.full_like(array, np.nan),
        lambda array: np.where(np.arange(array.size).reshape(array.shape) == 3, np.inf, array).astype(np.float32),
        lambda array: np.zeros(array.shape, np.int64),
    ],
    ids=["wrong shape", "flat", "NaN", "one infinite", "integers"],
)
@pytest.mark.parametrize("name", WRITERS)
def test_arrays_that_cannot_be_are_refused(refused, tmp_path, name, change):
    write, arrays = WRITERS[name]
    write(tmp_path / "source", with_change(arrays(), change))
    refused()


def test_a_negative_variance_is_refused(refused, tmp_path):
    arrays = torchvision_arrays(bottlenecks(SCALED))
    write_pth(tmp_path / "source", {**arrays, "layer1.0.bn2.running_var": -arrays["layer1.0.bn2.running_var"]})
    assert "layer1.0.bn2.running_var" in refused()


@pytest.mark.parametrize("name", WRITERS)
def test_a_missing_array_is_named(refused, tmp_path, name):
    write, arrays = WRITERS[name]
    found = arrays()
    lost = [name for name, array in found.items() if array.ndim == 4][2]
    write(tmp_path / "source", {name: array for name, array in found.items() if name != lost})
    assert lost in refused()


@pytest.mark.parametrize("name", WRITERS)
def test_a_larger_network_is_not_cut(refused, tmp_path, name):
    """ResNet-101 has all arrays of ResNet-50, and 17 more blocks."""
    write, arrays = WRITERS[name]
    found = arrays()
    more = {
        name.replace("res4_2", "res4_3").replace("layer3.2", "layer3.3"): array
        for name, array in found.items()
        if name.startswith(("res4_2", "layer3.2"))
    }
    write(tmp_path / "source", found | more)
    line = refused()
    assert any(name in line for name in more)


# --- ONNX and MXNet -------------------------------------------------------------------------------------------------


def other_models():
    """ONNX files of other networks than open_nsfw."""
    usual = bottlenecks(YAHOO)
    padded = open_nsfw_model(usual)
    pool1 = next(node for node in padded.graph.node if node.op_type == "MaxPool")
    next(each for each in pool1.attribute if each.name == "pads").ints[:] = [1, 1, 1, 1]
    other_operator = open_nsfw_model(usual)
    next(node for node in other_operator.graph.node if node.op_type == "Relu").op_type = "Sigmoid"
    external = open_nsfw_model(usual)
    external.graph.initializer[0].data_location = 1
    external.graph.initializer[0].external_data.add(key="location", value="../../etc/passwd")
    short = open_nsfw_model(usual)
    short.graph.initializer[0].raw_data = short.graph.initializer[0].raw_data[:-4]
    nameless = open_nsfw_model(usual)
    nameless.graph.initializer.pop(0)
    return {
        "stride in the 3 x 3": open_nsfw_model(bottlenecks(YAHOO, stride_in="2b")),
        "pool1 padded": padded,
        "another operator": other_operator,
        "weights in another file": external,
        "weights too short": short,
        "weights missing": nameless,
    }


@pytest.mark.parametrize("name", other_models())
def test_an_onnx_of_another_network_is_refused(refused, tmp_path, name):
    (tmp_path / "source").write_bytes(other_models()[name].SerializeToString())
    refused()


def test_params_of_another_network_are_refused(refused, tmp_path):
    for arrays in ({"features.0.weight": np.zeros((64, 3, 7, 7))}, {"arg:conv1_weight": np.zeros((64, 3, 7, 7))}):
        write_params(tmp_path / "source", arrays)
        refused()


def test_converted_weights_are_not_converted_again(refused, tmp_path):
    write_params(tmp_path / "source", {"backbone.features.0.weight": np.zeros((64, 3, 7, 7))})
    assert "converted already" in refused()


def test_an_array_of_python_3_that_was_changed_is_refused(refused, tmp_path):
    write_python3_pickle(tmp_path / "source", caffe2_arrays(bottlenecks(MSRA)))
    content = (tmp_path / "source").read_bytes()
    (tmp_path / "source").write_bytes(content.replace(b"X\x02\x00\x00\x00f4", b"X\x02\x00\x00\x00f8"))
    refused()
