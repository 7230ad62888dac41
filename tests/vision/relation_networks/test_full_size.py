"""A checkpoint of the published size: import, export, and the same output as with their operators."""

import dataclasses
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd

from data.common.config import read_config
from tests.vision.relation_networks.reference import (
    BOTH,
    assert_close,
    attend,
    backbone_shapes,
    caffe_backbone,
    head_shapes,
    layer,
    made_up,
    with_test_copies,
)
from vision.config import Config
from vision.models.detector import Detector
from vision.parameters import write_parameters
from vision.relation_networks.checkpoint import to_ours, to_theirs
from vision.relation_networks.layout import layout

PAPER = read_config(Config, Path(__file__).parents[3] / "vision" / "configs" / "paper" / "minicoco" / "rn.yaml")


@pytest.fixture(scope="module")
def original():
    """The arrays of a whole detector."""
    return with_test_copies(made_up(backbone_shapes() | head_shapes()))


@pytest.fixture(scope="module")
def converted(original):
    """Our arrays, and how each was used."""
    return to_ours(original, layout(PAPER.model, 80))


def test_import_and_export_are_exact_to_the_bit(original, converted):
    arrays, rows = converted
    fates = {row.there: row.fate for row in rows if row.there}
    copies = {"arg:bbox_pred_weight_test", "arg:bbox_pred_bias_test"}
    assert {name for name, fate in fates.items() if fate == "loaded"} == original.keys() - copies
    assert {name for name, fate in fates.items() if fate == "not used"} == copies
    assert {row.here.rpartition(".")[2] for row in rows if not row.there} == {"bias"}
    assert len(arrays) == sum(row.fate in ("loaded", "set to 0") for row in rows) == 618
    back = to_theirs(arrays, layout(PAPER.model, 80))
    assert back.keys() == original.keys()
    for name, array in original.items():
        assert back[name].dtype == np.float32 and back[name].tobytes() == array.tobytes(), name
        assert back[name].shape == array.shape, name


def test_names_and_shapes_are_those_of_the_detector(converted):
    detector = Detector(PAPER.model, 80)
    symbol = mx.sym.Group([each for each in detector(mx.sym.var("images"), mx.sym.var("sizes")) if each is not None])
    arguments, _, states = symbol.infer_shape(images=(1, 3, 64, 96), sizes=(1, 2))
    shapes = dict(zip(symbol.list_arguments() + symbol.list_auxiliary_states(), arguments + states, strict=True))
    expected = {name: shapes[each.name] for name, each in detector._collect_params_with_prefix().items()}
    assert {name: array.shape for name, array in converted[0].items()} == expected


def test_the_detector_computes_what_their_operators_compute(original, converted, tmp_path):
    arrays = {name: nd.array(array) for name, array in original.items()}
    write_parameters(tmp_path / "ours.params", converted[0])
    detector = Detector(dataclasses.replace(PAPER.model, pool1="caffe", rois=16), 80)
    detector.load_parameters(str(tmp_path / "ours.params"))
    images = nd.array(np.random.default_rng(0).normal(0, 50, (1, 3, 64, 96)))
    sizes = nd.array([[64, 96]])
    expected4, expected5 = caffe_backbone(arrays, images)
    conv4, conv5 = detector.backbone(images)
    assert conv4.shape == (1, 1024, 4, 6) and conv5.shape == (1, 2048, 4, 6)
    assert_close(conv4, expected4)
    assert_close(conv5, expected5)

    output = detector(images, sizes)
    shared = nd.relu(layer(arrays, "rpn_conv_3x3", expected4, pad=(1, 1)))
    scores, deltas = layer(arrays, "rpn_cls_score", shared), layer(arrays, "rpn_bbox_pred", shared)
    scores = scores.reshape((0, 2, -1, 0)).reshape((0, 2, 12, 4, 6))  # Their softmax is over the second axis.
    assert_close(output.rpn_logits, scores.transpose((0, 3, 4, 2, 1)))
    deltas = deltas.transpose((0, 2, 3, 1)).reshape((1, 4, 6, 12, 4))  # Their order of anchors.
    assert_close(output.rpn_deltas, deltas)

    rois = output.rois[0]
    sides = (rois[:, 2:] - rois[:, :2] + 1).asnumpy()
    assert output.mask.asnumpy().all() and sides.min() > 1  # Their positions are NaN for empty boxes.
    numbered = nd.concat(nd.zeros((16, 1)), rois, dim=1)
    features = nd.ROIPooling(nd.relu(layer(arrays, "conv_new_1", expected5)), numbered, (7, 7), 1 / 16)
    for k in BOTH:
        features = layer(arrays, f"fc_new_{k}", features)
        features = nd.relu(features + attend(arrays, k, features, rois))
    assert_close(output.logits[0], layer(arrays, "cls_score", features), tolerance=2e-3)  # Their sines are in float32.
    assert_close(output.deltas[0], layer(arrays, "bbox_pred", features)[:, 4:], tolerance=2e-3)
