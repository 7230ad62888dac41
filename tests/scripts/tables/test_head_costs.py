import dataclasses
import json
import math
import sys
from pathlib import Path

import mxnet as mx
import pytest

from data.common.config import read_config, write_config
from data.common.errors import run_command
from scripts.bench.head_costs import head_costs
from scripts.tables.head_costs import METRICS, main
from vision.config import Config
from vision.models.detector import Detector

CONFIGS = Path(__file__).parents[3] / "vision" / "configs"
BEFORE_THE_HEAD = ("backbone", "rpn", "conv_new_1")


def config_of(name: str, *overrides: str) -> Config:
    return read_config(Config, CONFIGS / f"{name}.yaml", list(overrides))


def counted_in_the_graph(config: Config, classes: int) -> tuple[int, int]:
    """Parameters and multiply-adds, from the shapes of the network's operators."""
    detector = Detector(config.model, classes)
    outputs = [each for each in detector(mx.sym.var("images"), mx.sym.var("sizes")) if each is not None]
    internals = mx.sym.Group(outputs).get_internals()
    _, found, _ = internals.infer_shape(images=(1, 3, 64, 96), sizes=(1, 2))
    shapes = dict(zip(internals.list_outputs(), found, strict=True))
    nodes = json.loads(internals.tojson())["nodes"]

    def shape_of(source: int, output: int, *_) -> tuple[int, ...]:
        name = nodes[source]["name"]
        return next(shapes[each] for each in (name, f"{name}_output", f"{name}_output{output}") if each in shapes)

    products = 0
    for number, node in enumerate(nodes):
        if node["op"] == "FullyConnected":
            products += math.prod(shape_of(number, 0)) * shape_of(*node["inputs"][1])[1]
        elif node["op"] == "batch_dot":
            products += math.prod(shape_of(number, 0)) * shape_of(*node["inputs"][0])[-1]
    parameters = [each for name, each in detector.collect_params().items() if not name.startswith(BEFORE_THE_HEAD)]
    return sum(math.prod(each.shape) for each in parameters), products


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("mini/voc07/base", []),
        ("mini/voc07/fan-sup", ["model.d_k=96"]),
        ("mini/voc07/fan-unsup-linear", []),
        ("mini/voc07/rn", []),
        ("mini/voc07/rn-sup", ["model.relation_modules=fc_new_1", "model.d_k=96"]),
        ("small/bccd/rn", []),
        ("paper/minicoco/base", ["model.backbone=resnet18", "model.pretrained=none"]),
        ("paper/minicoco/fan-sup", ["model.backbone=resnet18", "model.pretrained=none"]),
        ("paper/minicoco/rn", ["model.backbone=resnet18", "model.pretrained=none"]),
    ],
)
def test_costs_agree_with_the_operators_of_the_network(name, overrides):
    config = config_of(name, *overrides)
    assert head_costs(config.model, 7) == counted_in_the_graph(config, 7)


def test_a_relation_module_takes_1_2_billion_multiplications():
    both, none = (head_costs(config_of(f"paper/minicoco/{name}").model, 80) for name in ("rn", "base"))
    assert (both.multiply_adds - none.multiply_adds) / 2 == pytest.approx(1.2e9, rel=0.02)


@pytest.fixture
def runs(tmp_path):
    """Finished runs of tiny networks on tiny images."""

    def folder(variant: str) -> Path:
        config = config_of(f"mini/voc07/{variant}")
        images = dataclasses.replace(config.images, short_side=64, long_side=96)
        model = dataclasses.replace(config.model, rois=8, fc_units=16, rpn_channels=4, roi_channels=4, d_k=16)
        made = tmp_path / variant
        made.mkdir()
        (made / "config.yaml").write_text(write_config(dataclasses.replace(config, images=images, model=model)))
        (made / "classes.txt").write_text("cat\ndog")
        (made / "run.json").write_text("{}")
        (made / "metrics.json").write_text('{"map": 0.5}')
        return made

    return [folder(variant) for variant in ("base", "rn", "fan-sup")]


@pytest.fixture
def call(monkeypatch, capsys):
    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["head_costs", *map(str, arguments)])
        monkeypatch.setattr("signal.signal", lambda *_: None)
        try:
            run_command(main)
        except SystemExit as ended:
            return ended.code, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return run


def test_costs_are_added_to_the_metrics_and_measured_once(runs, call):
    code, printed, _ = call(*runs, "--rounds", 2)
    assert code == 0
    metrics = [json.loads((run / "metrics.json").read_text()) for run in runs]
    assert all(list(each) == ["map", *METRICS] for each in metrics)
    assert metrics[0]["step_ratio"] == 1 and all(each["step_ratio"] > 0 for each in metrics)
    parameters = [each["head_parameters"] for each in metrics]
    assert parameters[0] < min(parameters[1:]) and all(f"{each:,} parameters" in printed for each in parameters)

    assert call(*runs)[0] == 0
    assert [json.loads((run / "metrics.json").read_text()) for run in runs] == metrics
    (runs[1] / "metrics.json").unlink()
    assert call(*runs, "--rounds", 1)[0] == 0
    assert METRICS[-1] in json.loads((runs[1] / "metrics.json").read_text())


def test_runs_on_different_images_get_one_line(runs, call):
    path = runs[1] / "config.yaml"
    path.write_text(path.read_text().replace("short_side: 64", "short_side: 65"))
    code, _, error = call(*runs)
    assert code == 2 and error.startswith(f"error: {runs[1]}: ") and error.count("\n") == 1
    (runs[2] / "run.json").unlink()
    code, _, error = call(*runs)
    assert code == 2 and error.startswith(f"error: {runs[2]}: ")
