"""`vision.relation_networks export`, and `import --runs`: runs to and from checkpoints of Relation Networks' code."""

import dataclasses
import sys
from pathlib import Path

import mxnet as mx
import pytest
from mxnet import nd

from data.common.config import read_config, write_config
from data.common.errors import UserError
from data.common.files import array_names
from data.common.runs import RunFolder
from data.images.datasets import read_images
from scripts.evaluate import evaluate_detection
from tests.vision.relation_networks.reference import assert_close, made_up, make_narrow, save, with_test_copies
from vision.config import Config
from vision.models.detector import Detector
from vision.parameters import write_parameters
from vision.prediction import write_test_set
from vision.relation_networks.__main__ import main
from vision.relation_networks.checkpoint import read_checkpoint, to_ours, to_theirs
from vision.relation_networks.layout import layout

PAPER = read_config(Config, Path(__file__).parents[3] / "vision" / "configs" / "paper" / "minicoco" / "rn.yaml")


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["relation_networks", *map(str, arguments)])
    main()


@pytest.fixture(params=["none", "fc_new_2", "both"])
def small(monkeypatch, request):
    """The config of a ResNet-50 with few channels, and a small head."""
    make_narrow(monkeypatch, "resnet50", (3, 4, 6, 3), (2, 4, 6, 8))
    sizes = {"rpn_channels": 5, "roi_channels": 4, "fc_units": 16, "d_k": 32, "rois": 10}
    return dataclasses.replace(
        PAPER.model, backbone="resnet50", pretrained="none", relation_modules=request.param, **sizes
    )


# --- export ---------------------------------------------------------------------------------------------------------


def finished_run(folder, model, variant=None):
    """A run folder with initial weights, and biases before BatchNorm as in GluonCV's weights."""
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


def test_export_and_import_keep_what_a_run_computes(small, tmp_path, monkeypatch):
    detector = finished_run(tmp_path / "seed0", small)
    command(monkeypatch, "export", tmp_path / "seed0", "--out", tmp_path / "theirs.params")
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
        assert_close(one, two)
    parameters = layout(small, 3)
    again = to_ours(to_theirs(ours, parameters), parameters)[0]  # Exact without biases before BatchNorm.
    assert all(again[name].tobytes() == array.tobytes() for name, array in ours.items())


def test_networks_without_counterpart_are_not_exported(small, tmp_path, monkeypatch):
    fan = dataclasses.replace(small, focused_attention=True, relation_modules="none")
    finished_run(tmp_path / "fan", fan, "fan-unsup")
    with pytest.raises(UserError, match="fan: focused_attention.key.weight "):
        command(monkeypatch, "export", tmp_path / "fan", "--out", tmp_path / "theirs.params")
    finished_run(tmp_path / "mini", dataclasses.replace(small, backbone="resnet10"))
    with pytest.raises(UserError, match="model.backbone resnet10"):
        command(monkeypatch, "export", tmp_path / "mini", "--out", tmp_path / "theirs.params")
    assert not (tmp_path / "theirs.params").exists()


# --- import as a run ------------------------------------------------------------------------------------------------


@pytest.fixture
def theirs(small, tiny, data, tmp_path):
    """A config of `small` for the folder of tiny images, and a complete checkpoint for its categories."""
    variant = "rn" if small.modules else "base"
    config = dataclasses.replace(PAPER, dataset="tiny", variant=variant, images=tiny.images, model=small)
    (tmp_path / "tiny.yaml").write_text(write_config(config))
    parameters = layout(small, len(read_images("tiny", data, "test").classes))
    arrays = with_test_copies(made_up({each.there: each.shape_there for each in parameters}))
    save(tmp_path / "theirs.params", arrays)
    return config, arrays


@pytest.fixture
def import_as_run(data, tmp_path, monkeypatch):
    """Runs the command with a checkpoint next to `tiny.yaml`."""

    def call(*arguments, name="theirs.params", data=data):
        settings = ("--config", tmp_path / "tiny.yaml", "--runs", tmp_path / "runs", "--data", data)
        command(monkeypatch, "import", tmp_path / name, *settings, *arguments)

    return call


def test_an_imported_run_predicts_and_is_evaluated(theirs, import_as_run, data, tmp_path, monkeypatch):
    config, arrays = theirs
    import_as_run()
    folder = tmp_path / "runs" / "paper" / "tiny" / config.variant / "seed0"
    write_test_set(folder, data, None, 0)
    assert 0 <= evaluate_detection(RunFolder(folder), data)["map"] <= 1
    assert ("pairs" in array_names(folder / "relations.npz", "file", "")) == (config.variant == "rn")
    assert read_config(Config, folder / "config.yaml").model.pool1 == "caffe"

    command(monkeypatch, "export", folder, "--out", tmp_path / "again.params")
    again = read_checkpoint(tmp_path / "again.params")
    assert {name: array.tobytes() for name, array in again.items()} == {
        name: array.tobytes() for name, array in arrays.items()
    }
    with pytest.raises(UserError, match="epoch-8.params: "):
        command(monkeypatch, "export", folder, "--out", folder / "checkpoints" / "epoch-8.params")


@pytest.mark.parametrize("small", ["none"], indirect=True)
def test_an_imported_run_is_not_overwritten(theirs, import_as_run, tmp_path):
    def files():
        return {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*") if path.name != ".lock"}

    import_as_run()
    before = files()
    import_as_run()
    save(tmp_path / "others.params", theirs[1])
    with pytest.raises(UserError, match="seed0: .*theirs.params.*others.params"):
        import_as_run(name="others.params")
    theirs[1]["arg:fc_new_2_bias"][0] = 5
    save(tmp_path / "theirs.params", theirs[1])
    with pytest.raises(UserError, match="seed0: .*theirs.params"):
        import_as_run()
    assert files() == before


@pytest.mark.parametrize(
    ("small", "name", "shape"),
    [
        ("none", "arg:linear_out_1_weight", (16, 16, 1, 1)),  # of a relation module that the config does not have
        ("fc_new_2", "arg:linear_out_1_weight", (16, 16, 1, 1)),
        ("both", "arg:res5a_branch2b_offset_weight", (72, 4, 3, 3)),  # of a deformable convolution
    ],
    indirect=["small"],
)
def test_a_larger_network_is_not_imported_as_a_run(theirs, import_as_run, tmp_path, name, shape):
    save(tmp_path / "theirs.params", theirs[1] | made_up({name: shape}))
    with pytest.raises(UserError, match=f"theirs.params: contains {name}"):
        import_as_run()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("small", ["both"], indirect=True)
def test_bad_input_is_refused_before_a_run_folder_is_made(theirs, import_as_run, tmp_path):
    config, arrays = theirs
    with pytest.raises(SystemExit) as ended:
        import_as_run("--allow-missing")
    assert ended.value.code == 2
    with pytest.raises(UserError, match="gone.params: "):
        import_as_run(name="gone.params", data=tmp_path)
    with pytest.raises(UserError, match="tiny: "):
        import_as_run(data=tmp_path)
    del arrays["arg:cls_score_weight"]
    save(tmp_path / "theirs.params", arrays)
    with pytest.raises(UserError, match="theirs.params: 1 of .*arg:cls_score_weight"):
        import_as_run()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("small", ["none"], indirect=True)
@pytest.mark.parametrize(
    ("variant", "model", "weight"),
    [
        ("fan-unsup", {"relation_modules": "none", "focused_attention": True}, 0),
        ("rn-sup", {"relation_modules": "both"}, 0.01),
    ],
)
def test_variants_they_do_not_train_are_not_imported_as_runs(theirs, import_as_run, tmp_path, variant, model, weight):
    config = dataclasses.replace(
        theirs[0],
        variant=variant,
        model=dataclasses.replace(theirs[0].model, **model),
        relation_loss=dataclasses.replace(theirs[0].relation_loss, weight=weight),
    )
    (tmp_path / "tiny.yaml").write_text(write_config(config))
    with pytest.raises(UserError, match=f"theirs.params: .*{variant}"):
        import_as_run()
    assert not (tmp_path / "runs").exists()
