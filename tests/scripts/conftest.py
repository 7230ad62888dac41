import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from data.records import ImageDataset, ImageRecord

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


@pytest.fixture
def make_dataset() -> Callable[..., ImageDataset]:
    """Makes a data set of images without files; COCO calls its categories 3 and 5.

    Its argument gives the objects of each image id: (label, box) or (label, box, "difficult" or "crowd").
    """

    def record(name: str, objects: list[tuple]) -> ImageRecord:
        return ImageRecord(
            id=name,
            path=Path(f"{name}.jpg"),
            width=400,
            height=300,
            boxes=np.array([box for _, box, *_ in objects], np.float32).reshape(-1, 4),
            labels=np.array([label for label, *_ in objects], np.int64),
            difficult=np.array(["difficult" in mark for _, _, *mark in objects], bool),
            crowd=np.array(["crowd" in mark for _, _, *mark in objects], bool),
        )

    def make(images: dict[str, list[tuple]]) -> ImageDataset:
        return ImageDataset(("cat", "dog"), (3, 5), [record(name, objects) for name, objects in images.items()])

    return make
