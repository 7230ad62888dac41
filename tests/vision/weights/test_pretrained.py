"""Loading pretrained weights into a network, and refusing those that do not fit."""

import dataclasses
import json
import re

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd

from data.common.errors import UserError
from data.download.weights import WEIGHTS
from tests.weight_formats import FORMATS
from vision.models.backbone import CHANNELS
from vision.models.detector import build_detector
from vision.parameters import read_parameters, write_parameters
from vision.weights.files import convert_file
from vision.weights.layout import empty_backbone
from vision.weights.pretrained import find_weights, load_pretrained


@pytest.fixture
def converted(tmp_path, narrow):
    """Converts a network of a format and returns the file."""

    def convert(name):
        FORMATS[name](tmp_path / "source")
        convert_file(tmp_path / "source", "resnet50", tmp_path / "out.params")
        return tmp_path / "out.params"

    return convert


def initialized(*arguments):
    backbone = empty_backbone("resnet50", *arguments)
    backbone.initialize()
    return backbone


KINDS = {"detectron": ("caffe", "1x1"), "pth": ("padded", "3x3"), "gluoncv": ("padded", "1x1")}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("name", KINDS)
def test_weights_load_only_into_a_network_of_their_kind(converted, name, kind):
    weights, backbone = converted(name), initialized(*kind)
    if kind == KINDS[name]:
        load_pretrained(backbone, weights)
        return
    before = backbone.layers[0].weight.data().asnumpy()
    with pytest.raises(UserError, match=rf"{weights}: .*set model\.(pool1|stride_in)="):
        load_pretrained(backbone, weights)
    np.testing.assert_array_equal(backbone.layers[0].weight.data().asnumpy(), before)


def test_the_stride_is_checked_without_the_json(converted):
    weights = converted("pth")
    weights.with_suffix(".json").unlink()
    with pytest.raises(UserError, match="model.stride_in=3x3"):
        load_pretrained(initialized("padded", "1x1"), weights)


def test_a_checkpoint_fits_only_its_own_stride(config, narrow, tmp_path, monkeypatch):
    """Of a run, without its config and JSON: as a checkpoint and as pretrained weights."""
    monkeypatch.setitem(CHANNELS, "resnet50", (32, 48))
    model = dataclasses.replace(config.model, backbone="resnet50")
    detectors = {
        kind: build_detector(dataclasses.replace(model, stride_in=kind), 4, mx.cpu()) for kind in ("1x1", "3x3")
    }
    for kind, other in (("1x1", "3x3"), ("3x3", "1x1")):
        path = tmp_path / f"epoch-{kind[0]}.params"
        detectors[kind].save_parameters(str(path))
        with pytest.raises(AssertionError):
            detectors[other].load_parameters(str(path))
        with pytest.raises(UserError, match=f"model.stride_in={kind}"):
            load_pretrained(detectors[other], path)
        load_pretrained(detectors[kind], path)


def test_gluoncvs_own_file_is_converted_when_loaded(converted, tmp_path):
    weights = converted("gluoncv")
    one, two = initialized("padded"), initialized("padded")
    load_pretrained(one, weights)
    load_pretrained(two, tmp_path / "source")
    image = nd.random.uniform(-120, 130, (1, 3, 32, 32))
    for first, second in zip(one(image), two(image), strict=True):
        assert (first == second).asnumpy().all()


@pytest.mark.parametrize("change", ["missing", "wrong shape", "NaN"])
def test_a_changed_file_is_refused(converted, change):
    weights = converted("detectron")
    arrays = {name: array.asnumpy() for name, array in read_parameters(weights).items()}
    name = "backbone.features.6.1.body.3.weight"
    array = arrays.pop(name)
    if change != "missing":
        arrays[name] = array[1:] if change == "wrong shape" else np.full_like(array, np.nan)
    write_parameters(weights, arrays)
    with pytest.raises(UserError, match=f"{weights}: .*{re.escape(name)}"):
        load_pretrained(initialized("caffe"), weights)


def test_a_missing_or_damaged_file_is_refused(tmp_path, narrow):
    (tmp_path / "cut.params").write_bytes(b"cut")
    for path in (tmp_path / "gone.params", tmp_path / "cut.params", tmp_path):
        with pytest.raises(UserError, match=str(path)):
            load_pretrained(initialized(), path)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_json_is_refused(converted, text):
    weights = converted("detectron")
    weights.with_suffix(".json").write_text(text)
    with pytest.raises(UserError, match="out.json: "):
        load_pretrained(initialized("caffe"), weights)


def test_imagenet_means_the_file_in_the_data_folder(config, tmp_path):
    model = dataclasses.replace(config.model, backbone="resnet50_thin", pretrained="imagenet", pool1="caffe")
    command = rf"scripts/get_data.sh imagenet-resnet50-thin --data {tmp_path}$"
    with pytest.raises(UserError, match=command):
        find_weights(model, tmp_path)
    path = tmp_path / "imagenet" / "resnet50_thin.params"
    path.parent.mkdir()
    path.write_bytes(b"")
    assert find_weights(model, tmp_path) == dataclasses.replace(model, pretrained=str(path))
    for other in ("none", "mine.params"):
        assert find_weights(dataclasses.replace(model, pretrained=other), tmp_path).pretrained == other


def test_every_published_backbone_can_be_downloaded():
    assert {each.backbone for each in WEIGHTS} == CHANNELS.keys() - {"resnet10"}


def test_the_json_records_the_source(converted):
    found = json.loads(converted("pth").with_suffix(".json").read_text())
    assert (found["pool1"], found["stride_in"], found["source"]) == ("padded", "3x3", "source")
    assert len(found["sha256"]) == 64 and found["licence"] and found["trained_on"]
    fates = {row["there"]: row["fate"] for row in found["parameters"]}
    assert fates["conv1.weight"] == "folded"
    assert fates["layer1.0.conv1.weight"] == "loaded"
    assert fates["fc.weight"] == "not used"
