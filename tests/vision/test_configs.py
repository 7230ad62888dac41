"""The configs: complete, consistent, and different only in what their names say."""

import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from data.common.config import read_config, write_config
from data.common.errors import UserError
from data.common.runs import RunFolder
from data.images.subset import list_folder
from vision.config import Config

FOLDER = Path(__file__).parents[2] / "vision" / "configs"
SCENES = {"mit67", "scene15"}  # not for detection
PATHS = sorted(path for path in FOLDER.glob("*/*/*.yaml") if path.parts[-2] not in SCENES)

# Table 3's r = 2 is fan-sup, its r = 0 is Table 1's matrix supervision without the focal term.
TABLE_1 = {"fan-unsup", "fan-sup-row", "fan-sup-mat", "fan-sup"}
TABLE_3 = {"fan-sup-smooth-l1", "fan-sup-l2", "fan-sup-mat", "fan-sup-r1", "fan-sup", "fan-sup-r3", "fan-sup-r4"}
TABLE_2 = {"base", "fan-unsup", "fan-sup", "fan-sup-gt"}
TABLES_4_AND_9 = {"base", "fan-unsup", "fan-sup"}
TABLE_7 = {"fan-sup-different-instance", "fan-sup"}
RELATION_NETWORKS = {"rn", "rn-sup"}
LINEAR = {"fan-unsup-linear", "fan-sup-linear"}
COMPARED = {"base", "fan-unsup", "fan-sup"} | RELATION_NETWORKS | LINEAR

# What each variant changes in the relation loss of fan-sup.
CHANGES = {
    "fan-sup": {},
    "fan-sup-row": {"mode": "row", "gamma": 0},
    "fan-sup-mat": {"gamma": 0},
    "fan-sup-r1": {"gamma": 1},
    "fan-sup-r3": {"gamma": 3},
    "fan-sup-r4": {"gamma": 4},
    "fan-sup-l2": {"penalty": "l2"},
    "fan-sup-smooth-l1": {"penalty": "smooth_l1"},
    "fan-sup-different-instance": {"rule": "different_instance"},
    "fan-unsup": {"weight": 0},
    "fan-sup-gt": {"rule": "annotated"},
    "base": {"weight": 0},
    "rn": {"weight": 0},
    "rn-sup": {},
    "fan-unsup-linear": {"weight": 0},
    "fan-sup-linear": {},
}

# With annotated relations, center-mass without supervision is measured on these.
ANNOTATED_CHANGES = CHANGES | {"fan-unsup": {"weight": 0, "rule": "annotated"}}


def read(path):
    return read_config(Config, path)


def test_every_experiment_of_the_tables_has_its_config():
    tables = {
        "voc07": TABLE_1 | TABLE_3 | TABLES_4_AND_9 | TABLE_7 | COMPARED,
        "minicoco": TABLES_4_AND_9 | COMPARED,
        "visual_genome": TABLE_2,
    }
    expected = {"paper": tables, "mini": tables, "small": {"bccd": TABLE_1 | COMPARED, "voc07": tables["voc07"]}}
    for preset, datasets in expected.items():
        names: dict[str, set[str]] = {}
        for path in PATHS:
            if path.parts[-3] == preset:
                names.setdefault(path.parts[-2], set()).add(path.stem)
        assert names == datasets


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(FOLDER)))
def test_the_path_of_a_config_is_that_of_its_runs(path):
    config = read(path)
    assert (config.preset, config.dataset, config.variant) == (*path.parts[-3:-1], path.stem)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(FOLDER)))
def test_variants_differ_only_in_what_their_names_say(path):
    config, supervised = read(path), read(path.with_name("fan-sup.yaml"))
    changes = ANNOTATED_CHANGES if config.dataset == "visual_genome" else CHANGES
    attention = {
        "focused_attention": config.variant not in {"base", *RELATION_NETWORKS},
        "relation_modules": "both" if config.variant in RELATION_NETWORKS else "none",
        "linear_out": config.variant in LINEAR,
    }
    expected = dataclasses.replace(
        supervised,
        variant=config.variant,
        model=dataclasses.replace(supervised.model, **attention),
        relation_loss=dataclasses.replace(supervised.relation_loss, **changes[config.variant]),
    )
    assert config == expected


@pytest.mark.parametrize(
    "path",
    [path for path in PATHS if path.parts[-2] == "minicoco" or path.parts[-2:] == ("visual_genome", "fan-sup.yaml")],
    ids=lambda path: str(path.relative_to(FOLDER)),
)
def test_datasets_of_a_preset_differ_only_in_their_images(path):
    config, voc07 = read(path), read(path.parents[1] / "voc07" / path.name)
    images = dataclasses.replace(
        voc07.images,
        **{
            name: getattr(config.images, f"{name}")
            for name in ("train_split", "train_images", "test_split", "test_images")
        },
    )
    assert config == dataclasses.replace(voc07, dataset=config.dataset, images=images)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_run_stores_its_config_unchanged(path):
    assert write_config(read(path)) == path.read_text()


def published_configs():
    """The configs of published runs from before relation modules."""
    for path in (Path(__file__).parents[2] / "results").glob("*/table[1-4]*.runs.jsonl"):
        for line in path.read_text().splitlines():
            run = json.loads(line)
            if "relation_modules" not in run["config"]["model"]:
                yield "/".join((run["preset"], run["dataset"], run["variant"])), run["config"]


@pytest.mark.parametrize(("name", "config"), dict(published_configs()).items())
def test_older_published_runs_still_match_their_configs(name, config, tmp_path):
    folder = tmp_path / name / "seed0"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (folder / "run.json").write_text("{}")
    assert RunFolder.claim(tmp_path, read(FOLDER / f"{name}.yaml"), seed=0).finished
    kept = read(folder / "config.yaml").model
    assert (kept.relation_modules, kept.linear_out, kept.pool1) == ("none", False, "padded")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("base.yaml", "model.focused_attention=true"),
        ("base.yaml", "model.relation_modules=both"),
        ("base.yaml", "model.linear_out=true"),
        ("fan-sup.yaml", "model.linear_out=true"),
        ("fan-sup-linear.yaml", "model.linear_out=false"),
        ("base.yaml", "model.pool1=none"),
        ("rn.yaml", "model.relation_modules=none"),
        ("rn.yaml", "relation_loss.weight=0.01"),
        ("rn-sup.yaml", "relation_loss.weight=0"),
        ("fan-sup.yaml", "model.relation_modules=both"),
        ("rn.yaml", "model.fc_units=1000"),
        ("rn.yaml", "model.d_k=100"),
        ("base.yaml", "relation_loss.weight=0.01"),
        ("fan-sup.yaml", "model.focused_attention=false"),
        ("fan-sup.yaml", "relation_loss.weight=0"),
        ("fan-sup.yaml", "relation_loss.gamma=.nan"),
        ("fan-sup.yaml", "relation_loss.rule=annotated"),
        ("fan-sup.yaml", "relation_loss.rule=nearby"),
        ("fan-sup.yaml", "images.long_side=500"),
        ("fan-sup.yaml", "images.train_images=0"),
        ("fan-sup.yaml", "images.id_lists=[voc07_small]"),
        ("fan-sup.yaml", "images.categories=[car, cat, car]"),
        ("fan-sup.yaml", "model.rois=0"),
        ("fan-sup.yaml", "model.backbone=resnet152"),
        ("fan-sup.yaml", "model.backbone=resnet10"),
        ("fan-sup.yaml", "training.learning_rate=.nan"),
        ("fan-sup.yaml", "training.momentum=1.0"),
        ("fan-sup.yaml", "training.weight_decay=-0.1"),
        ("fan-sup.yaml", "detection.score_threshold=1.0"),
        ("fan-sup.yaml", "dataset=../voc07"),
        ("fan-sup.yaml", "variant=fan-sup/mine"),
        ("fan-sup.yaml", "variant=.."),
        ("fan-sup.yaml", "variant=base"),
    ],
)
def test_contradictions_and_invalid_values_are_rejected(name, change):
    with pytest.raises(UserError, match=change.partition("=")[0]):
        read_config(Config, FOLDER / "paper" / "voc07" / name, [change])


def test_a_variant_may_have_any_name_that_says_what_it_trains():
    path = FOLDER / "paper" / "visual_genome" / "fan-sup-gt.yaml"
    assert read(path).relation_loss.rule == "annotated"
    assert read_config(Config, path, ["variant=fan-sup-mine-gt"]).variant == "fan-sup-mine-gt"
    for changes in (["relation_loss.rule=different_category"], ["variant=fan-sup-mine"]):
        with pytest.raises(UserError, match=f"{path}.*relation_loss.rule"):
            read_config(Config, path, changes)


SMALL = FOLDER / "small" / "voc07" / "fan-sup.yaml"


def test_the_small_preset_expects_all_images_of_its_lists():
    images = read(SMALL).images
    for split, count in ((images.train_split, images.train_images), (images.test_split, images.test_images)):
        folder = list_folder(images.subset, split)
        assert len((folder / f"{split}.txt").read_text().split()) == count


def test_the_paper_preset_has_the_papers_sizes():
    genome = read(FOLDER / "paper" / "visual_genome" / "fan-sup-gt.yaml").images
    assert (genome.train_images, genome.test_images) == (75_651, 32_422)
    config = read(FOLDER / "paper" / "voc07" / "fan-sup.yaml")
    assert (config.images.train_images, config.images.test_images) == (5011, 4952)
    assert (config.images.short_side, config.images.long_side) == (600, 1000)
    model = config.model
    assert (model.backbone, model.pretrained, model.rois, model.fc_units, model.d_k) == (
        "resnet101",
        "imagenet",
        300,
        1024,
        1024,
    )
    training = config.training
    assert (training.epochs, training.batch_size, training.learning_rate, training.decay_after) == (8, 2, 5e-4, 5)
    assert (training.momentum, training.weight_decay, training.ohem_rois) == (0.9, 5e-4, 128)
    loss = config.relation_loss
    assert (loss.weight, loss.rule, loss.mode, loss.penalty, loss.gamma) == (
        0.01,
        "different_category",
        "matrix",
        "focal",
        2.0,
    )
    detection = config.detection
    assert (detection.score_threshold, detection.soft_nms_sigma, detection.most) == (1e-3, 0.6, 100)
