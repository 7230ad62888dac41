"""The scene network: float64 evaluation, padding, trainable layers, and shapes at the paper's size."""

import dataclasses
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, nd

from data.common.config import read_config
from vision.checkpoint import TrainedRun
from vision.config import Config
from vision.models.detector import Detector
from vision.scenes.config import SceneConfig
from vision.scenes.network import SceneNetwork, build_backbone, over_rois

CONFIGS = Path(__file__).parents[3] / "vision" / "configs"
CLASSES = 5


def model_of(scenes, **changes):
    return dataclasses.replace(scenes.model, **changes)


def built(model, detector_folder):
    """A network on the trained detector, with initialized new layers."""
    detector = TrainedRun(detector_folder, mx.cpu()).detector
    if model.roi_features == "none":
        network = SceneNetwork(model, CLASSES, detector.backbone, 0)
    else:
        network = SceneNetwork(model, CLASSES, detector, detector.fc_new_2.weight.shape[0])
    mx.random.seed(0)
    network.initialize_new_layers()
    network.freeze()
    return network


@pytest.fixture
def image():
    """An image [1, 3, 48, 64] and its size."""
    return nd.array(np.random.default_rng(1).normal(0, 50, (1, 3, 48, 64))), nd.array([[48, 64]])


def array(parameter):
    return parameter.data().asnumpy().astype(np.float64)


def f_s(network, conv5):
    """Convolution, rectifier and mean over the cells."""
    weight, bias = (array(each) for each in (network.scene_conv.weight, network.scene_conv.bias))
    cells = np.einsum("kc,chw->khw", weight[:, :, 0, 0], conv5[0]) + bias[:, None, None]
    return np.maximum(cells, 0).mean(axis=(1, 2))


def context(detector, features):
    """F_c [N, C] = softmax(W) F, row by row."""
    key, query = (array(each.weight) for each in (detector.focused_attention.key, detector.focused_attention.query))
    weights = (features @ key.T) @ (features @ query.T).T / np.sqrt(len(key))
    exponentials = np.exp(weights - weights.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True) @ features


@pytest.mark.parametrize("over", ["maximum", "mean"])
@pytest.mark.parametrize("taken", ["none", "features", "context"])
def test_logits_equal_the_float64_evaluation(scenes, detector_folder, image, taken, over):
    network = built(model_of(scenes, roi_features=taken, over_rois=over), detector_folder)
    frozen = network.extract(*image)
    vector = f_s(network, frozen.conv5.asnumpy().astype(np.float64))
    if taken != "none":
        features = network.body.roi_features(nd, frozen.conv5, frozen.rois)[0].asnumpy().astype(np.float64)
        real = features[frozen.mask[0].asnumpy() > 0]
        assert 1 < len(real) < len(features)
        of_rois = real if taken == "features" else context(network.body, real)
        vector = np.concatenate([vector, of_rois.max(axis=0) if over == "maximum" else of_rois.mean(axis=0)])
    weight, bias = array(network.classifier.weight), array(network.classifier.bias)
    np.testing.assert_allclose(network(*frozen)[0].asnumpy(), weight @ vector + bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("taken", ["features", "context"])
def test_padding_rois_change_no_logit_or_gradient(scenes, detector_folder, image, taken):
    network = built(model_of(scenes, roi_features=taken), detector_folder)
    frozen = network.extract(*image)
    padded = np.flatnonzero(frozen.mask[0].asnumpy() == 0)
    assert len(padded)
    moved = frozen.rois.copy()
    moved[0, int(padded[0]) :] = nd.array([0, 0, 63, 47])

    def outcome(rois):
        with autograd.record():
            logits = network(frozen.conv5, rois, frozen.mask)
        logits.backward()
        return [logits, *(each.weight.grad() for each in network.body.roi_layers())]

    for ours, theirs in zip(outcome(frozen.rois), outcome(moved), strict=True):
        np.testing.assert_allclose(ours.asnumpy(), theirs.asnumpy(), rtol=1e-5, atol=1e-9)


def test_padding_changes_no_bit_of_maximum_or_mean():
    features = np.random.default_rng(0).normal(-3, 1, (2, 4, 3)).astype(np.float32)
    mask = nd.array([[1, 1, 0, 0], [1, 0, 0, 0]])
    for reduction, expected in {"maximum": features[0, :2].max(axis=0), "mean": features[0, :2].mean(axis=0)}.items():
        results = []
        for value in (0, 1e30, np.nan, np.inf):
            padded = np.where(mask.asnumpy()[:, :, None] > 0, features, value)
            results.append(over_rois(nd.array(padded), mask, reduction).asnumpy())
        np.testing.assert_allclose(results[0][0], expected, rtol=1e-6)
        for result in results:
            np.testing.assert_array_equal(result, results[0])
        assert (over_rois(nd.array(features), nd.zeros((2, 4)), reduction).asnumpy() == 0).all()


def test_images_of_any_size_are_accepted(scenes, detector_folder):
    network = built(model_of(scenes, roi_features="none"), detector_folder)
    for height, width in [(48, 64), (64, 48), (16, 16), (1, 64)]:
        image = nd.random.normal(0, 50, (1, 3, height, width))
        frozen = network.extract(image, nd.array([[height, width]]))
        assert frozen.conv5.shape[2:] == (-(-height // 16), -(-width // 16))
        assert network(*frozen).shape == (1, CLASSES)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"roi_features": "none"}, {"scene_conv", "classifier"}),
        ({}, {"scene_conv", "classifier", "body.conv_new_1", "body.fc_new_1", "body.fc_new_2"}),
        (
            {"roi_features": "features"},
            {"scene_conv", "classifier", "body.conv_new_1", "body.fc_new_1", "body.fc_new_2"},
        ),
        ({"roi_layers": "fixed"}, {"scene_conv", "classifier"}),
    ],
)
def test_only_the_layers_of_appendix_d1_are_trained(scenes, detector_folder, changes, expected):
    network = built(model_of(scenes, **changes), detector_folder)
    learned = {name for name, each in network._collect_params_with_prefix().items() if each.grad_req != "null"}
    assert learned == {f"{layer}.{kind}" for layer in expected for kind in ("weight", "bias")}
    for name, parameter in network._collect_params_with_prefix().items():
        if name in learned:
            assert parameter.wd_mult == (0 if name.endswith("bias") else 1)


def test_layers_after_fans_place_are_not_used(config):
    model = dataclasses.replace(config.model, attention_after="fc_new_1")
    detector = Detector(model, 8)
    assert detector.roi_layers() == [detector.conv_new_1, detector.fc_new_1]


def test_gradients_pass_through_the_frozen_attention(scenes, detector_folder, image):
    network = built(scenes.model, detector_folder)
    frozen = network.extract(*image)
    with autograd.record():
        loss = -nd.log_softmax(network(*frozen))[0, 2]
    loss.backward()
    for layer in (network.scene_conv, network.classifier, *network.body.roi_layers()):
        assert layer.weight.grad().abs().sum().asscalar() > 0


def test_a_random_backbone_is_normalized_by_the_images(scenes):
    model = model_of(scenes, pretrained="none", roi_features="none")
    images = [np.random.default_rng(k).normal(20, 50, (3, 48, 64)).astype(np.float32) for k in range(40)]
    mx.random.seed(0)
    backbone = build_backbone(model, iter(images))
    statistics = backbone.features[1].running_mean.data().asnumpy()
    outputs = backbone.features[0](nd.array(np.stack(images))).asnumpy()
    np.testing.assert_allclose(statistics, outputs.mean(axis=(0, 2, 3)), atol=0.15 * outputs.std())
    assert 0.1 < backbone(nd.array(images[0][None]))[1].asnumpy().std() < 10
    again = build_backbone(model, iter(images))
    assert (again.features[0].weight.data().asnumpy() != backbone.features[0].weight.data().asnumpy()).any()


def test_f_s_and_f_c_have_1024_values_at_the_papers_size():
    config = read_config(SceneConfig, CONFIGS / "paper" / "mit67" / "fan-sup.yaml")
    detector = read_config(Config, CONFIGS / "paper" / "minicoco" / "fan-sup.yaml").model
    network = SceneNetwork(config.model, 67, Detector(detector, 80), detector.fc_units)
    assert network.classifier.weight.shape == (67, 1024 + 1024)
    assert network.scene_conv.weight.shape == (1024, 2048, 1, 1)
    names = {name.partition(".")[0] for name in network._collect_params_with_prefix()}
    assert names == {"body", "scene_conv", "classifier"}
