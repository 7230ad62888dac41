import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

RECORD = {
    "command": "python -m language.train /home/someone/config.yaml --data /home/someone/datasets",
    "commit": "c0ffee",
    "versions": {"python": "3.11.9", "numpy": "1.23.5"},
    "device": "cpu",
    "machine": "2 cores of a test",
    "seconds": 90.0,
    "finished": "2024-05-06T07:08:09+00:00",
}


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a run folder below `tmp_path/runs`; its config is `config` and what its name says."""

    def make(name: str, metrics: dict | None = None, finished: bool = True, **config) -> Path:
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        preset, dataset, variant, _ = name.split("/")
        text = yaml.safe_dump({"preset": preset, "dataset": dataset, "variant": variant, **config})
        (folder / "config.yaml").write_text(text)
        if finished:
            (folder / "run.json").write_text(json.dumps(RECORD))
        if metrics is not None:
            (folder / "metrics.json").write_text(json.dumps(metrics))
        return folder

    return make
