"""For each file format, a random network and the file that its publisher would write."""

import functools
from collections.abc import Callable
from pathlib import Path

from tests.resnet_reference import Network, random_network, without_bias
from tests.weight_files import (
    caffe2_arrays,
    gluoncv_arrays,
    mxnet_arrays,
    torchvision_arrays,
    write_older_pth,
    write_onnx,
    write_params,
    write_pth,
    write_python2_pickle,
    write_python3_pickle,
    write_safetensors,
)
from vision.models.backbone import PIXEL_MEANS

MSRA = {"bgr": True, "means": (102.9801, 115.9465, 122.7717), "stds": (1.0, 1.0, 1.0)}
SCALED = {"bgr": False, "means": (123.675, 116.28, 103.53), "stds": (58.395, 57.12, 57.375)}
YAHOO = {"bgr": True, "means": (104.0, 117.0, 123.0), "stds": (1.0, 1.0, 1.0)}
OURS = {"bgr": False, "means": PIXEL_MEANS, "stds": (1.0, 1.0, 1.0)}

BLOCKS, CHANNELS = (1, 2, 3, 2), (64, 16, 24, 32, 48)


def bottlenecks(images, **settings):
    return random_network(BLOCKS, CHANNELS, **settings, **images)


def detectron(path: Path) -> Network:
    network = without_bias(bottlenecks(MSRA), "conv1")
    arrays = caffe2_arrays(network)
    write_python2_pickle(path, arrays | {f"{name}_momentum": array for name, array in arrays.items()})
    return network


def detectron2(path):
    network = without_bias(bottlenecks(MSRA), "conv1")
    write_python3_pickle(path, caffe2_arrays(network, folded=False))
    return network


def torchvision(path, write):
    network = without_bias(bottlenecks(SCALED, stride_in="2b", caffe_pool=False))
    write(path, torchvision_arrays(network))
    return network


def open_nsfw(path):
    network = bottlenecks(YAHOO)
    write_onnx(path, network)
    return network


def gluoncv(path):
    network = without_bias(bottlenecks(SCALED, caffe_pool=False), "2a", "2c")
    write_params(path, gluoncv_arrays(network))
    return network


def relation_networks(path):
    network = without_bias(bottlenecks(OURS))
    write_params(path, mxnet_arrays(network))
    return network


FORMATS: dict[str, Callable[[Path], Network]] = {
    "detectron": detectron,
    "detectron2": detectron2,
    "pth": functools.partial(torchvision, write=write_pth),
    "older pth": functools.partial(torchvision, write=write_older_pth),
    "safetensors": functools.partial(torchvision, write=write_safetensors),
    "open_nsfw": open_nsfw,
    "gluoncv": gluoncv,
    "relation networks": relation_networks,
}
