"""The configs of Table 5, and invalid ones."""

import dataclasses
from pathlib import Path

import pytest

from data.common.config import read_config
from data.common.errors import UserError
from vision.config import Config
from vision.scenes.config import SceneConfig

FOLDER = Path(__file__).parents[3] / "vision" / "configs"
DATASETS = {"paper": ("mit67", "minicoco"), "small": ("scene15", "voc07"), "mini": ("mit67", "minicoco")}
PATHS = sorted(path for name in ("mit67", "scene15") for path in FOLDER.glob(f"*/{name}/*.yaml"))

# For each column of Table 5: the variant of its detector, and how it uses the ROIs.
COLUMNS = {
    "cnn": (None, "none"),
    "cnn-coco": ("base", "none"),
    "cnn-rois": ("base", "features"),
    "fan-unsup": ("fan-unsup", "context"),
    "fan-sup": ("fan-sup", "context"),
}


def read(path, *overrides):
    return read_config(SceneConfig, path, list(overrides))


def test_every_preset_has_a_config_for_each_column():
    assert {path.parts[-3:] for path in PATHS} == {
        (preset, scenes, f"{variant}.yaml") for preset, (scenes, _) in DATASETS.items() for variant in COLUMNS
    }


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(FOLDER)))
def test_columns_differ_only_in_weights_and_use_of_rois(path):
    config, supervised = read(path), read(path.with_name("fan-sup.yaml"))
    assert (config.preset, config.dataset, config.variant) == (*path.parts[-3:-1], path.stem)
    detector, roi_features = COLUMNS[config.variant]
    if detector:
        pretrained = f"{DATASETS[config.preset][1]}/{detector}"
    else:
        pretrained = "none" if config.preset == "mini" else "imagenet"
    pool1 = "caffe" if pretrained == "imagenet" else "padded"  # others use that of their detector
    model = dataclasses.replace(supervised.model, pretrained=pretrained, roi_features=roi_features, pool1=pool1)
    assert config == dataclasses.replace(supervised, variant=config.variant, model=model)
    assert config.detector == (None if config.variant == "cnn" else pretrained)


@pytest.mark.parametrize("preset", DATASETS)
def test_configs_fit_their_detectors(preset):
    scenes, detected = DATASETS[preset]
    config = read(FOLDER / preset / scenes / "fan-sup.yaml")
    for path in (FOLDER / preset / detected).iterdir():
        detector = read_config(Config, path)
        assert detector.model.backbone == config.model.backbone
        assert detector.model.initial_weights == config.model.initial_weights
        for name in ("short_side", "long_side", "flipped_copies"):
            assert getattr(detector.images, name) == getattr(config.images, name)


def test_preset_paper_has_the_papers_settings():
    config = read(FOLDER / "paper" / "mit67" / "fan-sup.yaml")
    assert (config.images.train_per_class, config.images.test_per_class) == (80, 20)
    training = config.training
    assert (training.epochs, training.batch_size, training.learning_rate, training.decay_after) == (8, 2, 5e-4, 5)
    assert training.momentum == 0.9
    assert config.model.over_rois == "maximum"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("cnn.yaml", "model.roi_features=features"),
        ("fan-sup.yaml", "model.roi_features=features"),
        ("fan-sup.yaml", "model.pretrained=imagenet"),
        ("cnn-coco.yaml", "model.pretrained=weights/resnet.params"),
        ("cnn.yaml", "model.backbone=resnet10"),
        ("fan-sup.yaml", "model.over_rois=sum"),
        ("fan-sup.yaml", "model.scene_channels=0"),
        ("fan-sup.yaml", "images.train_per_class=0"),
        ("fan-sup.yaml", "images.test_per_class=-1"),
        ("fan-sup.yaml", "images.train_images=-1"),
        ("fan-sup.yaml", "dataset=a/b"),
        ("fan-sup.yaml", "images.long_side=500"),
        ("fan-sup.yaml", "training.momentum=1.0"),
        ("fan-sup.yaml", "training.learning_rate=.nan"),
        ("fan-sup.yaml", "training.weight_decay=-0.1"),
    ],
)
def test_invalid_values_are_refused(name, change):
    with pytest.raises(UserError, match=change.partition("=")[0]):
        read(FOLDER / "paper" / "mit67" / name, change)
