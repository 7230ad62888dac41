"""The network: its parameters at the paper's size, its head against the equations, padding, and what of it learns."""

import dataclasses
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from gluoncv.model_zoo import get_model
from mxnet import autograd, nd

from data.config import read_config
from vision.config import Config
from vision.criterion import Criterion
from vision.detector import Detector, DetectorOutput, build_detector

PAPER = Path(__file__).parents[2] / "vision" / "configs" / "paper"

# Relation Networks' parameters, for the 80 categories of COCO.
SHAPES = {
    "conv_new_1": (256, 2048, 1, 1),
    "fc_new_1": (1024, 12544),
    "fc_new_2": (1024, 1024),
    "cls_score": (81, 1024),
    "bbox_pred": (8, 1024),
    "rpn_conv_3x3": (512, 1024, 3, 3),
    "rpn_cls_score": (24, 512, 1, 1),
    "rpn_bbox_pred": (48, 512, 1, 1),
}


@pytest.fixture(scope="module")
def model(config):
    return config.model


def built(model, seed=0, classes=4):
    mx.random.seed(seed)
    detector = build_detector(model, classes, mx.cpu())
    for name, parameter in detector.collect_params("(?!backbone|rpn).*weight").items():
        parameter.set_data(parameter.data() * 10)  # For outputs that differ visibly.
        assert parameter.data().shape[0] > 0, name
    return detector


def numpy(output):
    return DetectorOutput(*(None if array is None else array.asnumpy() for array in output))


def infer(variant, dataset, classes):
    """Shapes of outputs and parameters at the paper's size, without running the network."""
    detector = Detector(read_config(Config, PAPER / dataset / f"{variant}.yaml").model, classes)
    outputs = mx.sym.Group([each for each in detector(mx.sym.var("images"), mx.sym.var("sizes")) if each is not None])
    arguments, shapes, _ = outputs.infer_shape(images=(2, 3, 600, 1000), sizes=(2, 2))
    return shapes, dict(zip(outputs.list_arguments(), arguments, strict=True))


def test_parameters_have_relation_networks_names_and_shapes():
    _, parameters = infer("fan-sup", "minicoco", classes=80)
    for name, shape in SHAPES.items():
        assert parameters[f"{name}_weight"] == shape
        assert parameters[f"{name}_bias"] == shape[:1]
    assert parameters["focused_attention_key_weight"] == (1024, 1024)
    assert parameters["focused_attention_query_weight"] == (1024, 1024)
    of_head = {name.rpartition("_")[0] for name in parameters if not name.startswith("backbone_")}
    assert of_head - {""} == {*SHAPES, "focused_attention_key", "focused_attention_query"}


@pytest.mark.parametrize(("variant", "relations"), [("base", []), ("fan-sup", [(2, 300, 300)])])
def test_outputs_have_the_papers_shapes(variant, relations):
    shapes, parameters = infer(variant, "voc07", classes=20)
    anchors = [(2, 38, 63, 12, 2), (2, 38, 63, 12, 4)]
    assert shapes == [*anchors, (2, 300, 4), (2, 300), (2, 300, 21), (2, 300, 4), *relations]
    assert ("focused_attention_key_weight" in parameters) == bool(relations)


def features_by_hand(detector, images, rois, image):
    """F [N, C] of one image's ROIs, before any rectifier."""
    _, conv5 = detector.backbone(images[image : image + 1])
    index_and_rois = nd.concat(nd.zeros((len(rois), 1)), nd.array(rois), dim=1)
    pooled = nd.ROIPooling(nd.relu(detector.conv_new_1(conv5)), index_and_rois, (7, 7), 1 / 16)
    return detector.fc_new_1(pooled)


def attended_by_hand(detector, features):
    """F + softmax(W) F and W of features [N, C]."""
    key, query = (
        each.weight.data().asnumpy() for each in (detector.focused_attention.key, detector.focused_attention.query)
    )
    features = features.asnumpy()
    weights = (features @ key.T) @ (features @ query.T).T / np.sqrt(len(key))
    exponentials = np.exp(weights - weights.max(axis=1, keepdims=True))
    return nd.array(features + exponentials / exponentials.sum(axis=1, keepdims=True) @ features), weights


@pytest.mark.parametrize("attention_after", ["fc_new_1", "fc_new_2"])
def test_the_head_adds_the_context_to_the_features(model, batch, attention_after):
    detector = built(dataclasses.replace(model, attention_after=attention_after))
    output = numpy(detector(*batch[:2]))
    assert output.mask.all()
    for image in range(2):
        features = features_by_hand(detector, batch[0], output.rois[image], image)
        if attention_after == "fc_new_1":
            features, weights = attended_by_hand(detector, features)
            features = detector.fc_new_2(nd.relu(features))
        else:
            features, weights = attended_by_hand(detector, detector.fc_new_2(nd.relu(features)))
        features = nd.relu(features)
        np.testing.assert_allclose(output.relations[image], weights, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(output.logits[image], detector.cls_score(features).asnumpy(), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(
            output.deltas[image], detector.bbox_pred(features).asnumpy()[:, 4:], rtol=1e-3, atol=1e-4
        )


def test_hybridised_it_computes_the_same(model, batch):
    detector = built(model)
    expected = numpy(detector(*batch[:2]))
    detector.hybridize()
    for ours, theirs in zip(numpy(detector(*batch[:2])), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_what_fills_a_short_list_changes_nothing(model):
    images, sizes = nd.random.normal(shape=(1, 3, 32, 32)), nd.array([[32, 32]])
    short, long = (numpy(built(dataclasses.replace(model, rois=rois))(images, sizes)) for rois in (40, 60))
    real = int(short.mask.sum())
    assert 0 < real < 40
    for ours, theirs in zip(short[2:6], long[2:6], strict=True):
        np.testing.assert_allclose(ours[0, :real], theirs[0, :real], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(short.relations[0, :real, :real], long.relations[0, :real, :real], rtol=1e-4, atol=1e-5)
    assert (short.relations[0, real:] == 0).all()
    assert (short.relations[0, :, real:] == 0).all()


def test_objects_stand_among_the_rois_on_demand(model, batch):
    detector = built(model)
    without, output = numpy(detector(*batch[:2])), numpy(detector(*batch))
    assert (output.rois[:, :12] == without.rois).all()
    assert (output.rois[:, 12:] == batch[2].asnumpy()).all()
    assert output.mask[:, 12:].tolist() == [[1, 1], [1, 0]]
    assert (output.logits.shape, output.relations.shape) == ((2, 14, 5), (2, 14, 14))


def test_a_network_from_scratch_learns_everything_and_biases_do_not_decay(model):
    parameters = built(model).collect_params()
    assert all(
        (parameter.grad_req == "null") == name.endswith(("running_mean", "running_var"))
        for name, parameter in parameters.items()
    )
    without_decay = {name.rpartition("_")[2] for name, parameter in parameters.items() if parameter.wd_mult == 0}
    assert without_decay == {"bias", "beta"}


def test_a_pretrained_network_has_a_frozen_beginning(model, tmp_path):
    network = get_model("resnet18_v1")
    network.initialize()
    network(nd.zeros((1, 3, 32, 32)))
    network.save_parameters(str(tmp_path / "resnet18.params"))
    pretrained = {"backbone": "resnet18", "pretrained": str(tmp_path / "resnet18.params")}
    detector = build_detector(dataclasses.replace(model, **pretrained), 4, mx.cpu())
    learns = {name for name, parameter in detector.collect_params().items() if parameter.grad_req != "null"}
    assert {name.split("_")[1] for name in learns if name.startswith("backbone")} == {"stage2", "stage3", "stage4"}
    assert not [name for name in learns if name.endswith(("gamma", "beta"))]
    assert {f"{name}_bias" for name in SHAPES} < learns


def test_the_seed_gives_the_weights(model, batch):
    first, again, other = (numpy(built(model, seed)(*batch[:2])) for seed in (1, 1, 2))
    assert (first.logits == again.logits).all()
    assert (first.logits != other.logits).any()


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["voc07", "minicoco"])
def test_a_step_at_the_papers_size_has_finite_losses_and_gradients(dataset):
    config = read_config(Config, PAPER / dataset / "fan-sup.yaml", ["model.pretrained=none"])
    classes = {"voc07": 20, "minicoco": 80}[dataset]
    mx.random.seed(0)
    detector = build_detector(config.model, classes, mx.cpu())
    detector.hybridize()
    sizes = nd.array([[600, 1000], [600, 901]])
    boxes = nd.array([[[50, 60, 400, 500], [300, 200, 900, 590]], [[10, 10, 500, 500], [0, 0, 0, 0]]])
    labels = nd.array([[0, classes - 1], [2, -1]])
    with autograd.record():
        output = detector(nd.random.normal(0, 50, (2, 3, 600, 1000)), sizes)
        losses = Criterion(config)(output, boxes, labels, sizes)
    losses.loss.backward()
    assert output.relations.shape == (2, 300, 300)
    assert np.isfinite(losses.loss.asnumpy()).all()
    for name, parameter in detector.collect_params().items():
        if parameter.grad_req != "null":
            assert np.isfinite(parameter.grad().asnumpy()).all(), name


def spreads(model):
    """Standard deviations of the initial weights, and the numbers of inputs of each."""
    mx.random.seed(0)
    weights = build_detector(model, 4, mx.cpu()).collect_params("(?!backbone).*weight")
    return {
        name.removesuffix("_weight"): (parameter.data().asnumpy().std(), parameter.data()[0].size)
        for name, parameter in weights.items()
    }


OUTPUT_LAYERS = {"rpn_cls_score", "rpn_bbox_pred", "cls_score", "bbox_pred"}


def test_initial_weights_are_those_of_relation_networks(model):
    for sigma, _ in spreads(dataclasses.replace(model, initial_weights="relation_networks", fc_units=1024)).values():
        assert sigma == pytest.approx(0.01, rel=0.2)


def test_hidden_layers_can_be_drawn_by_their_number_of_inputs(model):
    for name, (sigma, inputs) in spreads(dataclasses.replace(model, initial_weights="he")).items():
        if name.startswith("focused_attention"):
            expected = 0.01 * np.sqrt(1024 / inputs)  # W begins as flat as with 1,024 units.
        else:
            expected = 0.01 if name in OUTPUT_LAYERS else np.sqrt(2 / inputs)
        assert sigma == pytest.approx(expected, rel=0.2)
