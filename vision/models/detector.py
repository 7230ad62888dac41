"""Faster R-CNN with focused attention (paper, section 4.3; Relation Networks where it is silent), or with theirs."""

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

POOLED = 7  # cells a side of a ROI
SIGMA, WIDTH = 0.01, 1024  # of initial weights, and of the layers that Relation Networks draws with it


class DetectorOutput(NamedTuple):
    """What losses and detections are made from; N ROIs in each of B images, h × w cells of 12 anchors.

    Args:
        rpn_logits: [B, h, w, 12, 2] of background and object.
        rpn_deltas: [B, h, w, 12, 4].
        rois: [B, N, 4] corners in pixels of the network's input.
        mask: [B, N] 1 where a ROI is real, 0 where it fills the list.
        logits: [B, N, 1 + classes], background first.
        deltas: [B, N, 4] from a ROI to its object, of whatever class, divided by `BOX_STDS`.
        relations: [B, N, N] pair weights W before any softmax: those of FAN, or of the last relation module, which has
            none of annotated boxes, so that N is there the number of proposals alone; None in a network without either.
    """

    rpn_logits: NDArray
    rpn_deltas: NDArray
    rois: NDArray
    mask: NDArray
    logits: NDArray
    deltas: NDArray
    relations: NDArray | None = None


class Detector(gluon.HybridBlock):
    """Detects objects, and weighs the relations between all pairs of ROIs.

    FAN adds the context F_c = W_agg F to F, the output of `fc_new_2`, and F_d = F + F_c goes into both heads. As in
    Relation Networks the rectifier comes after the sum: relu(F + F_c). Their modules, `relation_1` and `relation_2`,
    do the same to the outputs of `fc_new_1` and `fc_new_2`.

    Args:
        config: sizes of the network.
        classes: categories, without background.

    Call arguments:
        images: [B, 3, H, W] RGB less `vision.models.backbone.PIXEL_MEANS`; padded with 0 below and at the right.
        sizes: [B, 2] height and width of each image without padding.
        boxes: [B, G, 4], and labels: [B, G], -1 for padding: boxes that are to stand among the ROIs, after the N
            proposals; a network that is to run without them, too, must not be hybridised. Relation modules let these
            attend and not be attended to, as the code of Relation Networks, where this is the default; in FAN they are
            entities as all others.

    Returns:
        a `DetectorOutput`.
    """

    def __init__(self, config: ModelConfig, classes: int, prefix: str = "", **kwargs):
        super().__init__(prefix=prefix, **kwargs)
        conv4, conv5 = CHANNELS[config.backbone]
        channels, units = config.roi_channels, config.fc_units

        def sigma(inputs: int) -> float:  # of a hidden layer
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
            # Whatever the width, W begins as flat as with Relation Networks' 1,024 units: with He's σ each ROI would
            # attend to one other, whichever it is, from the start.
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
        return DetectorOutput(*super().__call__(*arguments))  # Hybridised blocks return plain lists.

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
        # Class-agnostic: four deltas for background, which nothing learns or uses, and four for any object.
        deltas = F.slice_axis(self.bbox_pred(features), axis=2, begin=4, end=8)  # [B, N, 4]
        outputs = (rpn_logits, rpn_deltas, rois, mask, logits, deltas)
        return outputs if relations is None else (*outputs, relations)

    def roi_features(self, F, conv5, rois):
        """What FAN attends to, or would, [B, N, 1024]: the output of the layer that it stands after.

        Args:
            F: `mxnet.nd` or `mxnet.sym`.
            conv5: [B, 2048, h, w].
            rois: [B, N, 4] in pixels of the network's input.
        """
        first = self._first(F, conv5, rois)
        return first if self._attention_after == "fc_new_1" else self.fc_new_2(F.relu(first))

    def roi_layers(self) -> list[gluon.Block]:
        """The layers that `roi_features` goes through."""
        layers = [self.conv_new_1, self.fc_new_1]
        return layers if self._attention_after == "fc_new_1" else [*layers, self.fc_new_2]

    def _first(self, F, conv5, rois):
        """The output [B, N, 1024] of `fc_new_1`."""
        reduced = F.relu(self.conv_new_1(conv5))  # [B, 256, h, w]
        pooled = F.ROIPooling(reduced, _with_image_index(F, rois), (POOLED, POOLED), 1 / STRIDE)  # [B N, 256, 7, 7]
        return F.reshape_like(self.fc_new_1(pooled), rois, lhs_begin=0, lhs_end=1, rhs_begin=0, rhs_end=2)

    def _attend(self, F, layer, features, rois, mask, relations=None):
        """F + F_c, and W, where FAN or a relation module stands after this layer; else what came in."""
        module = {"fc_new_1": self.relation_1, "fc_new_2": self.relation_2}[layer]
        if module is not None:
            context, weights = module(features, rois, mask)
            relations = F.slice_axis(weights, axis=1, begin=0, end=self._rois)  # Without annotated boxes.
        elif self.focused_attention is not None and layer == self._attention_after:
            context, relations = self.focused_attention(features, mask)
        else:
            return features, relations
        return features + context, relations


def build_detector(config: ModelConfig, classes: int, ctx: mx.Context | list[mx.Context]) -> Detector:
    """The network of a config with its initial weights, drawn from MXNet's global seed, on one device or several.

    `config.pretrained` must be "none" or the path of a file; `vision.weights.pretrained.find_weights` finds that of
    "imagenet".

    As in Relation Networks, conv1, res2 and every γ and β stay as ImageNet left them, and there is no weight decay on
    biases. A backbone that starts from scratch learns all, and is drawn as He et al. (2015) do.

    Raises:
        UserError: the pretrained weights cannot be had.
    """
    detector = Detector(config, classes)
    detector.initialize(mx.init.MSRAPrelu(factor_type="in", slope=0), ctx=mx.cpu())
    detector.backbone(mx.nd.zeros((1, 3, 2 * STRIDE, 2 * STRIDE)))  # Makes the parameters whose shape it waits for.
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
    """ROIs [B, N, 4] as `ROIPooling` wants them: [B N, 5], the index of the image first."""
    index = F.contrib.arange_like(rois, axis=0).reshape((-1, 1, 1))  # [B, 1, 1]
    index = F.broadcast_like(index, F.slice_axis(rois, axis=2, begin=0, end=1), lhs_axes=(1,), rhs_axes=(1,))
    return F.concat(index, rois, dim=2).reshape((-3, 0))
