"""Files that are damaged or of another network: one line, exit code 2, nothing written."""

import numpy as np
import pytest

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

WRITERS = {
    "detectron": (write_python2_pickle, lambda: caffe2_arrays(bottlenecks(MSRA))),
    "pth": (write_pth, lambda: torchvision_arrays(bottlenecks(SCALED))),
    "older pth": (write_older_pth, lambda: torchvision_arrays(bottlenecks(SCALED))),
    "safetensors": (write_safetensors, lambda: torchvision_arrays(bottlenecks(SCALED))),
}


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
@pytest.mark.parametrize("name", FORMATS)
def test_a_truncated_file_is_refused(refused, tmp_path, name, share):
    path = tmp_path / "source"
    FORMATS[name](path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused()


@pytest.mark.parametrize("content", [None, b"", b"<!DOCTYPE html>", b"\x80", b"PK\x03\x04", b"\x08", bytes(100)])
def test_files_without_weights_are_refused(refused, tmp_path, content):
    if content is None:
        refused()  # no such file
        (tmp_path / "source").mkdir()
    else:
        (tmp_path / "source").write_bytes(content)
    refused()


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
def test_invalid_arrays_are_refused(refused, tmp_path, name, change):
    write, arrays = WRITERS[name]
    found = arrays()
    changed = [name for name, array in found.items() if array.ndim == 4][1]
    write(tmp_path / "source", {**found, changed: change(found[changed])})
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
def test_a_larger_network_is_refused(refused, tmp_path, name):
    """ResNet-101 has all arrays of ResNet-50 and 17 more blocks."""
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


@pytest.mark.parametrize("name", ["features.0.weight", "arg:conv1_weight", "backbone.features.0.weight"])
def test_incomplete_or_converted_params_are_refused(refused, tmp_path, name):
    write_params(tmp_path / "source", {name: np.zeros((64, 3, 7, 7))})
    refused()


def test_a_python_3_array_with_another_type_is_refused(refused, tmp_path):
    write_python3_pickle(tmp_path / "source", caffe2_arrays(bottlenecks(MSRA)))
    content = (tmp_path / "source").read_bytes()
    (tmp_path / "source").write_bytes(content.replace(b"X\x02\x00\x00\x00f4", b"X\x02\x00\x00\x00f8"))
    refused()
