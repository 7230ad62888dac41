"""The region proposal network (Ren et al., 2015), as in Relation Networks."""

import mxnet as mx
from mxnet import gluon

from vision.models.anchors import PER_CELL, RATIOS, STRIDE, scales

BEFORE_NMS = 6000
NMS_IOU = 0.7


class RPN(gluon.HybridBlock):
    """Scores the anchors of each cell, regresses their boxes, and proposes ROIs.

    Proposals come from MXNet's `MultiProposal`, which follows Relation Networks: anchors after box regression, clipped
    to the image; of these the best 6,000, without those with an IoU above 0.7 with a better one; no minimum size. If
    fewer than `rois` are left, the list is repeated, and the repetitions are masked.

    Args:
        rois: proposals per image, N; 300 in Relation Networks, for training and testing.
        anchor_scale: side of the smallest anchors in cells; 4 in Relation Networks.
        channels: channels of the 3 × 3 convolution; 512 in Relation Networks.
        in_channels: channels of conv4.
        sigma: standard deviation of the initial weights of the 3 × 3 convolution.

    Call arguments:
        conv4: [B, C, h, w].
        sizes: [B, 2] height and width of each image in pixels, without padding.

    Returns:
        logits: [B, h, w, 12, 2] of background and object for each anchor.
        deltas: [B, h, w, 12, 4].
        rois: [B, N, 4] in pixels, best first, without gradient.
        mask: [B, N] 1 for real ROIs, 0 for repetitions.

    Example:
        >>> rpn = RPN(rois=20, anchor_scale=1, channels=8)
        >>> rpn.initialize()
        >>> [output.shape for output in rpn(nd.zeros((1, 16, 4, 6)), nd.array([[64, 96]]))]
        [(1, 4, 6, 12, 2), (1, 4, 6, 12, 4), (1, 20, 4), (1, 20)]
    """

    def __init__(
        self,
        rois: int,
        anchor_scale: float,
        channels: int = 512,
        in_channels: int = 0,
        sigma: float = 0.01,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._rois = rois
        self._scales = scales(anchor_scale)
        init = mx.init.Normal(0.01)
        with self.name_scope():
            self.conv_3x3 = gluon.nn.Conv2D(
                channels,
                3,
                padding=1,
                in_channels=in_channels,
                weight_initializer=mx.init.Normal(sigma),
                prefix="conv_3x3_",
            )
            self.cls_score = gluon.nn.Conv2D(
                2 * PER_CELL, 1, in_channels=channels, weight_initializer=init, prefix="cls_score_"
            )
            self.bbox_pred = gluon.nn.Conv2D(
                4 * PER_CELL, 1, in_channels=channels, weight_initializer=init, prefix="bbox_pred_"
            )

    def hybrid_forward(self, F, conv4, sizes):
        shared = F.relu(self.conv_3x3(conv4))  # [B, 512, h, w]
        logits = self.cls_score(shared)  # [B, 24, h, w]: 12 for background, then 12 for an object
        deltas = self.bbox_pred(shared)  # [B, 48, h, w]: 4 for each anchor
        rois, mask = self._propose(F, F.BlockGrad(logits), F.BlockGrad(deltas), sizes)
        logits = logits.reshape((0, -4, 2, PER_CELL, -2)).transpose((0, 3, 4, 2, 1))  # [B, h, w, 12, 2]
        deltas = deltas.reshape((0, -4, PER_CELL, 4, -2)).transpose((0, 3, 4, 1, 2))  # [B, h, w, 12, 4]
        return logits, deltas, rois, mask

    def _propose(self, F, logits, deltas, sizes):
        """ROIs [B, N, 4] and mask [B, N] from the outputs of the convolutions."""
        pairs = logits.reshape((0, 2, -1, 0))  # [B, 2, 12 h, w]
        scores = F.reshape_like(F.softmax(pairs, axis=1), logits)  # [B, 24, h, w]
        rois, scores = F.contrib.MultiProposal(
            scores,
            deltas,
            F.concat(sizes, F.ones_like(F.slice_axis(sizes, axis=1, begin=0, end=1))),  # [B, 3], scale 1
            rpn_pre_nms_top_n=BEFORE_NMS,
            rpn_post_nms_top_n=self._rois,
            threshold=NMS_IOU,
            rpn_min_size=0,
            scales=self._scales,
            ratios=RATIOS,
            feature_stride=STRIDE,
            output_score=True,
        )  # [B N, 5] with the index of the image, [B N, 1]
        rois = F.slice_axis(rois, axis=1, begin=1, end=5).reshape((-1, self._rois, 4))
        scores = scores.reshape((-1, self._rois))
        # Proposals are never equal, so the list repeats where the first one recurs. Anchors beyond an image that is
        # padded in the batch have the score -1.
        first = F.slice_axis(rois, axis=1, begin=0, end=1)
        turns = F.cumsum(F.min(F.broadcast_equal(rois, first), axis=2), axis=1)  # [B, N]
        return F.BlockGrad(rois), F.BlockGrad((turns < 2) * (scores >= 0))
