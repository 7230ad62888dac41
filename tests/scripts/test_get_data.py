import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.resnet_reference import random_network
from tests.shell_scripts import assert_one_line_error
from tests.weight_files import write_onnx

SCRIPT = Path(__file__).parents[2] / "scripts" / "get_data.sh"


@pytest.fixture
def get_data(tmp_path):
    """Calls the script from `tmp_path`."""
    if not (SCRIPT.parents[1] / ".venv").exists():
        pytest.skip("needs the environment of scripts/setup.sh")

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
        environment = {**os.environ, **environment}
        return subprocess.run([SCRIPT, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True)

    return call


def test_paths_are_relative_to_the_callers_folder(get_data, tmp_path):
    (tmp_path / "20news.tar.gz").write_text("no archive")
    for options, environment in ((["--data", "sets"], {}), ([], {"FAN_DATA": "sets"})):
        done = get_data("20news", *options, "--archive", "20news.tar.gz", **environment)
        assert done.returncode == 2
        assert f"error: {tmp_path}/20news.tar.gz: " in done.stderr
        assert [path.name for path in (tmp_path / "sets").iterdir()] == ["downloads"]


def test_weights_are_converted_and_bad_files_are_removed(get_data, tmp_path):
    images = {"bgr": True, "means": (104.0, 117.0, 123.0), "stds": (1.0, 1.0, 1.0)}
    write_onnx(tmp_path / "mine.onnx", random_network((3, 4, 6, 3), (64, 128, 256, 512, 1024), **images))
    (tmp_path / "bad.onnx").write_text("no weights")
    command = ("imagenet-resnet50-thin", "--data", "sets", "--archive")
    assert get_data(*command, "bad.onnx").returncode == 2
    assert not list((tmp_path / "sets" / "imagenet" / "source").iterdir())

    assert get_data(*command, "mine.onnx").returncode == 0
    folder = tmp_path / "sets" / "imagenet"
    assert json.loads((folder / "resnet50_thin.json").read_text())["source"] == "mine.onnx"
    before = (folder / "resnet50_thin.params").stat()
    assert get_data(*command[:3]).returncode == 0
    assert (folder / "resnet50_thin.params").stat() == before


@pytest.mark.parametrize("option", ["--data", "--archive"])
def test_empty_paths_are_refused(get_data, option):
    done = get_data("20news", option, "")
    assert_one_line_error(done, option)
