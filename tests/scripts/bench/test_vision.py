import sys

import mxnet as mx
import pytest

from scripts.bench import vision as bench_vision
from scripts.bench.vision import (
    compare_loading,
    compare_losses,
    compare_recall,
    compare_targets,
)
from vision.config import Config

CPU = [mx.cpu()]


@pytest.fixture
def config() -> Config:
    return bench_vision._config("mini", "fan-sup")


def test_compared_implementations_agree(monkeypatch):
    monkeypatch.setattr(bench_vision, "CALLS", 1)
    losses = list(compare_losses(mx.cpu()))
    assert [comparison.difference < 1e-6 for comparison in losses] == [True, True]
    for comparison in (*losses, *compare_targets(mx.cpu()), *compare_recall()):
        assert all(turn() > 0 for turn in comparison.turns.values())
        assert {name for pair in comparison.pairs for name in pair} == comparison.turns.keys()
    assert [comparison.difference for comparison in (*compare_targets(mx.cpu()), *compare_recall())] == [0, 0]


def test_loader_is_compared_with_a_training_step(tmp_path, monkeypatch, config, make_dataset):
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


def test_command_prints_ratios_of_the_chosen_comparisons(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench_vision", "--only", "d,c", "--rounds", "1"])
    bench_vision.main()
    printed = capsys.readouterr().out.splitlines()
    assert [line[:3] for line in printed if line[:1] in tuple("abcde") and line[1:3] == "  "] == ["d  ", "c  "]
    ratios = [line.partition(" = ")[2].split()[0] for line in printed if " : " in line]
    assert len(ratios) == 2 and all(float(ratio.replace(",", "")) > 1 for ratio in ratios)  # loops are slower


@pytest.mark.parametrize("options", [["--only", "a,f"], ["--rounds", "0"], ["--steps", "x"]])
def test_invalid_options_are_refused(monkeypatch, capsys, options):
    monkeypatch.setattr(sys, "argv", ["vision", *options])
    with pytest.raises(SystemExit) as exit:
        bench_vision.main()
    assert exit.value.code == 2 and options[0] in capsys.readouterr().err
