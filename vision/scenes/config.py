"""The config of one experiment on scenes (Table 5); each file of `configs/<preset>/<scenes>/` holds all of it."""

from dataclasses import dataclass
from typing import Literal

from data.common.files import read_yaml
from data.common.runs import RunFolder
from data.images import mit67
from data.images.scenes import Sample
from vision.config import (
    BackboneName,
    require_folder_name,
    require_known_backbone,
    require_positive,
    require_schedule,
)

# What stands beside F_s, by variant.
ROI_FEATURES = {
    "cnn": "none",
    "cnn-coco": "none",
    "cnn-rois": "features",
    "fan-unsup": "context",
    "fan-sup": "context",
}


@dataclass(frozen=True)
class SceneImagesConfig:
    """Which images there are and how large the network sees them.

    Args:
        train_per_class, test_per_class: how many images of each class are drawn from class folders, 0 for all; of
            MIT67, how many each class has on average. See `data.images.scenes.Sample`.
        short_side, long_side, flipped_copies: as in `vision.config.ImagesConfig`.
        train_images, test_images: how many each split must have in all; 0 for any number.
        sample_seed: which images are drawn.
    """

    train_per_class: int
    test_per_class: int
    short_side: int
    long_side: int
    flipped_copies: bool
    train_images: int = 0
    test_images: int = 0
    sample_seed: int = 0

    def __post_init__(self) -> None:
        require_positive(self, "short_side", "long_side")
        for name in ("train_per_class", "test_per_class", "train_images", "test_images", "sample_seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must not be negative")
        if self.long_side < self.short_side:
            raise ValueError(f"long_side is {self.long_side}; it must not be below short_side, {self.short_side}")

    @property
    def sample(self) -> Sample:
        """Which images of each class are used."""
        return Sample(self.train_per_class, self.test_per_class, self.sample_seed)


@dataclass(frozen=True)
class SceneModelConfig:
    """The network: what it is given, and what it adds.

    Args:
        backbone: the ResNet.
        pretrained: what is fixed from the start. Of cnn, weights of the backbone: "imagenet" or a `.params` file, as in
            `vision.config.ModelConfig`, or "none", random ones. Of all others, a detection run: "<data set>/<variant>",
            at the preset of this config.
        initial_weights: of the added convolution: "relation_networks" or "he", as in `vision.config.ModelConfig`.
        scene_channels: of that convolution, 1 × 1; size of F_s.
        roi_features: what of the ROIs stands beside F_s: "none", their "features" F, or their "context" F_c by FAN.
        over_rois: what makes one vector of those of all ROIs (the paper: max(F), and nothing of F_c).
        roi_layers: whether the layers that make F of conv5 and the ROIs (conv_new_1, fc_new_1, fc_new_2) are trained
            ("all other layers", appendix D.1) or fixed as well.
        pool1, stride_in: of the backbone of cnn, as in `vision.config.ModelConfig`; the others have those of their
            detection run.
    """

    backbone: BackboneName
    pretrained: str
    initial_weights: Literal["relation_networks", "he"]
    scene_channels: int
    roi_features: Literal["none", "features", "context"]
    over_rois: Literal["maximum", "mean"]
    roi_layers: Literal["trained", "fixed"]
    pool1: Literal["padded", "caffe"] = "padded"
    stride_in: Literal["1x1", "3x3"] = "1x1"

    def __post_init__(self) -> None:
        require_positive(self, "scene_channels")
        require_known_backbone(self)


@dataclass(frozen=True)
class SceneTrainingConfig:
    """The schedule: SGD with momentum, gradients summed over the images of a batch; as in `vision.config`."""

    epochs: int
    batch_size: int
    learning_rate: float
    decay_after: int
    momentum: float
    weight_decay: float

    def __post_init__(self) -> None:
        require_schedule(self)


@dataclass(frozen=True)
class SceneConfig:
    """One experiment; its runs are in `<preset>/<dataset>/<variant>/`.

    Args:
        preset: as in `vision.config.Config`.
        dataset: "mit67", or the name of a folder of the data root with class folders (see `data.images.scenes`).
    """

    preset: Literal["paper", "small", "mini"]
    dataset: str
    variant: Literal["cnn", "cnn-coco", "cnn-rois", "fan-unsup", "fan-sup"]
    images: SceneImagesConfig
    model: SceneModelConfig
    training: SceneTrainingConfig

    def __post_init__(self) -> None:
        require_folder_name(self, "dataset")
        for name in ("train_per_class", "test_per_class") if self.dataset == mit67.FOLDER else ():
            if not getattr(self.images, name):
                raise ValueError(f"images.{name} is 0; it must be above 0 for mit67, whose lists are fixed")
        expected = ROI_FEATURES[self.variant]
        if self.model.roi_features != expected:
            raise ValueError(
                f"model.roi_features is {self.model.roi_features} and variant {self.variant}; it must be {expected}"
            )
        if self.detector and (self.detector.count("/") != 1 or self.detector.endswith(".params")):
            raise ValueError(
                f"model.pretrained is {self.detector} and variant {self.variant}; it must name the data set and "
                "variant of a detection run, as minicoco/fan-sup"
            )

    @property
    def detector(self) -> str | None:
        """Data set and variant of the detection run whose weights are taken; None for cnn, which takes none."""
        return None if self.variant == "cnn" else self.model.pretrained


def is_on_scenes(run: RunFolder) -> bool:
    """Whether a run folder has a run of such a config, and not of `vision.config`."""
    if not run.config_path.exists():
        return False
    values = read_yaml(run.config_path, "config of a run", "remove the run folder and train again")
    model = values.get("model") if isinstance(values, dict) else None
    return isinstance(model, dict) and "roi_features" in model
