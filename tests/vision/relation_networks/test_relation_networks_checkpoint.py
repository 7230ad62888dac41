"""A made-up checkpoint with every name and shape of the authors' code: there and back, and what is said of bad ones."""

import dataclasses
import functools
import sys
import zlib
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from gluoncv.model_zoo.resnet import BottleneckV1, ResNetV1
from mxnet import nd

from data.common.config import read_config, write_config
from data.common.errors import UserError, run_command
from data.common.files import array_names
from data.common.runs import RunFolder
from data.images.datasets import read_images
from scripts.evaluate import evaluate_detection
from vision.config import Config
from vision.models import backbone
from vision.models import relation_module as relation_networks
from vision.models.detector import Detector
from vision.prediction import write_test_set
from vision.relation_networks import layout as relation_networks_layout
from vision.relation_networks.checkpoint import (
    import_checkpoint,
    read_checkpoint,
    to_ours,
    to_theirs,
    write_parameters,
)
from vision.relation_networks.layout import layout
from vision.weights.report import table

PAPER_CONFIGS = Path(__file__).parents[3] / "vision" / "configs" / "paper"
PAPER = read_config(Config, PAPER_CONFIGS / "minicoco" / "rn.yaml")
BLOCKS = {
    2: ["a", "b", "c"],
    3: ["a", "b1", "b2", "b3"],
    4: ["a", *(f"b{number}" for number in range(1, 23))],
    5: ["a", "b", "c"],
}
STDS = np.array([0.1, 0.1, 0.2, 0.2] * 2, np.float32)
BOTH = (1, 2)


def backbone_shapes():
    """Names and shapes of the Caffe converter's ResNet-101."""
    shapes = {"arg:conv1_weight": (64, 3, 7, 7)} | norm_shapes("bn_conv1", 64)
    inputs = 64
    for stage, letters in BLOCKS.items():
        width = 2 ** (stage + 4)
        for letter in letters:
            branches = {"2a": (width, inputs, 1, 1), "2b": (width, width, 3, 3), "2c": (4 * width, width, 1, 1)}
            if letter == "a":
                branches["1"] = (4 * width, inputs, 1, 1)
            for branch, shape in branches.items():
                shapes[f"arg:res{stage}{letter}_branch{branch}_weight"] = shape
                shapes |= norm_shapes(f"bn{stage}{letter}_branch{branch}", shape[0])
            inputs = 4 * width
    return shapes


def norm_shapes(name, channels):
    names = [f"arg:{name}_gamma", f"arg:{name}_beta", f"aux:{name}_moving_mean", f"aux:{name}_moving_var"]
    return dict.fromkeys(names, (channels,))


def head_shapes():
    """Those of the table in the paper's reference, with both relation modules and the copies for tests."""
    layers = {
        "rpn_conv_3x3": (512, 1024, 3, 3),
        "rpn_cls_score": (24, 512, 1, 1),
        "rpn_bbox_pred": (48, 512, 1, 1),
        "conv_new_1": (256, 2048, 1, 1),
        "fc_new_1": (1024, 12544),
        "fc_new_2": (1024, 1024),
        "cls_score": (81, 1024),
        "bbox_pred": (8, 1024),
    }
    for k in BOTH:
        layers |= {f"pair_pos_fc1_{k}": (16, 64), f"query_{k}": (1024, 1024), f"key_{k}": (1024, 1024)}
        layers |= {f"linear_out_{k}": (1024, 1024, 1, 1)}
    weights = {f"arg:{name}_weight": shape for name, shape in layers.items()}
    return weights | {f"arg:{name}_bias": shape[:1] for name, shape in layers.items()}


def made_up(shapes):
    """Arrays of these shapes that keep the values of a network in bounds."""
    pool = np.random.default_rng(0).standard_normal(1_000_003, np.float32)
    return {name: _made_up(name, shape, np.roll(pool, zlib.crc32(name.encode()))) for name, shape in shapes.items()}


def _made_up(name, shape, noise):
    values = np.resize(noise, shape)
    if name.endswith("moving_var") or name.endswith("gamma"):
        return (np.abs(values) / 4 + 0.5) * (0.3 if "2c_gamma" in name else 1)
    if name.endswith("weight"):
        inputs = np.prod(shape[1:])
        # So small that something is left of the anchors it moves.
        size = 1e-6 if name.startswith("arg:rpn_bbox") else 0.1 if name.startswith(("arg:rpn", "arg:bbox")) else 2
        return values * np.float32(np.sqrt(size / inputs))
    return values / 10


def with_test_copies(arrays):
    """As their callback writes them after each epoch."""
    weight, bias = arrays["arg:bbox_pred_weight"], arrays["arg:bbox_pred_bias"]
    copies = {"arg:bbox_pred_weight_test": (weight.T * STDS).T, "arg:bbox_pred_bias_test": bias * STDS + np.float32(0)}
    return arrays | copies


@pytest.fixture(scope="module")
def original():
    """The arrays of a whole detector."""
    return with_test_copies(made_up(backbone_shapes() | head_shapes()))


@pytest.fixture(scope="module")
def converted(original):
    """Our arrays, and what became of each."""
    return to_ours(original, layout(PAPER.model, 80))


# --- whole checkpoints of the published size ------------------------------------------------------------------------


def test_every_parameter_is_loaded_and_the_way_back_is_exact_to_the_bit(original, converted):
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


def test_the_names_and_shapes_here_are_those_of_the_detector_with_two_modules(converted):
    detector = Detector(PAPER.model, 80)
    symbol = mx.sym.Group([each for each in detector(mx.sym.var("images"), mx.sym.var("sizes")) if each is not None])
    arguments, _, states = symbol.infer_shape(images=(1, 3, 64, 96), sizes=(1, 2))
    shapes = dict(zip(symbol.list_arguments() + symbol.list_auxiliary_states(), arguments + states, strict=True))
    expected = {name: shapes[each.name] for name, each in detector._collect_params_with_prefix().items()}
    assert {name: array.shape for name, array in converted[0].items()} == expected


def norm(arrays, name, data):
    names = (f"arg:{name}_gamma", f"arg:{name}_beta", f"aux:{name}_moving_mean", f"aux:{name}_moving_var")
    return nd.BatchNorm(data, *(arrays[each] for each in names), eps=1e-5, use_global_stats=True, fix_gamma=False)


def convolve(arrays, branch, data, **settings):
    """A convolution without a bias, and its BatchNorm."""
    weight = arrays[f"arg:res{branch}_weight"]
    made = nd.Convolution(data, weight, num_filter=len(weight), kernel=weight.shape[2:], no_bias=True, **settings)
    return norm(arrays, f"bn{branch}", made)


def layer(arrays, name, data, **settings):
    weight, bias = (arrays[f"arg:{name}_{kind}"] for kind in ("weight", "bias"))
    if weight.ndim == 2:
        return nd.FullyConnected(data, weight, bias, num_hidden=len(weight))
    return nd.Convolution(data, weight, bias, num_filter=len(weight), kernel=weight.shape[2:], **settings)


def caffe_backbone(arrays, images):
    """conv4 and conv5 of the Caffe network with these arrays, layer by layer as its definition has them."""
    made = nd.Convolution(images, arrays["arg:conv1_weight"], None, num_filter=64, kernel=(7, 7), stride=(2, 2),
                          pad=(3, 3), no_bias=True)  # fmt: skip
    made = nd.relu(norm(arrays, "bn_conv1", made))
    made = nd.Pooling(made, kernel=(3, 3), stride=(2, 2), pool_type="max", pooling_convention="full")
    for stage, letters in BLOCKS.items():
        for letter in letters:
            stride = (2, 2) if letter == "a" and stage in (3, 4) else (1, 1)
            apart = (2, 2) if stage == 5 else (1, 1)
            name = f"{stage}{letter}_branch"
            shortcut = convolve(arrays, f"{name}1", made, stride=stride) if letter == "a" else made
            inner = nd.relu(convolve(arrays, f"{name}2a", made, stride=stride))
            inner = nd.relu(convolve(arrays, f"{name}2b", inner, pad=apart, dilate=apart))
            made = nd.relu(shortcut + convolve(arrays, f"{name}2c", inner))
        if stage == 4:
            conv4 = made
    return conv4, made


def attend(arrays, k, features, rois):
    """The relation module on features [N, 1024] and rois [N, 4], with the operators and in the order of their code."""
    x1, y1, x2, y2 = nd.split(rois, num_outputs=4, axis=1)
    width, height, x, y = x2 - x1 + 1, y2 - y1 + 1, (x1 + x2) / 2, (y1 + y2) / 2
    relative = [
        nd.log(nd.maximum(nd.abs(nd.broadcast_div(nd.broadcast_sub(each, each.T), side)), 1e-3))
        for each, side in ((x, width), (y, height))
    ] + [nd.log(nd.broadcast_div(side, side.T)) for side in (width, height)]
    position = nd.stack(*relative, axis=2).expand_dims(3) * 100  # [N, N, 4, 1]
    angles = nd.broadcast_div(position, nd.power(1000, nd.arange(8) / 8).reshape((1, 1, 1, 8)))
    embedding = nd.concat(nd.sin(angles), nd.cos(angles), dim=3).reshape((-1, 64))
    count = len(rois)
    geometry = nd.relu(layer(arrays, f"pair_pos_fc1_{k}", embedding)).reshape((count, count, 16)).transpose((0, 2, 1))
    query, key = (
        layer(arrays, f"{name}_{k}", features).reshape((count, 16, 64)).transpose((1, 0, 2))
        for name in ("query", "key")
    )
    products = nd.batch_dot(query, key, transpose_b=True).transpose((1, 0, 2)) / 8
    attention = nd.softmax(nd.log(nd.maximum(geometry, 1e-6)) + products, axis=2)
    sums = nd.dot(attention.reshape((-3, 0)), features).reshape((count, 16 * 1024, 1, 1))
    return layer(arrays, f"linear_out_{k}", sums, num_group=16).reshape((0, 0))


def close(actual, expected, tolerance=1e-4):
    actual, expected = actual.asnumpy(), expected.asnumpy()
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


def test_the_detector_computes_what_the_original_does_with_the_same_weights(original, converted, tmp_path):
    arrays = {name: nd.array(array) for name, array in original.items()}
    write_parameters(tmp_path / "ours.params", converted[0])
    detector = Detector(dataclasses.replace(PAPER.model, pool1="caffe", rois=16), 80)
    detector.load_parameters(str(tmp_path / "ours.params"))
    images = nd.array(np.random.default_rng(0).normal(0, 50, (1, 3, 64, 96)))
    sizes = nd.array([[64, 96]])
    expected4, expected5 = caffe_backbone(arrays, images)
    conv4, conv5 = detector.backbone(images)
    assert conv4.shape == (1, 1024, 4, 6) and conv5.shape == (1, 2048, 4, 6)
    close(conv4, expected4)
    close(conv5, expected5)

    output = detector(images, sizes)
    shared = nd.relu(layer(arrays, "rpn_conv_3x3", expected4, pad=(1, 1)))
    scores, deltas = layer(arrays, "rpn_cls_score", shared), layer(arrays, "rpn_bbox_pred", shared)
    scores = scores.reshape((0, 2, -1, 0)).reshape((0, 2, 12, 4, 6))  # Their softmax is over the second axis.
    close(output.rpn_logits, scores.transpose((0, 3, 4, 2, 1)))
    deltas = deltas.transpose((0, 2, 3, 1)).reshape((1, 4, 6, 12, 4))  # As they reshape them for the anchors.
    close(output.rpn_deltas, deltas)

    rois = output.rois[0]
    sides = (rois[:, 2:] - rois[:, :2] + 1).asnumpy()
    assert output.mask.asnumpy().all() and sides.min() > 1  # Theirs are no numbers where nothing is left of a box.
    pooled = nd.ROIPooling(nd.relu(layer(arrays, "conv_new_1", expected5)), nd.concat(nd.zeros((16, 1)), rois, dim=1),
                           (7, 7), 1 / 16)  # fmt: skip
    features = pooled
    for k in BOTH:
        features = layer(arrays, f"fc_new_{k}", features)
        features = nd.relu(features + attend(arrays, k, features, rois))
    close(output.logits[0], layer(arrays, "cls_score", features), tolerance=2e-3)  # Their sines are float32's.
    close(output.deltas[0], layer(arrays, "bbox_pred", features)[:, 4:], tolerance=2e-3)


# --- parts of checkpoints, and bad ones -----------------------------------------------------------------------------


@pytest.fixture
def narrow(monkeypatch):
    """The config of a detector with few channels, and a whole checkpoint for it."""
    monkeypatch.setattr(relation_networks_layout, "WIDTHS", (1, 2, 3, 4))
    model = dataclasses.replace(PAPER.model, rpn_channels=5, roi_channels=2, fc_units=16)
    parameters = layout(model, 3)
    return model, with_test_copies(made_up({each.there: each.shape_there for each in parameters}))


def convert(narrow, arrays):
    rows = to_ours(arrays, layout(narrow[0], 3))[1]
    return {row.there: row for row in rows}


def run_import(narrow, arrays, tmp_path, allow_missing=False):
    """Imports a checkpoint of these arrays and returns what was written."""
    mx.nd.save(str(tmp_path / "theirs.params"), {name: nd.array(array) for name, array in arrays.items()})
    out = tmp_path / "out" / "ours.params"
    import_checkpoint(tmp_path / "theirs.params", out, narrow[0], 3, allow_missing)
    return {name: array.asnumpy() for name, array in mx.nd.load(str(out)).items()}


def test_the_command_says_of_every_parameter_what_became_of_it(narrow, tmp_path, capsys):
    model, arrays = narrow
    arrays["arg:fc1000_weight"] = np.zeros((10, 4), np.float32)
    written = run_import(narrow, arrays, tmp_path)
    *table, summary, last = capsys.readouterr().out.splitlines()
    for line in (
        "arg:res4b22_branch2c_weight backbone.features.6.22.body.6.weight loaded",
        "aux:bn4b22_branch2c_moving_var backbone.features.6.22.body.7.running_var loaded",
        "- backbone.features.6.22.body.6.bias set to 0: their backbone has no such bias",
        "arg:linear_out_2_weight relation_2.linear_out.weight loaded",
        "arg:fc1000_weight - not used: the network has no such parameter",
        "arg:bbox_pred_weight_test - not used: the same times the standard deviations of boxes",
    ):
        name, here, fate = line.split(" ", 2)
        (found,) = [row for row in table if row.split()[0] == name and here in row.split()]
        assert found.endswith(fate)
    assert len(table) == 1 + len(written) + 3
    assert "theirs.params: 552 loaded, 66 set to 0, 3 not used (" in summary
    out = tmp_path / "out" / "ours.params"
    assert last == f"{out}: 618 parameters; to train from them: --set model.pretrained={out} --set model.pool1=caffe"
    np.testing.assert_array_equal(written["relation_1.linear_out.weight"], arrays["arg:linear_out_1_weight"][..., 0, 0])


def test_a_backbone_alone_is_refused_unless_told_otherwise(narrow, tmp_path, capsys):
    of_backbone = "arg:res", "arg:conv1", "arg:bn", "aux:bn"
    alone = {name: array for name, array in narrow[1].items() if name.startswith(of_backbone)}
    refused = (
        r"theirs.params: of the 618 parameters of the network 32 are missing or of wrong shape, first "
        r"arg:rpn_conv_3x3_weight \(not in the file\); give a whole one of this network"
    )
    with pytest.raises(UserError, match=refused):
        run_import(narrow, alone, tmp_path)
    assert not (tmp_path / "out").exists()
    written = run_import(narrow, alone, tmp_path, allow_missing=True)
    assert all(name.startswith("backbone.") for name in written) and len(written) == 586
    assert "520 loaded, 66 set to 0, 32 left at its initial value" in capsys.readouterr().out


def test_a_renamed_parameter_is_missing_under_one_name_and_not_used_under_the_other(narrow, tmp_path, capsys):
    arrays = dict(narrow[1])
    arrays["arg:query_one_weight"] = arrays.pop("arg:query_1_weight")
    with pytest.raises(UserError, match=r"network 1 are missing or of wrong shape, first arg:query_1_weight"):
        run_import(narrow, arrays, tmp_path)
    table = capsys.readouterr().out
    assert "relation_1.query.weight" in table and "left at its initial value: not in the file" in table
    assert "not used: the network has no such parameter" in table


def test_a_parameter_of_another_shape_is_named_with_both(narrow, tmp_path):
    arrays = narrow[1] | {"arg:cls_score_weight": np.zeros((21, 16), np.float32)}
    with pytest.raises(UserError, match=r"first arg:cls_score_weight \(must be 4 x 16\)"):
        run_import(narrow, arrays, tmp_path)
    rows = convert(narrow, arrays)
    assert rows["arg:cls_score_weight"].shape == (21, 16) and rows["arg:cls_score_weight"].fate == "wrong shape"
    assert "cls_score.weight" not in run_import(narrow, arrays, tmp_path, allow_missing=True)


def test_weights_that_are_not_finite_are_refused(narrow, tmp_path):
    narrow[1]["arg:fc_new_2_weight"][3, 5] = np.nan
    with pytest.raises(UserError, match="theirs.params: not all numbers of fc_new_2.weight are finite"):
        run_import(narrow, narrow[1], tmp_path)
    assert not (tmp_path / "out").exists()


def test_boxes_of_the_test_network_are_taken_where_there_are_no_others(narrow):
    model, arrays = narrow
    for_tests = {
        name: array for name, array in arrays.items() if name not in ("arg:bbox_pred_weight", "arg:bbox_pred_bias")
    }
    ours, rows = to_ours(for_tests, layout(model, 3))
    fates = {row.there: (row.fate, row.remark) for row in rows}
    assert fates["arg:bbox_pred_bias_test"] == ("loaded", "divided by the standard deviations of boxes")
    np.testing.assert_allclose(ours["bbox_pred.weight"], arrays["arg:bbox_pred_weight"], rtol=1e-6)
    np.testing.assert_allclose(ours["bbox_pred.bias"], arrays["arg:bbox_pred_bias"], rtol=1e-6)
    wrong = for_tests | {"arg:bbox_pred_bias_test": np.zeros(324, np.float32)}
    assert convert(narrow, wrong)["arg:bbox_pred_bias_test"].fate == "wrong shape"


def test_a_table_names_everything(narrow):
    rows = to_ours(narrow[1], layout(narrow[0], 3))[1]
    lines = table(rows).splitlines()
    assert len(lines) == 1 + len(rows)
    assert len({line.index("loaded") for line in lines[1:] if line.endswith("loaded")}) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda whole: whole[: len(whole) // 2], r"damaged, or no checkpoint of MXNet \(.+\); fetch or copy it again"),
        (lambda whole: whole[:-1], r"damaged, or no checkpoint of MXNet \(.+\); fetch or copy it again"),
        (lambda whole: b"", r"damaged, or no checkpoint of MXNet \(.+\); fetch or copy it again"),
        (lambda whole: b"<html>not found</html>", r"damaged, or no checkpoint of MXNet \(.+\); fetch or copy it again"),
        (lambda whole: whole.replace(b"arg:conv1_weight", b"the:conv1_weight"), "calls a parameter the:conv1_weight"),
    ],
)
def test_a_file_that_is_no_checkpoint_gets_one_line_and_exit_code_2(
    narrow, content, said, tmp_path, monkeypatch, capsys
):
    path = tmp_path / "theirs.params"
    mx.nd.save(str(path), {name: nd.array(array) for name, array in narrow[1].items()})
    path.write_bytes(content(path.read_bytes()))
    command = ["relation_networks", "import", str(path), "--out", str(tmp_path / "ours.params")]
    with pytest.raises(SystemExit) as ended, monkeypatch.context() as patch:
        patch.setattr(sys, "argv", command)
        patch.setattr("signal.signal", lambda *_: None)
        run_command(relation_networks.main)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {path}: ")
    with pytest.raises(UserError, match=said):
        read_checkpoint(path)
    assert not (tmp_path / "ours.params").exists()


def test_files_without_names_or_of_this_project_or_absent_are_refused(narrow, tmp_path):
    mx.nd.save(str(tmp_path / "list.params"), [nd.zeros(3)])
    with pytest.raises(UserError, match="list.params: holds no named parameters, where Relation Networks' are arg:"):
        read_checkpoint(tmp_path / "list.params")
    ours, _ = to_ours(narrow[1], layout(narrow[0], 3))
    write_parameters(tmp_path / "ours.params", ours)
    with pytest.raises(UserError, match=r"ours.params: calls a parameter backbone\.features"):
        read_checkpoint(tmp_path / "ours.params")
    for path in (tmp_path / "gone.params", tmp_path):
        with pytest.raises(UserError, match="no such checkpoint; give the .params file"):
            read_checkpoint(path)


def test_a_backbone_that_their_code_has_not_is_refused():
    with pytest.raises(UserError, match="model.backbone resnet18: Relation Networks' code has no such network; give"):
        layout(dataclasses.replace(PAPER.model, backbone="resnet18"), 80)


# --- export ---------------------------------------------------------------------------------------------------------


def finished_run(folder, model, variant=None):
    """A run folder with initial weights, and biases before BatchNorm as GluonCV's weights have them."""
    config = dataclasses.replace(PAPER, model=model, variant=variant or ("rn" if model.modules else "base"))
    detector = Detector(model, 3)
    mx.random.seed(0)
    detector.initialize(mx.init.MSRAPrelu(factor_type="in", slope=0))
    detector(nd.zeros((1, 3, 32, 32)), nd.array([[32, 32]]))
    for name, parameter in detector._collect_params_with_prefix().items():
        if name.endswith(("bias", "running_mean")):
            parameter.set_data(nd.random.normal(0, 0.1, parameter.shape))
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text(write_config(config))
    (folder / "classes.txt").write_text("cat\ndog\ncow")
    (folder / "run.json").write_text("{}")
    detector.save_parameters(str(folder / "checkpoints" / "epoch-1.params"))
    return detector


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["relation_networks", *map(str, arguments)])
    relation_networks.main()


@pytest.fixture(params=["none", "fc_new_2", "both"])
def small(monkeypatch, request):
    """The config of a ResNet-50 with few channels, and a small head."""
    outputs = [4 * width for width in (2, 4, 6, 8)]
    made = functools.partial(ResNetV1, BottleneckV1, [3, 4, 6, 3], [64, *outputs])
    monkeypatch.setattr(backbone, "get_model", lambda name, **kwargs: made(**kwargs))
    monkeypatch.setitem(backbone.CHANNELS, "resnet50", tuple(outputs[2:]))
    monkeypatch.setattr(relation_networks_layout, "WIDTHS", (2, 4, 6, 8))
    sizes = {"rpn_channels": 5, "roi_channels": 4, "fc_units": 16, "d_k": 32, "rois": 10}
    return dataclasses.replace(
        PAPER.model, backbone="resnet50", pretrained="none", relation_modules=request.param, **sizes
    )


def test_a_run_goes_there_and_back_and_computes_the_same(small, tmp_path, monkeypatch, capsys):
    detector = finished_run(tmp_path / "seed0", small)
    command(monkeypatch, "export", tmp_path / "seed0", "--out", tmp_path / "theirs.params")
    assert "32 biases, which their backbone has not, were taken off the running means" in capsys.readouterr().out
    ours, rows = to_ours(read_checkpoint(tmp_path / "theirs.params"), layout(small, 3))
    assert {row.fate for row in rows} == {"loaded", "set to 0", "not used"}
    for name, parameter in detector._collect_params_with_prefix().items():
        if not name.endswith(("body.0.bias", "body.6.bias", "body.1.running_mean", "body.7.running_mean")):
            assert ours[name].tobytes() == parameter.data().asnumpy().tobytes(), name

    write_parameters(tmp_path / "ours.params", ours)
    other = Detector(small, 3)
    other.load_parameters(str(tmp_path / "ours.params"))
    images = nd.random.normal(0, 50, (1, 3, 64, 64))
    for one, two in zip(detector.backbone(images), other.backbone(images), strict=True):
        close(one, two)
    parameters = layout(small, 3)
    again = to_ours(to_theirs(ours, parameters), parameters)[0]  # Without such biases it is exact.
    assert all(again[name].tobytes() == array.tobytes() for name, array in ours.items())


def test_networks_that_their_code_has_not_are_not_exported(small, tmp_path, monkeypatch):
    fan = dataclasses.replace(small, focused_attention=True, relation_modules="none")
    finished_run(tmp_path / "fan", fan, "fan-unsup")
    with pytest.raises(UserError, match="fan: Relation Networks' code has nothing like focused_attention.key.weight"):
        command(monkeypatch, "export", tmp_path / "fan", "--out", tmp_path / "theirs.params")
    finished_run(tmp_path / "mini", dataclasses.replace(small, backbone="resnet10"))
    with pytest.raises(UserError, match="model.backbone resnet10: Relation Networks' code has no such network"):
        command(monkeypatch, "export", tmp_path / "mini", "--out", tmp_path / "theirs.params")
    assert not (tmp_path / "theirs.params").exists()


# --- import as a run ------------------------------------------------------------------------------------------------


@pytest.fixture
def theirs(small, tiny, data, tmp_path):
    """A config of `small` for the folder of tiny images, and a whole checkpoint of theirs for its categories."""
    variant = "rn" if small.modules else "base"
    config = dataclasses.replace(PAPER, dataset="tiny", variant=variant, images=tiny.images, model=small)
    (tmp_path / "tiny.yaml").write_text(write_config(config))
    parameters = layout(small, len(read_images("tiny", data, "test").classes))
    arrays = with_test_copies(made_up({each.there: each.shape_there for each in parameters}))
    save(tmp_path / "theirs.params", arrays)
    return config, arrays


def save(path, arrays):
    mx.nd.save(str(path), {name: nd.array(array) for name, array in arrays.items()})


@pytest.fixture
def import_as_run(data, tmp_path, monkeypatch):
    """Calls the command with a checkpoint beside `tiny.yaml`."""

    def call(*arguments, name="theirs.params", data=data):
        settings = ("--config", tmp_path / "tiny.yaml", "--runs", tmp_path / "runs", "--data", data)
        command(monkeypatch, "import", tmp_path / name, *settings, *arguments)

    return call


def test_a_whole_detector_can_be_a_run_that_predicts_and_is_evaluated(
    theirs, import_as_run, data, tmp_path, monkeypatch, capsys
):
    config, arrays = theirs
    import_as_run()
    folder = tmp_path / "runs" / "paper" / "tiny" / config.variant / "seed0"
    assert f"{folder}: a finished run of" in capsys.readouterr().out
    write_test_set(folder, data, None, 0)
    assert 0 <= evaluate_detection(RunFolder(folder), data)["map"] <= 1
    assert ("pairs" in array_names(folder / "relations.npz", "file", "")) == (config.variant == "rn")
    assert read_config(Config, folder / "config.yaml").model.pool1 == "caffe"

    command(monkeypatch, "export", folder, "--out", tmp_path / "again.params")
    again = read_checkpoint(tmp_path / "again.params")
    assert {name: array.tobytes() for name, array in again.items()} == {
        name: array.tobytes() for name, array in arrays.items()
    }
    with pytest.raises(UserError, match="epoch-8.params: is where the run keeps its own weights; give another --out"):
        command(monkeypatch, "export", folder, "--out", folder / "checkpoints" / "epoch-8.params")


def test_a_run_that_was_imported_stays_what_it_is(theirs, import_as_run, tmp_path):
    import_as_run()
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*") if path.name != ".lock"}
    import_as_run()
    save(tmp_path / "others.params", theirs[1])
    with pytest.raises(UserError, match="holds a run of another config .*theirs.params, here: .*others.params"):
        import_as_run(name="others.params")
    theirs[1]["arg:fc_new_2_bias"][0] = 5
    save(tmp_path / "theirs.params", theirs[1])
    with pytest.raises(UserError, match="seed0: holds what .*theirs.params was before; give another --runs folder"):
        import_as_run()
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*") if path.name != ".lock"}


@pytest.mark.parametrize(
    "more",
    [
        {"arg:linear_out_1_weight": (16, 16, 1, 1)},  # of relation modules, where the config has none
        {"arg:res5a_branch2b_offset_weight": (72, 4, 3, 3)},  # of deformable convolutions, where all else is the same
    ],
)
def test_a_checkpoint_of_a_larger_network_is_no_run(theirs, import_as_run, tmp_path, more):
    config, arrays = theirs
    more = {name: shape for name, shape in more.items() if name not in arrays}
    save(tmp_path / "theirs.params", arrays | made_up(more))
    if not more:
        return import_as_run()
    with pytest.raises(UserError, match=f"theirs.params: holds {next(iter(more))}, which the network of this --config"):
        import_as_run()
    assert not (tmp_path / "runs").exists()


def test_what_cannot_be_a_run_is_refused_before_its_folder_is_made(theirs, import_as_run, tmp_path, capsys):
    config, arrays = theirs
    with pytest.raises(SystemExit):
        import_as_run("--allow-missing")
    assert "--runs takes a whole detector of its data set" in capsys.readouterr().err
    with pytest.raises(UserError, match="gone.params: no such checkpoint"):
        import_as_run(name="gone.params", data=tmp_path)
    with pytest.raises(UserError, match="tiny: no such folder; name a folder in VOC"):
        import_as_run(data=tmp_path)
    del arrays["arg:cls_score_weight"]
    save(tmp_path / "theirs.params", arrays)
    with pytest.raises(UserError, match=r"1 are missing or of wrong shape, first arg:cls_score_weight \(not in the"):
        import_as_run()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("variant", "model", "weight"),
    [
        ("fan-unsup", {"relation_modules": "none", "focused_attention": True}, 0),
        ("rn-sup", {"relation_modules": "both"}, 0.01),
    ],
)
def test_variants_that_their_code_does_not_train_are_no_runs(theirs, import_as_run, tmp_path, variant, model, weight):
    config = dataclasses.replace(
        theirs[0],
        variant=variant,
        model=dataclasses.replace(theirs[0].model, **model),
        relation_loss=dataclasses.replace(theirs[0].relation_loss, weight=weight),
    )
    (tmp_path / "tiny.yaml").write_text(write_config(config))
    with pytest.raises(UserError, match=f"holds no network of variant {variant}, which their code does not train"):
        import_as_run()
    assert not (tmp_path / "runs").exists()


def test_a_checkpoint_is_not_replaced_by_its_import(narrow, tmp_path):
    model, arrays = narrow
    path = tmp_path / "theirs.params"
    save(path, arrays)
    before = path.read_bytes()
    with pytest.raises(UserError, match="theirs.params: would replace the checkpoint itself; give another --out"):
        import_checkpoint(path, path, model, 3, allow_missing=False)
    assert path.read_bytes() == before


def test_the_number_of_categories_is_that_of_the_data_set_where_it_is_known(narrow, tmp_path, monkeypatch, capsys):
    save(tmp_path / "theirs.params", narrow[1])
    for name, classes in (("minicoco", 80), ("voc07", 20)):
        with pytest.raises(UserError, match="of the 618 parameters"):
            arguments = ("--config", PAPER_CONFIGS / name / "rn.yaml", "--out", tmp_path / "ours.params")
            command(monkeypatch, "import", tmp_path / "theirs.params", *arguments)
        assert f"wrong shape: must be {classes + 1}" in capsys.readouterr().out
    (tmp_path / "own.yaml").write_text(write_config(dataclasses.replace(PAPER, dataset="own")))
    with pytest.raises(UserError, match="own.yaml: its data set may have any number of categories; give --classes"):
        arguments = ("--config", tmp_path / "own.yaml", "--out", tmp_path / "ours.params")
        command(monkeypatch, "import", tmp_path / "theirs.params", *arguments)
