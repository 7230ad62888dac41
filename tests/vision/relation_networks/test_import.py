"""`vision.relation_networks import --out`, on a narrow network: complete, partial and damaged checkpoints."""

import dataclasses
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd

from data.common.config import read_config, write_config
from data.common.errors import UserError, run_command
from tests.vision.relation_networks.reference import made_up, make_narrow, save, with_test_copies
from vision.config import Config
from vision.relation_networks.__main__ import main
from vision.relation_networks.checkpoint import import_checkpoint, to_ours
from vision.relation_networks.layout import layout

PAPER_CONFIGS = Path(__file__).parents[3] / "vision" / "configs" / "paper"
PAPER = read_config(Config, PAPER_CONFIGS / "minicoco" / "rn.yaml")


@pytest.fixture
def narrow(monkeypatch):
    """The config of a detector with few channels, and a complete checkpoint for it with three classes."""
    make_narrow(monkeypatch, "resnet101", (3, 4, 23, 3), (1, 2, 3, 4))
    model = dataclasses.replace(PAPER.model, rpn_channels=5, roi_channels=2, fc_units=16)
    return model, with_test_copies(made_up({each.there: each.shape_there for each in layout(model, 3)}))


@pytest.fixture
def run_import(narrow, tmp_path):
    """Imports a checkpoint with these arrays and returns what was written."""

    def call(arrays, allow_missing=False):
        save(tmp_path / "theirs.params", arrays)
        out = tmp_path / "out" / "ours.params"
        import_checkpoint(tmp_path / "theirs.params", out, narrow[0], 3, allow_missing)
        return {name: array.asnumpy() for name, array in nd.load(str(out)).items()}

    return call


def fates(model, arrays):
    return {row.there or row.here: row.fate for row in to_ours(arrays, layout(model, 3))[1]}


def test_every_parameter_is_written_and_reported(narrow, run_import, capsys):
    model, arrays = narrow
    arrays["arg:fc1000_weight"] = np.zeros((10, 4), np.float32)
    written = run_import(arrays)
    *table, summary, _ = capsys.readouterr().out.splitlines()
    assert len(written) == 618 and len(table) == 1 + 618 + 3  # a header, all parameters, three that are not used
    assert "552 loaded, 66 set to 0, 3 not used" in summary
    found = fates(model, arrays)
    assert found["aux:bn4b22_branch2c_moving_var"] == "loaded"
    assert found["backbone.features.6.22.body.6.bias"] == "set to 0"
    assert found["arg:fc1000_weight"] == found["arg:bbox_pred_weight_test"] == "not used"
    np.testing.assert_array_equal(written["relation_1.linear_out.weight"], arrays["arg:linear_out_1_weight"][..., 0, 0])


def test_a_backbone_alone_needs_allow_missing(narrow, run_import, tmp_path):
    of_backbone = "arg:res", "arg:conv1", "arg:bn", "aux:bn"
    alone = {name: array for name, array in narrow[1].items() if name.startswith(of_backbone)}
    with pytest.raises(UserError, match=r"theirs.params: 32 of the network's 618 .* arg:rpn_conv_3x3_weight"):
        run_import(alone)
    assert not (tmp_path / "out").exists()
    written = run_import(alone, allow_missing=True)
    assert all(name.startswith("backbone.") for name in written) and len(written) == 586


@pytest.mark.parametrize(
    ("name", "change", "fate", "named"),
    [
        ("arg:query_1_weight", lambda array: None, "left at its initial value", "arg:query_1_weight"),
        ("arg:cls_score_weight", lambda array: np.zeros((21, 16), np.float32), "wrong shape", "arg:cls_score_weight"),
        ("arg:fc_new_2_weight", lambda array: array * np.float32(np.nan), "loaded", "fc_new_2.weight"),
    ],
    ids=["missing", "wrong shape", "not finite"],
)
def test_incomplete_or_diverged_checkpoints_are_refused(narrow, run_import, tmp_path, name, change, fate, named):
    model, arrays = narrow
    changed = change(arrays.pop(name))
    arrays |= {} if changed is None else {name: changed}
    assert fates(model, arrays)[name] == fate
    with pytest.raises(UserError, match=f"theirs.params: .*{named}"):
        run_import(arrays)
    assert not (tmp_path / "out").exists()


def test_boxes_fall_back_to_the_copy_for_test_time(narrow):
    model, arrays = narrow
    originals = ("arg:bbox_pred_weight", "arg:bbox_pred_bias")
    copies_only = {name: array for name, array in arrays.items() if name not in originals}
    ours, _ = to_ours(copies_only, layout(model, 3))
    np.testing.assert_allclose(ours["bbox_pred.weight"], arrays["arg:bbox_pred_weight"], rtol=1e-6)
    np.testing.assert_allclose(ours["bbox_pred.bias"], arrays["arg:bbox_pred_bias"], rtol=1e-6)
    wrong = copies_only | {"arg:bbox_pred_bias_test": np.zeros(324, np.float32)}
    assert fates(model, wrong)["arg:bbox_pred_bias_test"] == "wrong shape"


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["relation_networks", *map(str, arguments)])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    run_command(main)


def as_list(path):
    mx.nd.save(str(path), [nd.zeros(3)])


def with_our_names(path):
    save(path, {"backbone.features.0.weight": np.zeros((64, 3, 7, 7))})


@pytest.mark.parametrize(
    "write",
    [
        lambda path: None,
        lambda path: path.mkdir(),
        lambda path: path.write_bytes(path.with_name("whole.params").read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"<html>not found</html>"),
        as_list,
        with_our_names,
    ],
    ids=["missing", "folder", "truncated", "empty", "HTML", "no names", "our names"],
)
def test_other_files_get_one_line_and_exit_code_2(narrow, write, tmp_path, monkeypatch, capsys):
    save(tmp_path / "whole.params", narrow[1])
    path = tmp_path / "theirs.params"
    write(path)
    with pytest.raises(SystemExit) as ended:
        command(monkeypatch, "import", path, "--out", tmp_path / "ours.params")
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and line.startswith(f"error: {path}: ")
    assert not (tmp_path / "ours.params").exists()


def test_a_checkpoint_is_not_overwritten_by_its_import(narrow, tmp_path):
    path = tmp_path / "theirs.params"
    save(path, narrow[1])
    before = path.read_bytes()
    with pytest.raises(UserError, match="theirs.params: "):
        import_checkpoint(path, path, narrow[0], 3, allow_missing=False)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("dataset", "expected"), [("minicoco", "must be 81 x"), ("voc07", "must be 21 x"), ("own", "")]
)
def test_the_dataset_sets_the_number_of_classes(narrow, dataset, expected, tmp_path, monkeypatch, capsys):
    save(tmp_path / "theirs.params", narrow[1])
    config = PAPER_CONFIGS / dataset / "rn.yaml"
    if not expected:
        config = tmp_path / "own.yaml"
        config.write_text(write_config(dataclasses.replace(PAPER, dataset="own")))
    with pytest.raises(SystemExit) as ended:
        command(
            monkeypatch, "import", tmp_path / "theirs.params", "--config", config, "--out", tmp_path / "ours.params"
        )
    output = capsys.readouterr()
    assert ended.value.code == 2 and expected in output.out
    assert ("--classes" in output.err) and (expected or "own.yaml: " in output.err)
