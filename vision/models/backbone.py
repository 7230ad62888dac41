"""The backbone: a ResNet whose last stage has the same stride as the stage before it."""

from gluoncv.model_zoo import get_model
from gluoncv.model_zoo.resnet import BasicBlockV1, BottleneckV1, ResNetV1
from mxnet import gluon

# Mean of the training images in RGB, from the code of Relation Networks. It is subtracted; images are not divided.
PIXEL_MEANS = (123.15, 115.90, 103.06)

# Channels of conv4 and conv5.
CHANNELS = {
    "resnet10": (64, 128),
    "resnet18": (256, 512),
    "resnet50_thin": (512, 1024),
    "resnet50": (1024, 2048),
    "resnet101": (1024, 2048),
}
# In GluonCV's `features`: conv1, bn1, relu, pool1, res2, res3, res4, res5, pooling.
POOL1, FIRST_STAGE, LAST_STAGE = 3, 4, 7
FROZEN = (0, 1, FIRST_STAGE)  # conv1, bn1, res2

# Attribute with the layers, by the place of the stride. It is part of the name of every parameter, so that weights that
# were trained with one place are rejected by a network with the other. GluonCV and torchvision call the second kind v1b
# and v1.5.
FEATURES = {"1x1": "features", "3x3": "features_v1b"}


class Backbone(gluon.HybridBlock):
    """ResNet up to conv4 and conv5, both at stride 16.

    The layers are those of GluonCV's v1 networks. As in Relation Networks, conv5 has stride 1, and its 3 × 3
    convolutions are dilated by 2. Published networks of the same depth differ in two details, which must match the
    weights: `pool1` and `stride_in`. The outer 1 × 1 convolutions of bottlenecks have a bias, as in GluonCV's weights;
    it is 0 for weights without one.

    BatchNorm is frozen with pretrained weights: running statistics, fixed γ and β. Without pretrained weights it is
    trained and uses the statistics of the batch. (GroupNorm would not depend on the batch, but MXNet's has one γ and β
    per group instead of per channel.)

    "resnet50_thin" is ResNet-50 with half the channels in every layer after conv1 (Yahoo's open_nsfw). "resnet10", for
    miniatures, has half the blocks of ResNet-18 and a quarter of its channels.

    Args:
        name: a key of `CHANNELS`.
        frozen_norm: whether BatchNorm uses its running statistics in training.
        pool1: "padded", or "caffe": without padding, where the last window may extend beyond the edge. Padding shifts
            features by two pixels to the left and up.
        stride_in: the convolution with the stride in the first bottleneck of a stage: the first "1x1", as in the
            original Caffe networks and GluonCV's v1, or the "3x3", as in torchvision. ResNet-10 and -18 have no
            bottlenecks.

    Call arguments:
        images: [B, 3, H, W] RGB minus `PIXEL_MEANS`.

    Returns:
        conv4 [B, 1024, H/16, W/16] and conv5 [B, 2048, H/16, W/16], with sides rounded up; smaller networks have fewer
        channels, see `CHANNELS`.

    Example:
        >>> backbone = Backbone("resnet50_thin", frozen_norm=True, pool1="caffe")
        >>> backbone.initialize()
        >>> [output.shape for output in backbone(mx.nd.zeros((1, 3, 64, 96)))]
        [(1, 512, 4, 6), (1, 1024, 4, 6)]
    """

    def __init__(self, name: str, frozen_norm: bool, pool1: str = "padded", stride_in: str = "1x1", **kwargs):
        super().__init__(**kwargs)
        self.network, self.pool1, self.stride_in = name, pool1, stride_in
        with self.name_scope():
            network = _network(name, norm_kwargs={"use_global_stats": frozen_norm}, prefix="")
            layers = gluon.nn.HybridSequential(prefix="")
            layers.add(*network.features[: LAST_STAGE + 1])
            setattr(self, FEATURES[stride_in], layers)
        if stride_in == "3x3":
            for stage in layers[FIRST_STAGE:]:
                _move_stride(stage)
        _keep_stride(layers[LAST_STAGE])
        if pool1 == "caffe":
            layers[POOL1]._kwargs.update(pad=(0, 0), pooling_convention="full")

    @property
    def layers(self) -> gluon.nn.HybridSequential:
        """conv1, bn1, relu, pool1, and the stages res2 to res5."""
        return getattr(self, FEATURES[self.stride_in])

    def hybrid_forward(self, F, images):
        *earlier, last = self.layers
        conv4 = images
        for layer in earlier:
            conv4 = layer(conv4)
        return conv4, last(conv4)

    def freeze(self) -> None:
        """Freezes conv1, bn1, res2, every γ and β, and the biases of convolutions."""
        self.collect_params(".*(gamma|beta|bias)$").setattr("grad_req", "null")
        for index in FROZEN:
            self.layers[index].collect_params().setattr("grad_req", "null")


def _network(name: str, **kwargs) -> ResNetV1:
    if name == "resnet10":
        return ResNetV1(BasicBlockV1, layers=[1, 1, 1, 1], channels=[16, 16, 32, 64, 128], **kwargs)
    if name == "resnet50_thin":
        return ResNetV1(BottleneckV1, layers=[3, 4, 6, 3], channels=[64, 128, 256, 512, 1024], **kwargs)
    return get_model(f"{name}_v1", **kwargs)


def _move_stride(stage: gluon.nn.HybridSequential) -> None:
    """Moves the stride in the first bottleneck of a stage from its first 1 × 1 to its 3 × 3 convolution."""
    first, _, _, middle, *_ = stage[0].body
    middle._kwargs["stride"], first._kwargs["stride"] = first._kwargs["stride"], (1, 1)


def _keep_stride(stage: gluon.nn.HybridSequential) -> None:
    """Replaces the stride of a stage by dilation of the layers after it, so that every second value is the same."""
    for block in stage:
        for layer in (*block.body, *(block.downsample or ())):
            settings = getattr(layer, "_kwargs", {})  # GluonCV's v1 networks have no argument for this
            if settings.get("stride") == (2, 2):
                settings["stride"] = (1, 1)
            elif settings.get("kernel") == (3, 3):
                settings.update(dilate=(2, 2), pad=(2, 2))
