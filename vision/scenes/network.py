"""The network for scene categorization, on top of a pretrained detector (paper, section 4.4 and appendix D.1).

    image → backbone → conv5 ─┬─ scene_conv, relu, mean over the cells ───────────────→ F_s ─┐
             (frozen)         │                                                              ├ concat → fc → classes
    image → backbone, RPN ────┴─ conv_new_1, fc_new_1, fc_new_2 → F [→ FAN → F_c] → max over ROIs ─┘
             (frozen)                                             (frozen)

"We fix the parameters in the convolution backbone, RPN layer and Focused Attention Network module, but make all other
layers trainable." This holds for every column of Table 5; the first two have no branch for ROIs. The loss is only the
cross entropy of the classes: "the scene task itself does not optimize the relation loss" (appendix C).
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, nd
from mxnet.ndarray import NDArray

from vision.masking import EXCLUDED
from vision.models.anchors import STRIDE
from vision.models.backbone import CHANNELS, Backbone
from vision.models.detector import SIGMA, Detector
from vision.scenes.config import SceneModelConfig
from vision.weights.pretrained import load_pretrained


class Features(NamedTuple):
    """The output of the frozen layers for one image.

    Args:
        conv5: [1, 2048, h, w].
        rois: [1, N, 4] corners in pixels of the network's input; None if the network does not use ROIs.
        mask: [1, N] 1 for real ROIs and 0 for padding; or None.
    """

    conv5: NDArray
    rois: NDArray | None = None
    mask: NDArray | None = None


class SceneNetwork(gluon.Block):
    """Classifies scenes with the frozen layers of a detector and trainable layers after them.

    The network takes one image at a time, so none is padded and the batch does not affect its features. It has two
    parts, because the output of the frozen layers is the same in every epoch: `extract` applies the frozen layers, a
    call the other layers.

    Args:
        config: sizes, and how ROIs are used.
        classes: number of scene classes.
        body: a `Detector` if features of ROIs are used, otherwise a `Backbone`. Its weights are not changed.
        units: size of the detector's features F; 0 for a backbone.

    Call arguments:
        conv5, rois, mask: as in `Features`.

    Returns:
        logits [1, classes].

    Example:
        >>> from vision.scenes.config import SceneModelConfig
        >>> config = SceneModelConfig("resnet10", "none", "he", scene_channels=64,
        ...                           roi_features="none", over_rois="maximum", roi_layers="trained")
        >>> network = SceneNetwork(config, classes=15, body=build_backbone(config, images=[]), units=0)
        >>> network.initialize_new_layers()
        >>> features = network.extract(nd.zeros((1, 3, 64, 96)), nd.array([[64, 96]]))
        >>> features.conv5.shape, network(*features).shape
        ((1, 128, 4, 6), (1, 15))
    """

    def __init__(self, config: SceneModelConfig, classes: int, body: Backbone | Detector, units: int, **kwargs):
        super().__init__(prefix="", **kwargs)
        self._config = config
        inputs, channels = CHANNELS[config.backbone][1], config.scene_channels
        sigma = SIGMA if config.initial_weights == "relation_networks" else math.sqrt(2 / inputs)
        with self.name_scope():
            self.body = body
            self.scene_conv = gluon.nn.Conv2D(
                channels, 1, in_channels=inputs, weight_initializer=mx.init.Normal(sigma), prefix="scene_conv_"
            )
            self.classifier = gluon.nn.Dense(
                classes, in_units=channels + units, weight_initializer=mx.init.Normal(SIGMA), prefix="classifier_"
            )

    def extract(self, image: NDArray, size: NDArray) -> Features:
        """Applies the frozen layers. Call it outside `autograd.record`, so that BatchNorm uses running statistics.

        Args:
            image: [1, 3, H, W] RGB minus `vision.models.backbone.PIXEL_MEANS`.
            size: [1, 2] height and width of the image.
        """
        if self._config.roi_features == "none":
            return Features(self.body(image)[1])
        conv4, conv5 = self.body.backbone(image)
        _, _, rois, mask = self.body.rpn(conv4, size)
        return Features(conv5, rois, mask)

    def forward(self, conv5, rois=None, mask=None):
        features = nd.relu(self.scene_conv(conv5)).mean(axis=(2, 3))  # F_s [1, 1024]
        if self._config.roi_features != "none":
            of_rois = self.body.roi_features(nd, conv5, rois)  # F [1, N, 1024]
            if self._config.roi_features == "context":
                of_rois, _ = self.body.focused_attention(of_rois, mask)  # F_c [1, N, 1024]
            features = nd.concat(features, over_rois(of_rois, mask, self._config.over_rois))  # [1, 2048]
        return self.classifier(features)

    def initialize_new_layers(self) -> None:
        """Draws the weights of the two new layers on the CPU, from MXNet's global seed."""
        for layer in (self.scene_conv, self.classifier):
            layer.initialize(ctx=mx.cpu())

    def freeze(self) -> None:
        """Freezes all layers that the config does not train, and turns off weight decay of the biases."""
        trained = [self.scene_conv, self.classifier]
        if self._config.roi_features != "none" and self._config.roi_layers == "trained":
            trained += self.body.roi_layers()
        self.collect_params().setattr("grad_req", "null")
        for layer in trained:
            layer.collect_params().setattr("grad_req", "write")
            layer.collect_params(".*bias$").setattr("wd_mult", 0.0)


def over_rois(features: NDArray, mask: NDArray, reduction: str) -> NDArray:
    """Reduces features [B, N, C] to [B, C] over the ROIs where mask [B, N] is 1. Images without such ROIs get 0.

    Args:
        reduction: "maximum" or "mean".

    Example:
        >>> features, mask = nd.array([[[1, 5], [3, 2], [9, 9]]]), nd.array([[1, 1, 0]])
        >>> over_rois(features, mask, "maximum").asnumpy().tolist()
        [[3.0, 5.0]]
        >>> over_rois(features, mask, "mean").asnumpy().tolist()
        [[2.0, 3.5]]
    """
    real = nd.broadcast_like(nd.expand_dims(mask, axis=2), features)  # [B, N, C]
    if reduction == "mean":
        sums = nd.where(real, features, nd.zeros_like(features)).sum(axis=1)
        return nd.broadcast_div(sums, nd.maximum(mask.sum(axis=1, keepdims=True), 1))
    largest = nd.where(real, features, nd.full(features.shape, EXCLUDED, ctx=features.context)).max(axis=1)
    return nd.where(largest > EXCLUDED, largest, nd.zeros_like(largest))


def build_backbone(config: SceneModelConfig, images: Iterable[np.ndarray]) -> Backbone:
    """The backbone of cnn, on the CPU, with the weights that the config names.

    With `pretrained` "none", it computes fixed random features in place of the ImageNet features of the paper's first
    column: weights are drawn as in He et al. (2015) from MXNet's global seed, and BatchNorm gets the statistics of the
    images.

    Args:
        images: training images, [3, H, W] each; only read with `pretrained` "none".

    Raises:
        UserError: the file of weights is missing, damaged or of another network.
    """
    is_random = config.pretrained == "none"
    backbone = Backbone(
        config.backbone, not is_random, pool1=config.pool1, stride_in=config.stride_in, prefix="backbone_"
    )
    backbone.initialize(mx.init.MSRAPrelu(factor_type="in", slope=0))
    backbone(nd.zeros((1, 3, 2 * STRIDE, 2 * STRIDE)))  # Creates parameters of deferred shape.
    if not is_random:
        load_pretrained(backbone, Path(config.pretrained))
        return backbone
    for image in images:
        with autograd.record():
            _, conv5 = backbone(nd.array(image[None]))
        conv5.backward()  # MXNet updates the statistics here; the gradients are not used.
    return backbone
