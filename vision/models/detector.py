"""Faster R-CNN with focused attention (paper, section 4.3) or relation modules (Relation Networks)."""

import math
from pathlib import Path
from typing import NamedTuple

import mxnet as mx
from mxnet import gluon
from mxnet.ndarray import NDArray

from vision.config import HEADS, ModelConfig
from vision.models.anchors import STRIDE
from vision.models.attention import FocusedAttention
from vision.models.backbone import CHANNELS, Backbone
from vision.models.relation_module import RelationModule
from vision.models.rpn import RPN
from vision.weights.pretrained import load_pretrained

POOLED = 7  # cells per side of a ROI
SIGMA, WIDTH = 0.01, 1024  # standard deviation of initial weights in Relation Networks, for layers of this width


class DetectorOutput(NamedTuple):
    """Outputs for B images with N ROIs each, and h × w cells of 12 anchors.

    Args:
        rpn_logits: [B, h, w, 12, 2] of background and object.
        rpn_deltas: [B, h, w, 12, 4].
        rois: [B, N, 4] corners in pixels of the network's input.
        mask: [B, N] 1 for real ROIs, 0 for padding.
        logits: [B, N, 1 + classes], background first.
        deltas: [B, N, 4] class-agnostic deltas from ROI to object, divided by `BOX_STDS`.
        relations: [B, N, N] pair weights W before any softmax, of FAN or of the last relation module; None without
            either. Relation modules have no weights for annotated boxes: there N counts only the proposals.
    """

    rpn_logits: NDArray
    rpn_deltas: NDArray
    rois: NDArray
    mask: NDArray
    logits: NDArray
    deltas: NDArray
    relations: NDArray | None = None


class Detector(gluon.HybridBlock):
    """Detects objects and weighs the relations between all pairs of ROIs.

    FAN adds the context F_c = W_agg F to F, the output of `fc_new_2`; F_d = F + F_c is the input of both heads. As in
    Relation Networks, ReLU follows the sum: relu(F + F_c). The modules of Relation Networks, `relation_1` and
    `relation_2`, do the same with the outputs of `fc_new_1` and `fc_new_2`.

    Args:
        config: sizes of the network.
        classes: number of categories, without background.

    Call arguments:
        images: [B, 3, H, W] RGB minus `vision.models.backbone.PIXEL_MEANS`; padded with 0 at the bottom and right.
        sizes: [B, 2] height and width of each image without padding.
        boxes: [B, G, 4], and labels: [B, G], -1 for padding: boxes to append to the N proposals. A network that is
            called both with and without them must not be hybridised. In relation modules these boxes attend but are not
            attended to, as in the code of Relation Networks, where this is the default; in FAN they are entities like
            the others.

    Returns:
        `DetectorOutput`.

    Example:
        >>> config = read_config(Config, Path("vision/configs/mini/voc07/fan-sup.yaml"))
        >>> detector = build_detector(config.model, classes=20, ctx=mx.cpu())
        >>> output = detector(mx.nd.zeros((1, 3, 64, 96)), mx.nd.array([[64, 96]]))
        >>> output.rois.shape == (1, config.model.rois, 4), output.logits.shape[2]
        (True, 21)
    """

    def __init__(self, config: ModelConfig, classes: int, prefix: str = "", **kwargs):
        super().__init__(prefix=prefix, **kwargs)
        conv4, conv5 = CHANNELS[config.backbone]
        channels, units = config.roi_channels, config.fc_units

        def sigma(inputs: int) -> float:  # of the initial weights of a hidden layer
            return SIGMA if config.initial_weights == "relation_networks" else math.sqrt(2 / inputs)

        self._attention_after, self._rois = config.attention_after, config.rois
        with self.name_scope():
            self.backbone = Backbone(
                config.backbone, config.pretrained != "none", config.pool1, config.stride_in, prefix="backbone_"
            )
            self.rpn = RPN(
                config.rois, config.anchor_scale, config.rpn_channels, conv4, sigma(9 * conv4), prefix="rpn_"
            )
            self.conv_new_1 = gluon.nn.Conv2D(
                channels, 1, in_channels=conv5, weight_initializer=mx.init.Normal(sigma(conv5)), prefix="conv_new_1_"
            )
            pooled = channels * POOLED**2
            self.fc_new_1 = _dense("fc_new_1_", pooled, units, sigma(pooled), flatten=True)
            self.fc_new_2 = _dense("fc_new_2_", units, units, sigma(units))
            # W starts as flat as with the 1,024 units of Relation Networks, for any width: with He's σ each ROI would
            # attend to a single, arbitrary other ROI from the start.
            flat = SIGMA * math.sqrt(WIDTH / units)
            self.focused_attention = None
            if config.focused_attention:
                self.focused_attention = FocusedAttention(
                    config.d_k, units, flat, config.linear_out, prefix="focused_attention_"
                )
            sizes = {"heads": HEADS, "d_k": config.d_k // HEADS, "nongt_dim": config.rois, "units": units}
            self.relation_1, self.relation_2 = (
                RelationModule(**sizes, sigma=flat, return_attention=True, prefix=f"relation_{k}_")
                if k in config.modules
                else None
                for k in (1, 2)
            )
            self.cls_score = _dense("cls_score_", units, 1 + classes, SIGMA)
            self.bbox_pred = _dense("bbox_pred_", units, 8, SIGMA)

    def __call__(self, *arguments) -> DetectorOutput:
        return DetectorOutput(*super().__call__(*arguments))  # hybridised blocks return lists

    def hybrid_forward(self, F, images, sizes, boxes=None, labels=None):
        conv4, conv5 = self.backbone(images)  # [B, 1024, h, w], [B, 2048, h, w]
        rpn_logits, rpn_deltas, rois, mask = self.rpn(conv4, sizes)  # … [B, N, 4], [B, N]
        if boxes is not None:
            rois, mask = F.concat(rois, boxes, dim=1), F.concat(mask, labels >= 0, dim=1)  # N: N + G from here on

        first, relations = self._attend(F, "fc_new_1", self._first(F, conv5, rois), rois, mask)  # [B, N, 1024]
        second = self.fc_new_2(F.relu(first))
        features, relations = self._attend(F, "fc_new_2", second, rois, mask, relations)  # [B, N, 1024]
        features = F.relu(features)

        logits = self.cls_score(features)  # [B, N, 1 + classes]
        # Class-agnostic: four deltas for background, which are never used, and four for any object.
        deltas = F.slice_axis(self.bbox_pred(features), axis=2, begin=4, end=8)  # [B, N, 4]
        outputs = (rpn_logits, rpn_deltas, rois, mask, logits, deltas)
        return outputs if relations is None else (*outputs, relations)

    def roi_features(self, F, conv5, rois):
        """The features [B, N, 1024] that FAN attends to: the output of the layer before it, or where it would be.

        Args:
            F: `mxnet.nd` or `mxnet.sym`.
            conv5: [B, 2048, h, w].
            rois: [B, N, 4] in pixels of the network's input.
        """
        first = self._first(F, conv5, rois)
        return first if self._attention_after == "fc_new_1" else self.fc_new_2(F.relu(first))

    def roi_layers(self) -> list[gluon.Block]:
        """The layers that `roi_features` uses."""
        layers = [self.conv_new_1, self.fc_new_1]
        return layers if self._attention_after == "fc_new_1" else [*layers, self.fc_new_2]

    def _first(self, F, conv5, rois):
        """The output [B, N, 1024] of `fc_new_1`."""
        reduced = F.relu(self.conv_new_1(conv5))  # [B, 256, h, w]
        pooled = F.ROIPooling(reduced, _with_image_index(F, rois), (POOLED, POOLED), 1 / STRIDE)  # [B N, 256, 7, 7]
        return F.reshape_like(self.fc_new_1(pooled), rois, lhs_begin=0, lhs_end=1, rhs_begin=0, rhs_end=2)

    def _attend(self, F, layer, features, rois, mask, relations=None):
        """F + F_c and W if FAN or a relation module follows this layer; else the arguments."""
        module = {"fc_new_1": self.relation_1, "fc_new_2": self.relation_2}[layer]
        if module is not None:
            context, weights = module(features, rois, mask)
            relations = F.slice_axis(weights, axis=1, begin=0, end=self._rois)  # without annotated boxes
        elif self.focused_attention is not None and layer == self._attention_after:
            context, relations = self.focused_attention(features, mask)
        else:
            return features, relations
        return features + context, relations


def build_detector(config: ModelConfig, classes: int, ctx: mx.Context | list[mx.Context]) -> Detector:
    """A network with its initial weights, which depend on MXNet's global seed, on one or several devices.

    `config.pretrained` must be "none" or the path of a file; `vision.weights.pretrained.find_weights` finds the file
    for "imagenet".

    As in Relation Networks, conv1, res2 and every γ and β of pretrained weights are frozen, and biases have no weight
    decay. A backbone without pretrained weights is trained completely, from the initialization of He et al. (2015).

    Raises:
        UserError: the pretrained weights are missing or unusable.
    """
    detector = Detector(config, classes)
    detector.initialize(mx.init.MSRAPrelu(factor_type="in", slope=0), ctx=mx.cpu())
    detector.backbone(mx.nd.zeros((1, 3, 2 * STRIDE, 2 * STRIDE)))  # creates the parameters with deferred shapes
    if config.pretrained != "none":
        load_pretrained(detector, Path(config.pretrained))
        detector.backbone.freeze()
    detector.collect_params(".*(beta|bias)$").setattr("wd_mult", 0.0)
    detector.collect_params().reset_ctx(ctx)
    return detector


def _dense(prefix: str, in_units: int, units: int, sigma: float, flatten: bool = False) -> gluon.nn.Dense:
    init = mx.init.Normal(sigma)
    return gluon.nn.Dense(units, flatten=flatten, in_units=in_units, weight_initializer=init, prefix=prefix)


def _with_image_index(F, rois):
    """ROIs [B, N, 4] in the format of `ROIPooling`: [B N, 5], with the index of the image first."""
    index = F.contrib.arange_like(rois, axis=0).reshape((-1, 1, 1))  # [B, 1, 1]
    index = F.broadcast_like(index, F.slice_axis(rois, axis=2, begin=0, end=1), lhs_axes=(1,), rhs_axes=(1,))
    return F.concat(index, rois, dim=2).reshape((-3, 0))
