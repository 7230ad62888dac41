import os
import subprocess
from pathlib import Path

import pytest

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


def test_paths_are_meant_from_where_the_script_is_called(get_data, tmp_path):
    (tmp_path / "20news.tar.gz").write_text("no archive")
    for options, environment in ((["--data", "sets"], {}), ([], {"FAN_DATA": "sets"})):
        done = get_data("20news", *options, "--archive", "20news.tar.gz", **environment)
        assert done.returncode == 2
        assert f"error: {tmp_path}/20news.tar.gz: damaged, or no tar or zip archive" in done.stderr
        assert [path.name for path in (tmp_path / "sets").iterdir()] == ["downloads"]


@pytest.mark.parametrize("option", ["--data", "--archive"])
def test_an_empty_folder_is_refused(get_data, option):
    done = get_data("20news", option, "")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {option}: lacks its value\n")
