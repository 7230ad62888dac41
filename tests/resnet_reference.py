"""Random ResNets, and an independent float64 evaluation of them in NumPy."""

from typing import NamedTuple

import numpy as np

EPSILON = 1e-5
Array = np.ndarray


class Layer(NamedTuple):
    """A convolution [out, in, k, k], with or without bias, and its BatchNorm."""

    weight: Array
    bias: Array | None
    gamma: Array
    beta: Array
    mean: Array
    var: Array


class Network(NamedTuple):
    """A network in the conventions of its publisher.

    Args:
        layers: by stage (1 is conv1), block and branch ("conv1", "1", "2a", "2b", "2c").
        blocks: of stages 2 to 5.
        stride_in: the branch with the stride of a stage, besides the shortcut.
        caffe_pool: whether pool1 has no padding and its last window reaches over the edge; otherwise it is padded by 1.
        bgr: whether the input channels are BGR.
        means, stds: of pixel values, in the order of the channels.
    """

    layers: dict[tuple[int, int, str], Layer]
    blocks: tuple[int, ...]
    stride_in: str
    caffe_pool: bool
    bgr: bool
    means: tuple[float, ...]
    stds: tuple[float, ...]


def random_network(blocks, channels, *, bottleneck=True, stride_in="2a", caffe_pool=True, seed=0, **images) -> Network:
    """A network with random weights, biases and statistics.

    Args:
        blocks: of stages 2 to 5.
        channels: of conv1 and of the output of each stage.
        images: `bgr`, `means` and `stds` of a `Network`.
    """
    random = np.random.default_rng(seed)
    layers = {(1, 0, "conv1"): _random_layer(random, channels[0], 3, 7, pixels=min(images["stds"]) == 1)}
    inputs = channels[0]
    for stage, (count, outputs) in enumerate(zip(blocks, channels[1:], strict=True), start=2):
        width = outputs // 4
        for block in range(count):
            shapes = {"2a": (width, inputs, 1), "2b": (width, width, 3), "2c": (outputs, width, 1)}
            if not bottleneck:
                shapes = {"2a": (outputs, inputs, 3), "2b": (outputs, outputs, 3)}
            if block == 0 and inputs != outputs:
                shapes["1"] = (outputs, inputs, 1)
            for branch, shape in shapes.items():
                layers[stage, block, branch] = _random_layer(random, *shape)
            inputs = outputs
    return Network(layers, tuple(blocks), stride_in, caffe_pool, **images)


def _random_layer(random, outputs, inputs, kernel, pixels=False) -> Layer:
    scale = 58.0 if pixels else 1.0  # of the input
    weight = random.normal(0, np.sqrt(2 / (inputs * kernel**2)), (outputs, inputs, kernel, kernel)) / scale
    gamma, beta = random.uniform(0.4, 1.0, outputs), random.normal(0, 0.2, outputs)
    mean, var = random.normal(0, 0.3, outputs), random.uniform(0.5, 2.0, outputs)
    return Layer(
        *(each.astype(np.float32) for each in (weight, random.normal(0, 0.1, outputs), gamma, beta, mean, var))
    )


def without_bias(network: Network, *kept: str) -> Network:
    """A copy without the biases of convolutions, except in the branches `kept`."""
    layers = {place: each if place[2] in kept else each._replace(bias=None) for place, each in network.layers.items()}
    return network._replace(layers=layers)


def evaluate(network: Network, pixels: Array, outside: tuple[float, ...] | None = None) -> tuple[Array, Array]:
    """conv4 and conv5 [C, h, w] of RGB pixels [3, H, W]; conv5 at stride 32, as the network was published.

    Args:
        outside: RGB of the padding; None for the mean, which is what padding with zeros means.
    """
    order = [2, 1, 0] if network.bgr else [0, 1, 2]
    means, stds = (np.reshape(each, (3, 1, 1)) for each in (network.means, network.stds))
    margin = means[np.argsort(order)] if outside is None else np.reshape(outside, (3, 1, 1))
    padded = np.broadcast_to(margin, (3, pixels.shape[1] + 6, pixels.shape[2] + 6)).copy()
    padded[:, 3:-3, 3:-3] = pixels
    values = np.maximum(_layer((padded[order] - means) / stds, network.layers[1, 0, "conv1"], stride=2, pad=0), 0)
    values = _pool(values, network.caffe_pool)
    outputs = []
    for stage, count in enumerate(network.blocks, start=2):
        for block in range(count):
            stride = 2 if stage > 2 and block == 0 else 1
            values = _block(network, values, stage, block, stride)
        outputs.append(values)
    return outputs[2], outputs[3]


def _block(network, values, stage, block, stride):
    layers = {branch: each for (*place, branch), each in network.layers.items() if place == [stage, block]}
    out = values
    for branch in sorted(layers.keys() - {"1"}):
        pad = layers[branch].weight.shape[2] // 2
        out = _layer(out, layers[branch], stride if branch == network.stride_in else 1, pad)
        if branch != max(layers):
            out = np.maximum(out, 0)
    shortcut = _layer(values, layers["1"], stride, pad=0) if "1" in layers else values
    return np.maximum(out + shortcut, 0)


def _layer(values, layer: Layer, stride, pad):
    """Convolution and BatchNorm."""
    values = np.pad(values, ((0, 0), (pad, pad), (pad, pad)))
    kernel = layer.weight.shape[2]
    windows = np.lib.stride_tricks.sliding_window_view(values, (kernel, kernel), axis=(1, 2))[:, ::stride, ::stride]
    out = np.tensordot(layer.weight.astype(np.float64), windows, axes=((1, 2, 3), (0, 3, 4)))
    bias, gamma, beta, mean, var = (
        np.zeros((1, 1, 1)) if each is None else each.astype(np.float64).reshape(-1, 1, 1) for each in layer[1:]
    )
    return gamma * (out + bias - mean) / np.sqrt(var + EPSILON) + beta


def _pool(values, caffe: bool):
    """3 × 3 maxima at stride 2: Caffe begins at the edge and rounds the size up, others pad by 1."""
    before = 0 if caffe else 1
    values = np.pad(values, ((0, 0), (before, 1), (before, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(values, (3, 3), axis=(1, 2))[:, ::2, ::2]
    return windows.max(axis=(3, 4))
