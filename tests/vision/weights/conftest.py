import functools
import sys

import pytest
from gluoncv.model_zoo.resnet import BottleneckV1, ResNetV1

from data.common.errors import run_command
from tests.weight_formats import BLOCKS, CHANNELS
from vision.models import backbone
from vision.weights.__main__ import main


@pytest.fixture
def narrow(monkeypatch):
    """Every backbone is a small ResNet of bottlenecks."""
    make = functools.partial(ResNetV1, BottleneckV1, BLOCKS, CHANNELS)
    monkeypatch.setattr(backbone, "_network", lambda name, **settings: make(**settings))


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys, narrow):
    """Converts `source` in `tmp_path`, which must fail with one line and write nothing; returns the line."""

    def convert() -> str:
        path = tmp_path / "source"
        before = sorted(tmp_path.rglob("*"))
        arguments = ["weights", str(path), "--backbone", "resnet50", "--out", str(tmp_path / "out" / "out.params")]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as stopped:
            run_command(main)
        output = capsys.readouterr()
        assert (stopped.value.code, output.out, output.err.count("\n")) == (2, "", 1)
        assert output.err.startswith(f"error: {path}: ")
        assert sorted(tmp_path.rglob("*")) == before
        return output.err

    return convert
