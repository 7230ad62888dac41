"""The convolutions: a ResNet whose last stage keeps the stride of the one before, and its ImageNet weights."""

from pathlib import Path

import mxnet as mx
import numpy as np
from gluoncv.model_zoo import get_model
from gluoncv.model_zoo.model_store import get_model_file
from gluoncv.model_zoo.resnet import BasicBlockV1, ResNetV1
from mxnet import gluon, nd

from data.errors import UserError
from vision.devices import reason

# RGB of the mean image, which the network's input lacks (Relation Networks' code), and the scaling that GluonCV's
# ImageNet networks expect, in the same units.
PIXEL_MEANS = (123.15, 115.90, 103.06)
GLUONCV_MEANS = (0.485 * 255, 0.456 * 255, 0.406 * 255)
GLUONCV_STDS = (0.229 * 255, 0.224 * 255, 0.225 * 255)

# Of conv4 and conv5.
CHANNELS = {"resnet10": (64, 128), "resnet18": (256, 512), "resnet50": (1024, 2048), "resnet101": (1024, 2048)}
POOL1, LAST_STAGE = 3, 7  # of GluonCV's `features`: conv1, bn1, relu, pool1, res2, res3, res4, res5, pooling
FROZEN = (0, 1, 4)  # conv1, bn1, res2


class Backbone(gluon.HybridBlock):
    """ResNet-10, -18, -50 or -101 up to conv4 and conv5, both at stride 16.

    The network is GluonCV's v1: the stride of a stage lies in its first 1 × 1 convolution, as in the Caffe original.
    conv5 has stride 1, and its 3 × 3 convolutions are dilated by 2 (Relation Networks). Two things differ from there,
    as GluonCV's weights were trained so: pool1 pads its input, and the outer 1 × 1 convolutions of ResNet-50 and -101
    have a bias, which is 0 with weights from there.

    BatchNorm is frozen where the weights are pretrained: running statistics, fixed γ and β. From scratch there are no
    statistics to freeze, so it learns, and normalises by those of its batch. GroupNorm would not depend on the batch,
    but MXNet's has one γ and β a group instead of a channel.

    ResNet-10, for miniatures, has half the blocks of ResNet-18, and a quarter of its channels.

    Args:
        name: "resnet10", "resnet18", "resnet50" or "resnet101".
        frozen_norm: whether BatchNorm uses its running statistics in training, too.
        pool1: "padded", or "caffe": without padding, and a last window may reach beyond the edge. Padded, features lie
            two pixels further to the left and above.

    Call arguments:
        images: [B, 3, H, W] RGB less `PIXEL_MEANS`, not divided by anything.

    Returns:
        conv4 [B, 1024, H/16, W/16] and conv5 [B, 2048, H/16, W/16], sides rounded up; fewer channels
        for the smaller networks, see `CHANNELS`.
    """

    def __init__(self, name: str, frozen_norm: bool, pool1: str = "padded", **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            network = _network(name, norm_kwargs={"use_global_stats": frozen_norm}, prefix="")
            self.features = gluon.nn.HybridSequential(prefix="")
            self.features.add(*network.features[: LAST_STAGE + 1])
        _keep_stride(self.features[LAST_STAGE])
        if pool1 == "caffe":
            self.features[POOL1]._kwargs.update(pad=(0, 0), pooling_convention="full")

    def hybrid_forward(self, F, images):
        *earlier, last = self.features
        conv4 = images
        for layer in earlier:
            conv4 = layer(conv4)
        return conv4, last(conv4)

    def freeze(self) -> None:
        """Leaves conv1, bn1, res2, every γ and β, and the biases beside them, as they are."""
        self.collect_params(".*(gamma|beta|bias)$").setattr("grad_req", "null")
        for index in FROZEN:
            self.features[index].collect_params().setattr("grad_req", "null")


def _network(name: str, **kwargs) -> ResNetV1:
    if name == "resnet10":
        return ResNetV1(BasicBlockV1, layers=[1, 1, 1, 1], channels=[16, 16, 32, 64, 128], **kwargs)
    return get_model(f"{name}_v1", **kwargs)


def _keep_stride(stage: gluon.nn.HybridSequential) -> None:
    """Turns the stride of a stage into dilation of what comes after: the same values, and three between each two."""
    for block in stage:
        for layer in (*block.body, *(block.downsample or ())):
            settings = getattr(layer, "_kwargs", {})  # GluonCV's v1 networks have no argument for it.
            if settings.get("stride") == (2, 2):
                settings["stride"] = (1, 1)
            elif settings.get("kernel") == (3, 3):
                settings.update(dilate=(2, 2), pad=(2, 2))


def load_imagenet_weights(backbone: Backbone, name: str, pretrained: str) -> None:
    """Gives an initialised backbone the weights of GluonCV's network of the same name.

    Args:
        name: as that of the backbone.
        pretrained: "imagenet", for GluonCV's model store, or a `.params` file.

    Raises:
        UserError: the file cannot be fetched or read, or is of another network.
    """
    path = _fetch(f"{name}_v1") if pretrained == "imagenet" else pretrained
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file of weights; set model.pretrained to imagenet, none, or a .params file")
    try:
        backbone.load_parameters(path, ctx=mx.cpu(), ignore_extra=True, cast_dtype=True)  # Extra: its classifier.
    except (AssertionError, ValueError, KeyError, mx.MXNetError) as error:
        raise UserError(
            f"{path}: not the weights of GluonCV's {name}_v1 ({reason(error)}); give another file, or import one of "
            "Relation Networks' first: python -m vision.relation_networks import"
        ) from None
    _take_unscaled_images(backbone)


def _fetch(network: str) -> str:
    try:
        return get_model_file(network)
    except (OSError, RuntimeError, ValueError, mx.MXNetError) as error:
        raise UserError(
            f"ImageNet weights of {network}: GluonCV's model store cannot be reached ({reason(error)}); "
            "fetch them elsewhere and set model.pretrained to that .params file"
        ) from None


def _take_unscaled_images(backbone: Backbone) -> None:
    """Folds the scaling of images that GluonCV's weights expect into conv1 and bn1.

    conv1 of (x - m) / s is conv1 / s of (x - p), plus what conv1 / s makes of p - m: the same everywhere, and so taken
    off bn1's running mean. Only within three pixels of the edge does it differ, by a few thousandths: zeros there
    are p now, and were m.
    """
    conv1, bn1 = backbone.features[0], backbone.features[1]
    weight = conv1.weight.data().asnumpy() / np.reshape(GLUONCV_STDS, (1, 3, 1, 1))
    shift = np.einsum("ochw,c->o", weight, np.subtract(PIXEL_MEANS, GLUONCV_MEANS))
    conv1.weight.set_data(nd.array(weight))
    bn1.running_mean.set_data(nd.array(bn1.running_mean.data().asnumpy() - shift))
