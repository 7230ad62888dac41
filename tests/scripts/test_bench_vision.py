import sys

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd

from scripts import bench_vision
from scripts.bench_vision import (
    Comparison,
    compare_loading,
    compare_losses,
    compare_recall,
    compare_targets,
    described,
    made_up_batch,
    unchanging_learner,
    write_random_weights,
)
from vision.backbone import Backbone, load_imagenet_weights
from vision.config import Config
from vision.train import train_step

CPU = [mx.cpu()]


@pytest.fixture
def config() -> Config:
    return bench_vision._config("mini", "fan-sup")


def test_numbers_stand_above_their_ratios():
    comparison = Comparison("two loops", "ms", {}, [("slow", "quick")], difference=0.0002)
    text = described(comparison, {"quick": [1.0, 2.0, 4.0], "slow": [3.0, 8.0, 10.0]})
    assert text.splitlines() == [
        "two loops",
        "  quick 2.00 (1.00 to 4.00) ms",
        "  slow  8.00 (3.00 to 10.00) ms",
        "  slow : quick = 3.000 (2.500 to 4.000)",
        "  largest difference of their values: 0.0002",
    ]


def test_the_pieces_compute_what_they_replace(monkeypatch):
    monkeypatch.setattr(bench_vision, "CALLS", 1)
    losses = list(compare_losses(mx.cpu()))
    assert [comparison.difference < 1e-6 for comparison in losses] == [True, True]
    for comparison in (*losses, *compare_targets(mx.cpu()), *compare_recall()):
        assert all(turn() > 0 for turn in comparison.turns.values())
        assert {name for pair in comparison.pairs for name in pair} == comparison.turns.keys()
    assert [comparison.difference for comparison in (*compare_targets(mx.cpu()), *compare_recall())] == [0, 0]


def test_a_step_leaves_the_weights_as_they_are(config):
    learner = unchanging_learner(config, 20, CPU)
    batch = made_up_batch(config)
    assert batch.images.shape == (2, 3, config.images.short_side, config.images.long_side)
    parameters = [parameter for parameter in learner.detector.collect_params().values() if parameter.grad_req != "null"]
    before = [parameter.data().asnumpy() for parameter in parameters]
    [losses] = train_step(learner, batch)
    assert np.isfinite(losses.loss.asnumpy()).all()
    assert any(parameter.grad().asnumpy().any() for parameter in parameters)
    for old, parameter in zip(before, parameters, strict=True):
        np.testing.assert_array_equal(old, parameter.data().asnumpy())


def test_random_weights_freeze_the_backbone_and_keep_values_in_bounds(tmp_path):
    write_random_weights(tmp_path / "random.params", "resnet18")
    backbone = Backbone("resnet18", frozen_norm=True)
    backbone.initialize()
    backbone(nd.zeros((1, 3, 32, 32)))
    load_imagenet_weights(backbone, "resnet18", str(tmp_path / "random.params"))
    images = nd.random.uniform(-120, 130, (1, 3, 96, 128))
    for values in backbone(images):
        assert 0.01 < values.asnumpy().std() < 100


def test_the_loader_is_measured_against_a_step_on_what_it_loads(tmp_path, monkeypatch, config, make_dataset):
    from PIL import Image

    dataset = make_dataset({f"{tmp_path}/{name}": [(0, [10, 10, 90, 90]), (1, [50, 50, 200, 150])] for name in "ab"})
    for record in dataset.records:
        Image.new("RGB", (record.width, record.height)).save(record.path)
    asked = []
    monkeypatch.setattr(bench_vision, "read_images", lambda *arguments: asked.append(arguments) or dataset)
    [comparison] = compare_loading("mini", tmp_path, None, None, CPU, steps=1)
    assert asked == [("voc07", tmp_path / "mini", "trainval")]
    assert list(comparison.turns) == ["training step", *(f"loader, {workers} workers" for workers in (0, 1, 2))]
    assert all(turn() > 0 for turn in comparison.turns.values())
    assert all(base == "training step" for _, base in comparison.pairs)


def test_only_what_is_asked_for_is_measured(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench_vision", "--only", "d,c", "--rounds", "1"])
    bench_vision.main()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("--preset mini; median of 1 turns (range)")
    assert [line[:3] for line in printed if line[:1] in tuple("abcde") and line[1:3] == "  "] == ["d  ", "c  "]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "a,f"], "'f' is none of a, b, c, d, e"),
        (["--rounds", "0"], "0 is no whole number from 1"),
        (["--steps", "x"], "x is no whole number from 1"),
    ],
)
def test_options_that_mean_nothing_are_refused(monkeypatch, capsys, options, message):
    monkeypatch.setattr(sys, "argv", ["bench_vision", *options])
    with pytest.raises(SystemExit):
        bench_vision.main()
    assert message in capsys.readouterr().err
