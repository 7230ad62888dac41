"""A made-up checkpoint in the format of Relation Networks' code, and what their operators compute from it."""

import zlib

import numpy as np
from gluoncv.model_zoo.resnet import BottleneckV1, ResNetV1
from mxnet import nd

from vision.models import backbone

BLOCKS = {
    2: ["a", "b", "c"],
    3: ["a", "b1", "b2", "b3"],
    4: ["a", *(f"b{number}" for number in range(1, 23))],
    5: ["a", "b", "c"],
}
STDS = np.array([0.1, 0.1, 0.2, 0.2] * 2, np.float32)
BOTH = (1, 2)

# --- arrays ---------------------------------------------------------------------------------------------------------


def backbone_shapes():
    """Names and shapes of the Caffe converter's ResNet-101."""
    shapes = {"arg:conv1_weight": (64, 3, 7, 7)} | norm_shapes("bn_conv1", 64)
    inputs = 64
    for stage, letters in BLOCKS.items():
        width = 2 ** (stage + 4)
        for letter in letters:
            branches = {"2a": (width, inputs, 1, 1), "2b": (width, width, 3, 3), "2c": (4 * width, width, 1, 1)}
            if letter == "a":
                branches["1"] = (4 * width, inputs, 1, 1)
            for branch, shape in branches.items():
                shapes[f"arg:res{stage}{letter}_branch{branch}_weight"] = shape
                shapes |= norm_shapes(f"bn{stage}{letter}_branch{branch}", shape[0])
            inputs = 4 * width
    return shapes


def norm_shapes(name, channels):
    names = [f"arg:{name}_gamma", f"arg:{name}_beta", f"aux:{name}_moving_mean", f"aux:{name}_moving_var"]
    return dict.fromkeys(names, (channels,))


def head_shapes():
    """Names and shapes of all other layers, with both relation modules."""
    layers = {
        "rpn_conv_3x3": (512, 1024, 3, 3),
        "rpn_cls_score": (24, 512, 1, 1),
        "rpn_bbox_pred": (48, 512, 1, 1),
        "conv_new_1": (256, 2048, 1, 1),
        "fc_new_1": (1024, 12544),
        "fc_new_2": (1024, 1024),
        "cls_score": (81, 1024),
        "bbox_pred": (8, 1024),
    }
    for k in BOTH:
        layers |= {f"pair_pos_fc1_{k}": (16, 64), f"query_{k}": (1024, 1024), f"key_{k}": (1024, 1024)}
        layers |= {f"linear_out_{k}": (1024, 1024, 1, 1)}
    weights = {f"arg:{name}_weight": shape for name, shape in layers.items()}
    return weights | {f"arg:{name}_bias": shape[:1] for name, shape in layers.items()}


def made_up(shapes):
    """Random arrays of these shapes, scaled so that the activations of a network stay bounded."""
    pool = np.random.default_rng(0).standard_normal(1_000_003, np.float32)
    return {name: _made_up(name, shape, np.roll(pool, zlib.crc32(name.encode()))) for name, shape in shapes.items()}


def _made_up(name, shape, noise):
    values = np.resize(noise, shape)
    if name.endswith("moving_var") or name.endswith("gamma"):
        return (np.abs(values) / 4 + 0.5) * (0.3 if "2c_gamma" in name else 1)
    if name.endswith("weight"):
        inputs = np.prod(shape[1:])
        # rpn_bbox_pred is so small that the moved anchors keep a positive size.
        size = 1e-6 if name.startswith("arg:rpn_bbox") else 0.1 if name.startswith(("arg:rpn", "arg:bbox")) else 2
        return values * np.float32(np.sqrt(size / inputs))
    return values / 10


def with_test_copies(arrays):
    """Adds the copies for test time, as their callback does after each epoch."""
    weight, bias = arrays["arg:bbox_pred_weight"], arrays["arg:bbox_pred_bias"]
    copies = {"arg:bbox_pred_weight_test": (weight.T * STDS).T, "arg:bbox_pred_bias_test": bias * STDS + np.float32(0)}
    return arrays | copies


def save(path, arrays):
    nd.save(str(path), {name: nd.array(array) for name, array in arrays.items()})


def make_narrow(patch, name, blocks, widths):
    """Makes the backbone `name` a ResNet with `widths` channels inside the bottlenecks of its stages."""
    real, outputs = backbone._network, [4 * width for width in widths]

    def network(which, **settings):
        if which != name:
            return real(which, **settings)
        return ResNetV1(BottleneckV1, blocks, [64, *outputs], **settings)

    patch.setattr(backbone, "_network", network)
    patch.setitem(backbone.CHANNELS, name, tuple(outputs[2:]))


# --- operators, in the order of their code --------------------------------------------------------------------------


def norm(arrays, name, data):
    names = (f"arg:{name}_gamma", f"arg:{name}_beta", f"aux:{name}_moving_mean", f"aux:{name}_moving_var")
    return nd.BatchNorm(data, *(arrays[each] for each in names), eps=1e-5, use_global_stats=True, fix_gamma=False)


def convolve(arrays, branch, data, **settings):
    """A convolution without bias, and its BatchNorm."""
    weight = arrays[f"arg:res{branch}_weight"]
    out = nd.Convolution(data, weight, num_filter=len(weight), kernel=weight.shape[2:], no_bias=True, **settings)
    return norm(arrays, f"bn{branch}", out)


def layer(arrays, name, data, **settings):
    weight, bias = (arrays[f"arg:{name}_{kind}"] for kind in ("weight", "bias"))
    if weight.ndim == 2:
        return nd.FullyConnected(data, weight, bias, num_hidden=len(weight))
    return nd.Convolution(data, weight, bias, num_filter=len(weight), kernel=weight.shape[2:], **settings)


def caffe_backbone(arrays, images):
    """conv4 and conv5 of the Caffe network with these arrays."""
    settings = {"num_filter": 64, "kernel": (7, 7), "stride": (2, 2), "pad": (3, 3), "no_bias": True}
    out = nd.Convolution(images, arrays["arg:conv1_weight"], None, **settings)
    out = nd.relu(norm(arrays, "bn_conv1", out))
    out = nd.Pooling(out, kernel=(3, 3), stride=(2, 2), pool_type="max", pooling_convention="full")
    for stage, letters in BLOCKS.items():
        for letter in letters:
            stride = (2, 2) if letter == "a" and stage in (3, 4) else (1, 1)
            dilation = (2, 2) if stage == 5 else (1, 1)
            name = f"{stage}{letter}_branch"
            shortcut = convolve(arrays, f"{name}1", out, stride=stride) if letter == "a" else out
            inner = nd.relu(convolve(arrays, f"{name}2a", out, stride=stride))
            inner = nd.relu(convolve(arrays, f"{name}2b", inner, pad=dilation, dilate=dilation))
            out = nd.relu(shortcut + convolve(arrays, f"{name}2c", inner))
        if stage == 4:
            conv4 = out
    return conv4, out


def attend(arrays, k, features, rois):
    """The k-th relation module on features [N, 1024] and ROIs [N, 4]."""
    x1, y1, x2, y2 = nd.split(rois, num_outputs=4, axis=1)
    width, height, x, y = x2 - x1 + 1, y2 - y1 + 1, (x1 + x2) / 2, (y1 + y2) / 2
    relative = [
        nd.log(nd.maximum(nd.abs(nd.broadcast_div(nd.broadcast_sub(each, each.T), side)), 1e-3))
        for each, side in ((x, width), (y, height))
    ] + [nd.log(nd.broadcast_div(side, side.T)) for side in (width, height)]
    position = nd.stack(*relative, axis=2).expand_dims(3) * 100  # [N, N, 4, 1]
    angles = nd.broadcast_div(position, nd.power(1000, nd.arange(8) / 8).reshape((1, 1, 1, 8)))
    embedding = nd.concat(nd.sin(angles), nd.cos(angles), dim=3).reshape((-1, 64))
    count = len(rois)
    geometry = nd.relu(layer(arrays, f"pair_pos_fc1_{k}", embedding)).reshape((count, count, 16)).transpose((0, 2, 1))
    query, key = (
        layer(arrays, f"{name}_{k}", features).reshape((count, 16, 64)).transpose((1, 0, 2))
        for name in ("query", "key")
    )
    products = nd.batch_dot(query, key, transpose_b=True).transpose((1, 0, 2)) / 8
    attention = nd.softmax(nd.log(nd.maximum(geometry, 1e-6)) + products, axis=2)
    sums = nd.dot(attention.reshape((-3, 0)), features).reshape((count, 16 * 1024, 1, 1))
    return layer(arrays, f"linear_out_{k}", sums, num_group=16).reshape((0, 0))


def assert_close(actual, expected, tolerance=1e-4):
    actual, expected = actual.asnumpy(), expected.asnumpy()
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())
