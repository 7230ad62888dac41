import dataclasses
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd
from PIL import Image

from data.common.config import read_config
from data.common.errors import UserError
from scripts.bench.prove_full_size import (
    full_batch,
    iterations,
    prove,
    require_fall,
    require_shapes,
)
from vision.config import Config
from vision.engine import make_learner
from vision.models.detector import build_detector

CONFIGS = Path(__file__).parents[3] / "vision" / "configs"


def read(preset: str, dataset: str, variant: str, *overrides: str) -> Config:
    return read_config(Config, CONFIGS / preset / dataset / f"{variant}.yaml", list(overrides))


@pytest.mark.parametrize(("variant", "parameters"), [("fan-sup", 18), ("fan-sup-linear", 19)])
def test_shapes_of_the_paper_s_networks(variant, parameters):
    config = read("paper", "minicoco", variant, "model.pretrained=none")
    detector = build_detector(config.model, 80, mx.cpu())
    assert require_shapes(detector, 80).startswith(f"shapes: {parameters} parameters of the heads and 104 convolutions")
    with pytest.raises(UserError, match=r"cls_score_bias \(81,\), not \(21,\)"):
        require_shapes(detector, 20)


@pytest.mark.parametrize(("relation_modules", "parameters"), [("fc_new_2", 24), ("both", 32)])
def test_shapes_of_relation_modules(relation_modules, parameters):
    overrides = ("model.pretrained=none", f"model.relation_modules={relation_modules}")
    detector = build_detector(read("paper", "minicoco", "rn", *overrides).model, 80, mx.cpu())
    assert require_shapes(detector, 80).startswith(f"shapes: {parameters} parameters of the heads and 104 convolutions")


def test_the_loss_must_fall_from_the_first_to_the_last_third():
    assert "from 6.5 to 1.5" in require_fall([4, 9, 2, 3, 1, 2])
    with pytest.raises(UserError, match="2, then 3; .*--iterations"):
        require_fall([2, 1, 3])
    assert require_fall([2])


@pytest.fixture
def dataset(tmp_path, make_dataset):
    """`a` has one category; in `b`, `c` and `d` a second one covers more and more; `d` is a portrait."""
    second = {"a": None, "b": 20, "c": 60, "d": 90}
    sizes = {"a": (200, 120), "b": (180, 144), "c": (170, 120), "d": (120, 190)}
    objects = {
        name: [(0, [10, 10, 109, 109])] + ([(1, [20, 20, 20 + side, 20 + side])] if side else [])
        for name, side in second.items()
    }
    whole = make_dataset(objects)
    records = []
    for record in whole.records:
        width, height = sizes[record.id]
        path = tmp_path / f"{record.id}.jpg"
        Image.new("RGB", (width, height)).save(path)
        records.append(dataclasses.replace(record, path=path, width=width, height=height))
    return dataclasses.replace(whole, records=records)


def test_batches_have_landscapes_with_large_related_objects(dataset):
    config = read("mini", "voc07", "fan-sup", "images.short_side=128", "images.long_side=160")
    ids, batch = full_batch(dataset, config, classes=20)
    assert ids == ["c", "b"]
    assert batch.images.shape == (2, 3, 128, 160)
    assert batch.sizes.asnumpy().tolist() == [[113, 160], [128, 160]]
    assert not batch.images[0, :, 113:].asnumpy().any()


def test_excess_categories_share_labels(dataset):
    config = read("mini", "voc07", "fan-sup")
    records = [dataclasses.replace(record, labels=record.labels + 3) for record in dataset.records]
    _, batch = full_batch(dataclasses.replace(dataset, records=records), config, classes=2)
    assert batch.labels.asnumpy().tolist() == [[1, 0], [1, 0]]


def annotate(dataset, relations):
    """The dataset with annotated relations by image id, empty for other images."""
    records = [
        dataclasses.replace(record, relations=np.array(relations.get(record.id, [])).reshape(-1, 2).astype(int))
        for record in dataset.records
    ]
    return dataclasses.replace(dataset, records=records)


def test_annotated_relations_are_used(dataset):
    config = read("mini", "visual_genome", "fan-sup-gt", "images.short_side=128", "images.long_side=160")
    annotated = annotate(dataset, {"a": [], "b": [[0, 1]], "c": [[1, 0]], "d": [[1, 0]]})
    ids, batch = full_batch(annotated, config, classes=150)
    assert ids == ["c", "b"]
    assert batch.relations.asnumpy().tolist() == [[[1, 0]], [[0, 1]]]
    mx.random.seed(0)
    (losses,) = iterations(make_learner(config, 150, [mx.cpu()]), batch, 1)
    assert np.isfinite(losses["relation_loss"])
    with pytest.raises(UserError, match=r"\(annotated\)"):
        full_batch(annotate(dataset, {"b": [[0, 1]], "d": [[1, 0]]}), config, classes=150)


def test_missing_annotations_are_refused(dataset):
    config = read("mini", "visual_genome", "fan-sup-gt")
    with pytest.raises(UserError, match="^visual_genome: "):
        prove(config, dataset, [mx.cpu()], 1)


def test_iterations_stop_at_a_loss_that_is_not_finite(dataset):
    config = read("mini", "voc07", "fan-sup")
    mx.random.seed(0)
    learner = make_learner(config, 20, [mx.cpu()])
    _, batch = full_batch(dataset, config, classes=20)
    done = list(iterations(learner, batch, 2))
    assert len(done) == 2
    assert {"seconds", "loss", "rpn_boxes", "classification", "relation_loss", "center_mass"} <= done[0].keys()
    assert done[0]["loss"] != done[1]["loss"]
    learner.detector.cls_score.bias.set_data(nd.full(21, np.nan))
    with pytest.raises(UserError, match="^iteration 1: "):
        list(iterations(learner, batch, 1))
