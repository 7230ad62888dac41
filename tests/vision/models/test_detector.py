"""The detector: parameters at the size of the paper, values of the head, padding, and trained parameters."""

import dataclasses
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from gluoncv.model_zoo import get_model
from mxnet import autograd, nd

from data.common.config import read_config
from data.common.errors import UserError
from vision.config import Config
from vision.criterion import Criterion
from vision.models.detector import Detector, DetectorOutput, build_detector

PAPER = Path(__file__).parents[3] / "vision" / "configs" / "paper"

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
        parameter.set_data(parameter.data() * 10)  # for clearly different outputs
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


MODULE = {"pair_pos_fc1": (16, 64), "query": (1024, 1024), "key": (1024, 1024), "linear_out": (1024, 1024)}


@pytest.mark.parametrize(
    ("variant", "added"),
    [
        ("fan-sup", {f"focused_attention_{name}": (1024, 1024) for name in ("key", "query")}),
        ("rn", {f"relation_{k}_{name}": shape for k in (1, 2) for name, shape in MODULE.items()}),
    ],
)
def test_parameters_have_the_published_names_and_shapes(variant, added):
    _, parameters = infer(variant, "minicoco", classes=80)
    of_head = {name: shape for name, shape in parameters.items() if not name.startswith("backbone_")}
    weights = {name.removesuffix("_weight"): shape for name, shape in of_head.items() if name.endswith("_weight")}
    biases = {name.removesuffix("_bias"): shape for name, shape in of_head.items() if name.endswith("_bias")}
    assert weights == SHAPES | added
    assert biases == {name: shape[:1] for name, shape in weights.items() if not name.startswith("focused_attention")}


@pytest.mark.parametrize(
    ("variant", "relations"), [("base", []), ("fan-sup", [(2, 300, 300)]), ("rn-sup", [(2, 300, 300)])]
)
def test_outputs_have_the_papers_shapes(variant, relations):
    shapes, parameters = infer(variant, "voc07", classes=20)
    anchors = [(2, 38, 63, 12, 2), (2, 38, 63, 12, 4)]
    assert shapes == [*anchors, (2, 300, 4), (2, 300), (2, 300, 21), (2, 300, 4), *relations]
    assert ("focused_attention_key_weight" in parameters) == (variant == "fan-sup")
    assert ("relation_1_key_weight" in parameters) == ("relation_2_key_weight" in parameters) == (variant == "rn-sup")


def features_by_hand(detector, images, rois, image):
    """F [N, C] of the ROIs of one image, before ReLU."""
    _, conv5 = detector.backbone(images[image : image + 1])
    index_and_rois = nd.concat(nd.zeros((len(rois), 1)), nd.array(rois), dim=1)
    pooled = nd.ROIPooling(nd.relu(detector.conv_new_1(conv5)), index_and_rois, (7, 7), 1 / 16)
    return detector.fc_new_1(pooled)


def attended_by_hand(detector, features):
    """F + softmax(W) F, or F + W_out softmax(W) F, and W of features [N, C]."""
    key, query = (
        each.weight.data().asnumpy() for each in (detector.focused_attention.key, detector.focused_attention.query)
    )
    features = features.asnumpy()
    weights = (features @ key.T) @ (features @ query.T).T / np.sqrt(len(key))
    exponentials = np.exp(weights - weights.max(axis=1, keepdims=True))
    context = exponentials / exponentials.sum(axis=1, keepdims=True) @ features
    if detector.focused_attention.linear_out is not None:
        context = context @ detector.focused_attention.linear_out.weight.data().asnumpy().T
    return nd.array(features + context), weights


@pytest.mark.parametrize("linear_out", [False, True])
@pytest.mark.parametrize("attention_after", ["fc_new_1", "fc_new_2"])
def test_the_head_adds_the_context_to_the_features(model, batch, attention_after, linear_out):
    detector = built(dataclasses.replace(model, attention_after=attention_after, linear_out=linear_out))
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


@pytest.mark.parametrize(("relation_modules", "places"), [("fc_new_1", [1]), ("fc_new_2", [2]), ("both", [1, 2])])
def test_relation_modules_add_to_the_layers_before_them(modules, batch, relation_modules, places):
    mx.random.seed(0)
    detector = build_detector(dataclasses.replace(modules.model, relation_modules=relation_modules), 4, mx.cpu())
    output = numpy(detector(*batch[:2]))
    for image in range(2):
        rois = nd.array(output.rois[image])
        features = features_by_hand(detector, batch[0], output.rois[image], image)
        for k, module in enumerate((detector.relation_1, detector.relation_2), start=1):
            features = features if k == 1 else detector.fc_new_2(features)
            assert (module is not None) == (k in places)
            if module is not None:
                context, weights = module(features, rois)
                assert context.asnumpy().std() > 0.01 * features.asnumpy().std() > 0
                features = features + context
            features = nd.relu(features)
        np.testing.assert_allclose(output.relations[image], weights.asnumpy(), rtol=1e-3, atol=1e-3)  # of the last
        np.testing.assert_allclose(output.logits[image], detector.cls_score(features).asnumpy(), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(
            output.deltas[image], detector.bbox_pred(features).asnumpy()[:, 4:], rtol=1e-3, atol=1e-4
        )


@pytest.fixture(params=["FAN", "relation modules"])
def either(request, model, modules):
    """Model configs with either."""
    return model if request.param == "FAN" else modules.model


def test_hybridised_it_computes_the_same(either, batch):
    detector = built(either)
    expected = numpy(detector(*batch[:2]))
    detector.hybridize()
    for ours, theirs in zip(numpy(detector(*batch[:2])), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_padded_rois_change_nothing(either):
    images, sizes = nd.random.normal(shape=(1, 3, 32, 32)), nd.array([[32, 32]])
    short, long = (numpy(built(dataclasses.replace(either, rois=rois))(images, sizes)) for rois in (40, 60))
    real = int(short.mask.sum())
    assert 0 < real < 40
    for ours, theirs in zip(short[2:6], long[2:6], strict=True):
        np.testing.assert_allclose(ours[0, :real], theirs[0, :real], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(short.relations[0, :real, :real], long.relations[0, :real, :real], rtol=1e-4, atol=1e-5)
    assert (short.relations[0, real:] == 0).all()
    assert (short.relations[0, :, real:] == 0).all()


def test_objects_can_be_appended_to_the_rois(model, batch):
    detector = built(model)
    without, output = numpy(detector(*batch[:2])), numpy(detector(*batch))
    assert (output.rois[:, :12] == without.rois).all()
    assert (output.rois[:, 12:] == batch[2].asnumpy()).all()
    assert output.mask[:, 12:].tolist() == [[1, 1], [1, 0]]
    assert (output.logits.shape, output.relations.shape) == ((2, 14, 5), (2, 14, 14))


def test_appended_objects_are_not_attended_to_by_modules(modules, batch):
    detector = built(modules.model)
    without, output = numpy(detector(*batch[:2])), numpy(detector(*batch))
    assert output.mask[:, 12:].tolist() == [[1, 1], [1, 0]]
    assert (output.logits.shape, output.relations.shape) == ((2, 14, 5), (2, 12, 12))
    for name in ("logits", "deltas", "relations"):
        alone, with_objects = getattr(without, name), getattr(output, name)[:, :12]
        np.testing.assert_allclose(with_objects, alone, rtol=1e-4, atol=1e-5)
    unattended = built(dataclasses.replace(modules.model, relation_modules="none"))
    assert (numpy(unattended(*batch)).logits[:, 12:] != output.logits[:, 12:]).any()


def test_without_pretraining_everything_is_trained(model):
    parameters = built(model).collect_params()
    assert all(
        (parameter.grad_req == "null") == name.endswith(("running_mean", "running_var"))
        for name, parameter in parameters.items()
    )
    without_decay = {name.rpartition("_")[2] for name, parameter in parameters.items() if parameter.wd_mult == 0}
    assert without_decay == {"bias", "beta"}


def test_pretrained_networks_have_frozen_first_layers(model, tmp_path):
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


@pytest.fixture
def imported(modules, tmp_path):
    """A model config with a file of all weights except two, as written by an import."""
    detector = built(modules.model, seed=5)
    path = tmp_path / "imported.params"
    arrays = {name: each.data() for name, each in detector._collect_params_with_prefix().items()}
    left_out = {"cls_score.weight", "relation_2.key.weight"}
    nd.save(str(path), {name: array for name, array in arrays.items() if name not in left_out})
    return dataclasses.replace(modules.model, pretrained=str(path), pool1="caffe"), arrays, left_out


def test_an_imported_detector_is_loaded_completely(imported):
    model, arrays, left_out = imported
    mx.random.seed(0)
    detector = build_detector(model, 4, mx.cpu())
    parameters = detector._collect_params_with_prefix()
    for name, array in arrays.items():
        assert (parameters[name].data() == array).asnumpy().all() == (name not in left_out), name
    assert parameters["backbone.features.0.weight"].grad_req == "null"
    assert all(parameters[name].grad_req == "write" for name in (*left_out, "fc_new_1.weight", "relation_1.key.bias"))
    assert detector.backbone.features[3]._kwargs["pooling_convention"] == "full"


def test_a_detector_of_other_categories_is_rejected(imported):
    nd.save(imported[0].pretrained, imported[1])
    with pytest.raises(UserError, match=r"imported.params: .*cls_score.weight is 5 x 16 and must be 8 x 16"):
        build_detector(imported[0], 7, mx.cpu())


def test_the_caffe_pool_starts_at_the_edge(model):
    caffe = Detector(dataclasses.replace(model, pool1="caffe"), 4).backbone.features[3]
    padded = Detector(model, 4).backbone.features[3]
    for height in (32, 33, 34):
        values = np.random.default_rng(height).normal(size=(height, 32)).astype(np.float32)
        windows = [[values[y : y + 3, x : x + 3].max() for x in range(0, 31, 2)] for y in range(0, height - 1, 2)]
        np.testing.assert_array_equal(caffe(nd.array(values[None, None])).asnumpy()[0, 0], windows)
        assert padded(nd.array(values[None, None])).shape[2] == (height + 1) // 2


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["voc07", "minicoco"])
def test_a_step_at_the_papers_size_is_finite(dataset):
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
    """Standard deviation and number of inputs of the initial weights of each layer."""
    mx.random.seed(0)
    weights = build_detector(model, 4, mx.cpu()).collect_params("(?!backbone).*weight")
    return {
        name.removesuffix("_weight"): (parameter.data().asnumpy().std(), parameter.data()[0].size)
        for name, parameter in weights.items()
    }


OUTPUT_LAYERS = {"rpn_cls_score", "rpn_bbox_pred", "cls_score", "bbox_pred"}


def test_initial_weights_have_the_chosen_deviation(model):
    published = dataclasses.replace(model, initial_weights="relation_networks", fc_units=1024)
    assert all(sigma == pytest.approx(0.01, rel=0.2) for sigma, _ in spreads(published).values())
    for name, (sigma, inputs) in spreads(dataclasses.replace(model, initial_weights="he")).items():
        if name.startswith("focused_attention"):
            expected = 0.01 * np.sqrt(1024 / inputs)  # as with 1,024 units
        else:
            expected = 0.01 if name in OUTPUT_LAYERS else np.sqrt(2 / inputs)
        assert sigma == pytest.approx(expected, rel=0.2)
