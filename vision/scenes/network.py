"""Scene categorisation: a branch beside a pretrained detector (paper, section 4.4 and appendix D.1).

    image → backbone → conv5 ─┬─ scene_conv, relu, mean over the cells ───────────────→ F_s ─┐
              (fixed)         │                                                              ├ concat → fc → classes
    image → backbone, RPN ────┴─ conv_new_1, fc_new_1, fc_new_2 → F [→ FAN → F_c] → max over ROIs ─┘
              (fixed)                                              (fixed)

"We fix the parameters in the convolution backbone, RPN layer and Focused Attention Network module, but make all other
layers trainable": so do we for every column of Table 5, of which the first two have no right branch. The loss is the
cross entropy of the classes alone: "the scene task itself does not optimize the relation loss" (appendix C).
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


class Seen(NamedTuple):
    """What the fixed layers make of one image.

    Args:
        conv5: [1, 2048, h, w].
        rois: [1, N, 4] corners in pixels of the network's input; None where the network takes nothing of ROIs.
        mask: [1, N] 1 where a ROI is real, 0 where it fills the list; or None.
    """

    conv5: NDArray
    rois: NDArray | None = None
    mask: NDArray | None = None


class SceneNetwork(gluon.Block):
    """Classes of scenes: the detector's fixed layers, and what stands on them.

    Images come one at a time, so that none is padded: each has the same conv5 and ROIs in whatever company it comes.
    The two halves are apart, since what the first makes of an image is the same in every epoch: `look` is the fixed
    one, a call the rest.

    Args:
        config: sizes, and what is taken of the ROIs.
        classes: of scenes.
        body: what comes first: a `Detector` where features of ROIs are taken, else a `Backbone`. Its weights are as
            the caller has left them.
        units: of the detector's features F; 0 for a backbone.

    Call arguments:
        conv5, rois, mask: as in `Seen`.

    Returns:
        logits [1, classes].
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

    def look(self, image: NDArray, size: NDArray) -> Seen:
        """The fixed half, to be called outside `autograd.record`: BatchNorm takes its running statistics.

        Args:
            image: [1, 3, H, W] RGB less `vision.models.backbone.PIXEL_MEANS`.
            size: [1, 2] height and width of it.
        """
        if self._config.roi_features == "none":
            return Seen(self.body(image)[1])
        conv4, conv5 = self.body.backbone(image)
        _, _, rois, mask = self.body.rpn(conv4, size)
        return Seen(conv5, rois, mask)

    def forward(self, conv5, rois=None, mask=None):
        features = nd.relu(self.scene_conv(conv5)).mean(axis=(2, 3))  # F_s [1, 1024]
        if self._config.roi_features != "none":
            of_rois = self.body.roi_features(nd, conv5, rois)  # F [1, N, 1024]
            if self._config.roi_features == "context":
                of_rois, _ = self.body.focused_attention(of_rois, mask)  # F_c [1, N, 1024]
            features = nd.concat(features, over_rois(of_rois, mask, self._config.over_rois))  # [1, 2048]
        return self.classifier(features)

    def draw(self) -> None:
        """Draws the weights of the two new layers from MXNet's global seed, on the CPU."""
        for layer in (self.scene_conv, self.classifier):
            layer.initialize(ctx=mx.cpu())

    def fix(self) -> None:
        """Leaves all layers as they are but those that the config has trained, and takes no weight decay on biases."""
        self.collect_params().setattr("grad_req", "null")
        for layer in self._trained():
            layer.collect_params().setattr("grad_req", "write")
            layer.collect_params(".*bias$").setattr("wd_mult", 0.0)

    def _trained(self) -> list[gluon.Block]:
        layers = [self.scene_conv, self.classifier]
        if self._config.roi_features != "none" and self._config.roi_layers == "trained":
            layers += self.body.roi_layers()
        return layers


def over_rois(features: NDArray, mask: NDArray, reduction: str) -> NDArray:
    """[B, C] of the features [B, N, C] of the real ROIs, those where mask [B, N] is 1: their "maximum" or "mean".

    0 in an image without any.
    """
    real = nd.broadcast_like(nd.expand_dims(mask, axis=2), features)  # [B, N, C]
    if reduction == "mean":
        sums = nd.where(real, features, nd.zeros_like(features)).sum(axis=1)
        return nd.broadcast_div(sums, nd.maximum(mask.sum(axis=1, keepdims=True), 1))
    largest = nd.where(real, features, nd.full(features.shape, EXCLUDED, ctx=features.context)).max(axis=1)
    return nd.where(largest > EXCLUDED, largest, nd.zeros_like(largest))


def build_backbone(config: SceneModelConfig, images: Iterable[np.ndarray]) -> Backbone:
    """What cnn stands on, on the CPU: a backbone with the weights that the config names.

    Without any, they are drawn from MXNet's global seed as He et al. (2015) do, and BatchNorm takes the statistics of
    the images: a fixed network of random features, in which BatchNorm does what it is there for. It stands for the
    ImageNet backbone of the paper's first column where there are no such weights.

    Args:
        images: some of the training images, [3, H, W] each; read where there are no weights.

    Raises:
        UserError: the weights cannot be had.
    """
    is_random = config.pretrained == "none"
    backbone = Backbone(
        config.backbone, not is_random, pool1=config.pool1, stride_in=config.stride_in, prefix="backbone_"
    )
    backbone.initialize(mx.init.MSRAPrelu(factor_type="in", slope=0))
    backbone(nd.zeros((1, 3, 2 * STRIDE, 2 * STRIDE)))  # Makes the parameters whose shape it waits for.
    if not is_random:
        load_pretrained(backbone, Path(config.pretrained))
        return backbone
    for image in images:
        with autograd.record():
            _, conv5 = backbone(nd.array(image[None]))
        conv5.backward()  # MXNet moves the statistics then; nothing takes a step by the gradients.
    return backbone
