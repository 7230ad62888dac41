"""The backbone: a ResNet whose last stage keeps the stride of the stage before it."""

from gluoncv.model_zoo import get_model
from gluoncv.model_zoo.resnet import BasicBlockV1, BottleneckV1, ResNetV1
from mxnet import gluon

# Mean of the training images in RGB (Relation Networks' code). The network takes images less this mean, not divided.
PIXEL_MEANS = (123.15, 115.90, 103.06)

# Of conv4 and conv5.
CHANNELS = {
    "resnet10": (64, 128),
    "resnet18": (256, 512),
    "resnet50_thin": (512, 1024),
    "resnet50": (1024, 2048),
    "resnet101": (1024, 2048),
}
POOL1, FIRST_STAGE, LAST_STAGE = (
    3,
    4,
    7,
)  # of GluonCV's `features`: conv1, bn1, relu, pool1, res2, res3, res4, res5, pooling
FROZEN = (0, 1, FIRST_STAGE)  # conv1, bn1, res2

# Name of the layers by the place of the stride. It is part of every parameter's name, so that a file of weights that
# were trained with the stride in one place does not fit a network that has it in the other. GluonCV and torchvision
# call the second kind v1b and v1.5.
FEATURES = {"1x1": "features", "3x3": "features_v1b"}


class Backbone(gluon.HybridBlock):
    """ResNet up to conv4 and conv5, both at stride 16.

    The layers are those of GluonCV's v1 networks. conv5 has stride 1, and its 3 × 3 convolutions are dilated by 2
    (Relation Networks). Published networks of the same depth differ in two places, which must be as the weights were
    trained: `pool1` and `stride_in`. The outer 1 × 1 convolutions of bottlenecks have a bias, as in GluonCV's weights;
    it is 0 with weights that have none.

    BatchNorm is frozen with pretrained weights: running statistics, fixed γ and β. From scratch there are no
    statistics to freeze, so it learns, and normalises by those of its batch. GroupNorm would not depend on the batch,
    but MXNet's has one γ and β per group instead of per channel.

    "resnet50_thin" is ResNet-50 with half the channels of every layer after conv1 (Yahoo's open_nsfw). "resnet10", for
    miniatures, has half the blocks of ResNet-18 and a quarter of its channels.

    Args:
        name: a key of `CHANNELS`.
        frozen_norm: whether BatchNorm also uses its running statistics in training.
        pool1: "padded", or "caffe": without padding, and the last window may reach beyond the edge. Padded, features
            are two pixels further to the left and above.
        stride_in: which convolution of a stage's first bottleneck has the stride: the first "1x1", as in the original
            Caffe networks and GluonCV's v1, or the "3x3", as in torchvision. ResNet-10 and -18 have no bottlenecks.

    Call arguments:
        images: [B, 3, H, W] RGB less `PIXEL_MEANS`, not divided.

    Returns:
        conv4 [B, 1024, H/16, W/16] and conv5 [B, 2048, H/16, W/16], sides rounded up; fewer channels
        for the smaller networks, see `CHANNELS`.

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
        """Fixes conv1, bn1, res2, every γ and β, and the biases of convolutions."""
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
    """Moves the stride of a stage's first bottleneck from its first 1 × 1 convolution to its 3 × 3 convolution."""
    first, _, _, middle, *_ = stage[0].body
    middle._kwargs["stride"], first._kwargs["stride"] = first._kwargs["stride"], (1, 1)


def _keep_stride(stage: gluon.nn.HybridSequential) -> None:
    """Turns the stride of a stage into dilation of what comes after it: every second value is as before."""
    for block in stage:
        for layer in (*block.body, *(block.downsample or ())):
            settings = getattr(layer, "_kwargs", {})  # GluonCV's v1 networks have no argument for it.
            if settings.get("stride") == (2, 2):
                settings["stride"] = (1, 1)
            elif settings.get("kernel") == (3, 3):
                settings.update(dilate=(2, 2), pad=(2, 2))
