"""Parity with Relation Networks' code: settings, boxes, proposals, losses and detections.

Their rules are written here in NumPy, or with the operators that their network is made of. See
`vision/relation_networks/README.md`.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from mxnet import autograd, nd

from data.common.config import read_config
from vision import criterion
from vision import targets as training_targets
from vision.config import Config, DetectionConfig
from vision.criterion import head_loss, rpn_loss
from vision.models import anchors, backbone, rpn
from vision.models.boxes import decode, encode
from vision.models.detector import DetectorOutput
from vision.models.rpn import RPN
from vision.postprocess import detections
from vision.targets import Targets, roi_targets
from vision.transforms import make_image

PAPER = read_config(Config, Path(__file__).parents[3] / "vision" / "configs" / "paper" / "minicoco" / "base.yaml")

# From their resnet_v1_101_coco_trainvalminus_rcnn_end2end_8epoch.yaml, config.py and tester.py.
NETWORK = {
    "PIXEL_MEANS": (103.06, 115.90, 123.15),  # blue, green, red
    "RPN_FEAT_STRIDE": 16,
    "ANCHOR_RATIOS": (0.5, 1, 2),
    "ANCHOR_SCALES": (4, 8, 16, 32),
    "NUM_ANCHORS": 12,
}
TRAIN = {
    "lr": 0.0005,
    "momentum": 0.9,
    "wd": 0.0005,
    "end_epoch": 8,
    "FLIP": True,
    "BATCH_ROIS_OHEM": 128,
    "FG_THRESH": 0.5,
    "RPN_BATCH_SIZE": 256,
    "RPN_POSITIVE_OVERLAP": 0.7,
    "RPN_NEGATIVE_OVERLAP": 0.3,
    "RPN_NMS_THRESH": 0.7,
    "RPN_PRE_NMS_TOP_N": 6000,
    "RPN_POST_NMS_TOP_N": 300,
    "BBOX_STDS": (0.1, 0.1, 0.2, 0.2),
}
TEST = {"NMS": 0.6, "max_per_image": 100, "thresh": 1e-3}


def test_settings_are_those_of_their_experiment():
    images, model, training, detection = PAPER.images, PAPER.model, PAPER.training, PAPER.detection
    network = {
        "PIXEL_MEANS": backbone.PIXEL_MEANS[::-1],
        "RPN_FEAT_STRIDE": anchors.STRIDE,
        "ANCHOR_RATIOS": anchors.RATIOS,
        "ANCHOR_SCALES": anchors.scales(model.anchor_scale),
        "NUM_ANCHORS": anchors.PER_CELL,
    }
    train = {
        "lr": training.learning_rate,
        "momentum": training.momentum,
        "wd": training.weight_decay,
        "end_epoch": training.epochs,
        "FLIP": images.flipped_copies,
        "BATCH_ROIS_OHEM": training.ohem_rois,
        "FG_THRESH": training_targets.FOREGROUND,
        "RPN_BATCH_SIZE": training_targets.RPN_SAMPLES,
        "RPN_POSITIVE_OVERLAP": training_targets.RPN_FOREGROUND,
        "RPN_NEGATIVE_OVERLAP": training_targets.RPN_BACKGROUND,
        "RPN_NMS_THRESH": rpn.NMS_IOU,
        "RPN_PRE_NMS_TOP_N": rpn.BEFORE_NMS,
        "RPN_POST_NMS_TOP_N": model.rois,
        "BBOX_STDS": training_targets.BOX_STDS,
    }
    test = {"NMS": detection.soft_nms_sigma, "max_per_image": detection.most, "thresh": detection.score_threshold}
    assert (network, train, test) == (NETWORK, TRAIN, TEST)
    assert (images.short_side, images.long_side) == (600, 1000)  # SCALES


# --- input and boxes ------------------------------------------------------------------------------------------------


def test_images_equal_theirs_which_are_read_as_bgr():
    blue_green_red = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    theirs = np.stack([blue_green_red[:, :, 2 - i] - NETWORK["PIXEL_MEANS"][2 - i] for i in range(3)])
    same_size = dataclasses.replace(PAPER.images, short_side=6, long_side=8)
    ours, scale = make_image(np.ascontiguousarray(blue_green_red[:, :, ::-1]), same_size)
    assert scale == 1
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def some_boxes(count, generator):
    corners = generator.uniform(0, 400, (count, 2))
    return np.concatenate([corners, corners + generator.uniform(1, 300, (count, 2))], axis=1).astype(np.float32)


def their_deltas(boxes, targets):
    width, height = boxes[2] - boxes[0] + 1, boxes[3] - boxes[1] + 1
    target_width, target_height = targets[2] - targets[0] + 1, targets[3] - targets[1] + 1
    x, y = boxes[0] + (width - 1) / 2, boxes[1] + (height - 1) / 2
    target_x, target_y = targets[0] + (target_width - 1) / 2, targets[1] + (target_height - 1) / 2
    log_width, log_height = np.log(target_width / width), np.log(target_height / height)
    return np.array([(target_x - x) / width, (target_y - y) / height, log_width, log_height])


def their_boxes(boxes, deltas):
    width, height = boxes[2] - boxes[0] + 1, boxes[3] - boxes[1] + 1
    x, y = boxes[0] + (width - 1) / 2 + deltas[0] * width, boxes[1] + (height - 1) / 2 + deltas[1] * height
    half_width, half_height = (np.exp(deltas[2]) * width - 1) / 2, (np.exp(deltas[3]) * height - 1) / 2
    return np.array([x - half_width, y - half_height, x + half_width, y + half_height])


def test_boxes_are_encoded_and_decoded_as_theirs():
    generator = np.random.default_rng(1)
    boxes, targets = some_boxes(50, generator), some_boxes(50, generator)
    deltas = their_deltas(boxes.T.astype(np.float64), targets.T.astype(np.float64))
    np.testing.assert_allclose(encode(nd.array(boxes), nd.array(targets)).asnumpy(), deltas.T, rtol=1e-4, atol=1e-5)
    deltas = generator.normal(0, 0.3, (50, 4)).astype(np.float32)
    moved = their_boxes(boxes.T.astype(np.float64), deltas.T.astype(np.float64))
    np.testing.assert_allclose(decode(nd.array(boxes), nd.array(deltas)).asnumpy(), moved.T, atol=1e-3)


def test_box_targets_are_divided_by_their_stds():
    roi, target = [10.0, 20, 109, 89], [12.0, 25, 119, 99]
    deltas = roi_targets(nd.array([[roi]]), nd.array([[target]]), nd.array([[3]])).deltas.asnumpy()[0, 0]
    np.testing.assert_allclose(deltas, their_deltas(roi, target) / TRAIN["BBOX_STDS"], rtol=1e-4)


# --- region proposals -----------------------------------------------------------------------------------------------

# Anchors at the first cell: scale 8, half as high as wide; scale 16, twice as high as wide. See test_anchors.py.
WIDE, HIGH = [-84.0, -40, 99, 55], [-80.0, -168, 95, 183]


def prefer_anchor(anchor, deltas):
    """An RPN that prefers one of the twelve anchors and moves it by `deltas`; other weights are 0."""
    network = RPN(1, 4, channels=1, in_channels=1)
    network.initialize()
    for parameter in network.collect_params().values():
        parameter.set_data(nd.zeros(parameter.shape))
    network.conv_3x3.weight.data()[0, 0, 1, 1] = 1
    scores, moves = np.zeros(24, np.float32), np.zeros(48, np.float32)
    scores[12 + anchor], moves[4 * anchor : 4 * anchor + 4] = 5, deltas
    network.cls_score.bias.set_data(nd.array(scores))
    network.bbox_pred.bias.set_data(nd.array(moves))
    network.cls_score.weight.data()[12 + anchor] = 1
    return network


@pytest.mark.parametrize(("anchor", "box"), [(1, WIDE), (10, HIGH)])
def test_channels_are_ordered_by_ratio_then_size(anchor, box):
    """Scores: 12 for background, then 12 for objects. Boxes: four per anchor."""
    deltas = [0.1, -0.05, 0.2, -0.1]
    conv4 = nd.zeros((1, 1, 30, 40))
    conv4[0, 0, 20, 25] = 1
    _, _, rois, mask = prefer_anchor(anchor, deltas)(conv4, nd.array([[480, 640]]))
    moved = their_boxes(np.array(box) + 16 * np.array([25, 20, 25, 20]), deltas).clip(0, [639, 479, 639, 479])
    assert mask.asnumpy().tolist() == [[1]]
    np.testing.assert_allclose(rois.asnumpy()[0, 0], moved, atol=1e-2)


@pytest.mark.parametrize(("height", "width"), [(600, 1000), (608, 1008)])
def test_proposals_come_from_whole_cells(height, width):
    """600 / 16 = 37.5: their code uses 37 of the 38 rows of cells."""
    rows, columns = -(-height // 16), -(-width // 16)
    conv4 = nd.zeros((1, 1, rows, columns))
    conv4[0, 0, rows - 1, columns - 1] = 9  # the best one, in the last row and column
    conv4[0, 0, 5, 7] = 3
    _, _, rois, _ = prefer_anchor(4, [0, 0, 0, 0])(conv4, nd.array([[height, width]]))
    cell = (5, 7) if height % 16 else (rows - 1, columns - 1)
    square = np.array([-24, -24, 39, 39]) + 16 * np.array([*cell[::-1], *cell[::-1]])
    expected = square.clip(0, [width - 1, height - 1] * 2)
    np.testing.assert_allclose(rois.asnumpy()[0, 0], expected, atol=1e-2)


def test_the_rpn_has_the_gradients_of_their_operators():
    """SoftmaxOutput over the sampled anchors, and smooth L1 (σ = 3) scaled by 1 / 256."""
    generator, height, width = np.random.default_rng(2), 5, 7
    scores, moves = (nd.array(generator.normal(size=(1, n, height, width))) for n in (24, 48))
    labels = generator.integers(-1, 2, (1, height, width, 12))
    targets = generator.normal(size=(1, height, width, 12, 4))
    for array in (scores, moves):
        array.attach_grad()
    with autograd.record():
        label = nd.array(labels.transpose(0, 3, 1, 2).reshape(1, -1))
        probabilities = nd.SoftmaxOutput(
            scores.reshape((0, 2, -1, 0)),
            label,
            multi_output=True,
            normalization="valid",
            use_ignore=True,
            ignore_label=-1,
        )
        weight = nd.array(np.repeat((labels == 1), 4, axis=3).transpose(0, 3, 1, 2))
        target = nd.array(targets.reshape(1, height, width, 48).transpose(0, 3, 1, 2))
        boxes = nd.MakeLoss(weight * nd.smooth_l1(moves - target, scalar=3.0), grad_scale=1 / 256)
    autograd.backward([probabilities, boxes])
    theirs = [array.grad.asnumpy().copy() for array in (scores, moves)]

    with autograd.record():
        logits = scores.reshape((0, -4, 2, 12, -2)).transpose((0, 3, 4, 2, 1))  # As in `vision.models.rpn`.
        deltas = moves.reshape((0, -4, 12, 4, -2)).transpose((0, 3, 4, 1, 2))
        output = DetectorOutput(logits, deltas, None, None, None, None)
        losses = rpn_loss(output, Targets(nd.array(labels.reshape(1, -1)), nd.array(targets.reshape(1, -1, 4))))
        total = losses[0] + losses[1]
    total.backward()
    for array, expected in zip((scores, moves), theirs, strict=True):
        np.testing.assert_allclose(array.grad.asnumpy(), expected, rtol=1e-4, atol=1e-8)


# --- head -----------------------------------------------------------------------------------------------------------


def their_hardest(scores, moves, labels, targets, weights, kept):
    """Labels and box weights after their `BoxAnnotatorOHEM`: -1 and 0 for the ROIs with smaller losses."""
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    losses = -np.log(probabilities[np.arange(len(labels)), labels] + 1e-14)
    difference = np.abs(moves - targets)
    losses += (weights * np.where(difference < 1, difference**2 / 2, difference - 0.5)).sum(axis=1)
    easy = np.argsort(losses)[::-1][kept:]
    labels, weights = labels.copy(), weights.copy()
    labels[easy], weights[easy] = -1, 0
    return labels, weights


@pytest.mark.parametrize("kept", [128, 300])
def test_the_head_has_the_gradients_of_their_operators(kept):
    """SoftmaxOutput over the hardest ROIs, and smooth L1 (σ = 1) scaled by 1 / 128; class-agnostic boxes."""
    generator, count, classes = np.random.default_rng(3), 300, 81
    scores, moves = nd.array(generator.normal(0, 2, (count, classes))), nd.array(generator.normal(size=(count, 8)))
    labels = generator.integers(0, classes, count) * generator.integers(0, 2, count)
    targets, weights = np.zeros((count, 8)), np.zeros((count, 8))
    targets[labels > 0, 4:] = generator.normal(size=((labels > 0).sum(), 4))
    weights[labels > 0, 4:] = 1
    hard_labels, hard_weights = their_hardest(scores.asnumpy(), moves.asnumpy(), labels, targets, weights, kept)
    for array in (scores, moves):
        array.attach_grad()
    with autograd.record():
        settings = {"normalization": "valid", "use_ignore": True, "ignore_label": -1}
        probabilities = nd.SoftmaxOutput(scores, nd.array(hard_labels), **settings)
        loss = nd.array(hard_weights) * nd.smooth_l1(moves - nd.array(targets), scalar=1.0)
        boxes = nd.MakeLoss(loss, grad_scale=1 / kept)
    autograd.backward([probabilities, boxes])
    theirs = [array.grad.asnumpy().copy() for array in (scores, moves)]

    with autograd.record():
        deltas = moves.slice_axis(axis=1, begin=4, end=8).expand_dims(0)
        output = DetectorOutput(None, None, None, nd.ones((1, count)), scores.expand_dims(0), deltas)
        losses = head_loss(output, Targets(nd.array([labels]), nd.array(targets[None, :, 4:])), kept)
        total = losses[0] + losses[1]
    total.backward()
    for array, expected in zip((scores, moves), theirs, strict=True):
        np.testing.assert_allclose(array.grad.asnumpy(), expected, rtol=1e-4, atol=1e-8)
    assert np.flatnonzero(np.abs(theirs[0]).sum(axis=1)).tolist() == np.flatnonzero(hard_labels >= 0).tolist()


def test_all_four_losses_have_weight_1(monkeypatch):
    losses = iter([(nd.array([1]), nd.array([10])), (nd.array([100]), nd.array([1000]))])
    for name in ("rpn_loss", "head_loss"):
        monkeypatch.setattr(criterion, name, lambda *_: next(losses))
    for name in ("rpn_targets", "roi_targets"):
        monkeypatch.setattr(criterion, name, lambda *_: None)
    output = DetectorOutput(nd.zeros((1, 1, 1, 12, 2)), *[nd.zeros((1, 1))] * 5)
    assert criterion.Criterion(PAPER)(output, nd.zeros((1, 1, 4)), None, None).loss.asscalar() == 1111


# --- detections -----------------------------------------------------------------------------------------------------


def overlaps_with(box, others):
    width = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0]) + 1
    height = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1]) + 1
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    areas = [(each[2] - each[0] + 1) * (each[3] - each[1] + 1) for each in (box, others.T)]
    return shared / (areas[0] + areas[1] - shared)


def their_soft_nms(boxes, scores, sigma):
    """Boxes and scores of one class in the order of selection."""
    taken = []
    while len(boxes):
        order = np.argsort(-scores)
        boxes, scores = boxes[order], scores[order]
        taken.append((*boxes[0], scores[0]))
        decay = np.exp(-(overlaps_with(boxes[0], boxes[1:]) ** 2) / sigma)
        boxes, scores = boxes[1:], scores[1:] * decay
    return taken


@pytest.mark.parametrize("most", [30, 100])
def test_detections_are_those_of_their_tester(most):
    """Scores above 0.001, soft-NMS per class, the best over all classes; boxes are clipped, then scaled."""
    generator, scale, sizes = np.random.default_rng(4), 1.5, np.array([400, 500])
    rois, deltas = some_boxes(40, generator), generator.normal(0, 2, (40, 4)).astype(np.float32)
    logits = generator.normal(0, 4, (40, 6)).astype(np.float32)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    boxes = their_boxes(rois.T.astype(np.float64), (deltas * np.float32(TRAIN["BBOX_STDS"])).T.astype(np.float64)).T
    boxes = boxes.clip(0, [499, 399, 499, 399]) / scale
    expected = []
    for label in range(1, 6):
        chosen = probabilities[:, label] > TEST["thresh"]
        taken = their_soft_nms(boxes[chosen], probabilities[chosen, label].astype(np.float64), TEST["NMS"])
        expected += [(*each, label - 1) for each in taken]
    expected = np.array(sorted(expected, key=lambda each: -each[4])[:most])

    output = DetectorOutput(None, None, *(nd.array(each[None]) for each in (rois, np.ones(40), logits, deltas)))
    config = DetectionConfig(TEST["thresh"], TEST["NMS"], most)
    (found,) = detections(output, nd.array([sizes]), nd.array([scale]), config)
    assert found.labels.tolist() == expected[:, 5].astype(int).tolist()
    np.testing.assert_allclose(found.scores, expected[:, 4], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found.boxes, expected[:, :4], atol=1e-2)
