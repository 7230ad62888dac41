"""The losses of the detector: L = L_det + λ L_rel (paper, eq. 6)."""

from typing import NamedTuple

from mxnet import autograd, nd
from mxnet.ndarray import NDArray

from vision.center_mass import CenterMassLoss
from vision.config import Config
from vision.masking import real_pairs
from vision.models.anchors import anchor_boxes
from vision.models.detector import DetectorOutput
from vision.targets import RPN_SAMPLES, Targets, relation_targets, roi_targets, rpn_targets


class Relations(NamedTuple):
    """The center-mass loss of each image.

    Args:
        loss: [B].
        center_mass: [B].
        related: [B], 1 for images with a target pair; only these count in means.
    """

    loss: NDArray
    center_mass: NDArray
    related: NDArray


class Losses(NamedTuple):
    """The losses of each image, not averaged: gradients are summed over images, as in Relation Networks.

    Args:
        loss: [B], L: the sum of the next four, plus λ L_rel if λ > 0.
        rpn_classification: [B].
        rpn_boxes: [B].
        classification: [B].
        boxes: [B].
        relations: None in a network without pair weights.
    """

    loss: NDArray
    rpn_classification: NDArray
    rpn_boxes: NDArray
    classification: NDArray
    boxes: NDArray
    relations: Relations | None


class Criterion:
    """The losses of a batch. Call it inside `autograd.record`; no gradient flows through targets.

    Args:
        config: defines the relation loss, the ROIs that the head learns from, and the anchors.

    Call arguments:
        output: the output of the detector.
        boxes: [B, G, 4] objects in pixels of the network's input; see `vision.targets.learned_objects`.
        labels: [B, G] float32 class of each object from 0, -1 for padding.
        sizes: [B, 2] height and width of each image.
        relations: [B, R, 2] annotated relations: rows of `boxes`, subject then object, -1 for padding. Required by the
            rule "annotated", ignored by the others.

    Returns:
        `Losses`.

    Example:
        >>> config = read_config(Config, Path("vision/configs/mini/voc07/fan-sup.yaml"))
        >>> detector = build_detector(config.model, classes=3, ctx=mx.cpu())
        >>> images, sizes = nd.zeros((1, 3, 64, 96)), nd.array([[64, 96]])
        >>> boxes, labels = nd.array([[[0, 0, 40, 40]]]), nd.array([[2]])
        >>> with autograd.record():
        ...     losses = Criterion(config)(detector(images, sizes), boxes, labels, sizes)
        >>> losses.loss.backward()
        >>> losses.loss.shape, losses.relations.center_mass.shape
        ((1,), (1,))
    """

    def __init__(self, config: Config):
        relation_loss = config.relation_loss
        self._weight, self._rule = relation_loss.weight, relation_loss.rule
        self._center_mass_loss = CenterMassLoss(relation_loss.mode, relation_loss.penalty, relation_loss.gamma)
        self._anchor_scale = config.model.anchor_scale
        self._ohem_rois = config.training.ohem_rois

    def __call__(
        self,
        output: DetectorOutput,
        boxes: NDArray,
        labels: NDArray,
        sizes: NDArray,
        relations: NDArray | None = None,
    ) -> Losses:
        with autograd.pause():
            _, height, width, _, _ = output.rpn_logits.shape
            anchors = nd.array(anchor_boxes(height, width, self._anchor_scale).reshape(-1, 4), ctx=boxes.context)
            of_anchors = rpn_targets(anchors, boxes, labels, sizes)
            of_rois = roi_targets(output.rois, boxes, labels)
        rpn_losses = rpn_loss(output, of_anchors)
        head_losses = head_loss(output, of_rois, self._ohem_rois)
        loss = nd.add_n(*rpn_losses, *head_losses)
        if output.relations is None:
            return Losses(loss, *rpn_losses, *head_losses, None)
        of_pairs = self.relations(output, boxes, labels, relations)
        if self._weight:
            loss = loss + self._weight * of_pairs.loss
        return Losses(loss, *rpn_losses, *head_losses, of_pairs)

    def relations(
        self, output: DetectorOutput, boxes: NDArray, labels: NDArray, relations: NDArray | None = None
    ) -> Relations:
        """The center-mass loss alone, of a network with pair weights. Arguments as in the call."""
        with autograd.pause():
            weighed = output.relations.shape[1]  # without annotated boxes, the last ROIs, if these are relation modules
            rois, mask = output.rois[:, :weighed], output.mask[:, :weighed]
            targets = relation_targets(rois, boxes, labels, self._rule, relations)  # [B, N, N]
            related = (targets * real_pairs(nd, mask)).max(axis=(1, 2))  # [B]
        return Relations(*self._center_mass_loss(output.relations, targets, mask), related)


def rpn_loss(output: DetectorOutput, targets: Targets) -> tuple[NDArray, NDArray]:
    """Mean cross entropy of the sampled anchors, and smooth L1 (σ = 3) of the foreground / 256; [B] each.

    Example:
        >>> output = DetectorOutput(nd.zeros((1, 1, 1, 2, 2)), nd.zeros((1, 1, 1, 2, 4)), *4 * [None])
        >>> targets = Targets(labels=nd.array([[1, -1]]), deltas=nd.zeros((1, 2, 4)))
        >>> [round(loss.asscalar(), 4) for loss in rpn_loss(output, targets)]  # log 2, and no error of the box
        [0.6931, 0.0]
    """
    logits, deltas = (array.reshape((0, -1, array.shape[-1])) for array in (output.rpn_logits, output.rpn_deltas))
    drawn, foreground = targets.labels >= 0, targets.labels > 0  # [B, K]
    cross_entropy = _cross_entropy(logits, nd.relu(targets.labels)) * drawn
    classification = cross_entropy.sum(axis=1) / nd.maximum(drawn.sum(axis=1), 1)
    return classification, _box_losses(deltas, targets.deltas, foreground, sigma=3).sum(axis=1) / RPN_SAMPLES


def head_loss(output: DetectorOutput, targets: Targets, kept: int) -> tuple[NDArray, NDArray]:
    """Mean cross entropy, and smooth L1 (σ = 1) / `kept`, of the `kept` ROIs with the largest sum of both; [B] each.

    This is online hard example mining (Shrivastava et al., 2016), as in Relation Networks. Masked ROIs are never kept.

    Example:
        >>> output = DetectorOutput(*3 * [None], nd.ones((1, 2)), nd.zeros((1, 2, 3)), nd.zeros((1, 2, 4)))
        >>> targets = Targets(labels=nd.array([[1, 0]]), deltas=nd.zeros((1, 2, 4)))
        >>> [round(loss.asscalar(), 4) for loss in head_loss(output, targets, kept=1)]  # log 3, and no error of the box
        [1.0986, 0.0]
    """
    cross_entropy = _cross_entropy(output.logits, targets.labels)  # [B, N]
    box_losses = _box_losses(output.deltas, targets.deltas, targets.labels > 0, sigma=1)  # [B, N]
    with autograd.pause():
        hardness = nd.where(output.mask, cross_entropy + box_losses, -nd.ones_like(output.mask))
        hardest = nd.topk(hardness, axis=1, k=min(kept, hardness.shape[1]), ret_typ="mask") * output.mask
    classification = (cross_entropy * hardest).sum(axis=1) / nd.maximum(hardest.sum(axis=1), 1)
    return classification, (box_losses * hardest).sum(axis=1) / kept


def _cross_entropy(logits: NDArray, labels: NDArray) -> NDArray:
    """[B, K] from logits [B, K, C] and labels [B, K]."""
    return -nd.pick(nd.log_softmax(logits), labels)


def _box_losses(deltas: NDArray, targets: NDArray, foreground: NDArray, sigma: float) -> NDArray:
    """[B, K] smooth L1, quadratic below 1 / σ², summed over the four deltas; 0 where `foreground` [B, K] is 0."""
    return nd.smooth_l1(deltas - targets, scalar=sigma).sum(axis=2) * foreground
