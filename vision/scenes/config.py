"""The config of an experiment on scenes (Table 5). Each file in `configs/<preset>/<data set>/` is complete."""

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

# What is concatenated with F_s, by variant.
ROI_FEATURES = {
    "cnn": "none",
    "cnn-coco": "none",
    "cnn-rois": "features",
    "fan-unsup": "context",
    "fan-sup": "context",
}


@dataclass(frozen=True)
class SceneImagesConfig:
    """Which images are used, and at which size.

    Args:
        train_per_class, test_per_class: number of images drawn from each class folder, 0 for all; for MIT67, the mean
            number per class. See `data.images.scenes.Sample`.
        short_side, long_side, flipped_copies: as in `vision.config.ImagesConfig`.
        train_images, test_images: number of images that each split must have; 0 for any number.
        sample_seed: seed of the drawing.
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
                raise ValueError(f"{name} is {getattr(self, name)}; must not be negative")
        if self.long_side < self.short_side:
            raise ValueError(f"long_side is {self.long_side}; must be at least short_side, {self.short_side}")

    @property
    def sample(self) -> Sample:
        """The images of each class that are used."""
        return Sample(self.train_per_class, self.test_per_class, self.sample_seed)


@dataclass(frozen=True)
class SceneModelConfig:
    """The network.

    Args:
        backbone: name of the ResNet.
        pretrained: source of the frozen layers. For cnn, weights of the backbone: "imagenet" or a `.params` file, as in
            `vision.config.ModelConfig`, or "none" for random weights. For other variants, a detection run of the same
            preset: "<data set>/<variant>".
        initial_weights: of the new convolution: "relation_networks" or "he", as in `vision.config.ModelConfig`.
        scene_channels: output channels of this 1 × 1 convolution; size of F_s.
        roi_features: what is concatenated with F_s: "none", the "features" F of ROIs, or their "context" F_c by FAN.
        over_rois: reduction over the ROIs (the paper: max(F); for F_c it does not say).
        roi_layers: whether the layers that compute F (conv_new_1, fc_new_1, fc_new_2) are trained ("all other layers",
            appendix D.1) or also fixed.
        pool1, stride_in: of cnn's backbone, as in `vision.config.ModelConfig`; other variants use those of the
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
    """The schedule, as in `vision.config`: SGD with momentum, gradients summed over the images of a batch."""

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
    """One experiment. Its runs are in `<preset>/<dataset>/<variant>/`.

    Args:
        preset: as in `vision.config.Config`.
        dataset: "mit67", or a folder of the data folder that has class folders (see `data.images.scenes`).
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
                raise ValueError(f"images.{name} is 0; must be above 0 for mit67")
        expected = ROI_FEATURES[self.variant]
        if self.model.roi_features != expected:
            raise ValueError(
                f"model.roi_features is {self.model.roi_features}; must be {expected} for variant {self.variant}"
            )
        if self.detector and (self.detector.count("/") != 1 or self.detector.endswith(".params")):
            raise ValueError(
                f"model.pretrained is {self.detector}; for variant {self.variant} it must name the data set and "
                "variant of a detection run, such as minicoco/fan-sup"
            )

    @property
    def detector(self) -> str | None:
        """Data set and variant of the detection run that provides the weights; None for cnn."""
        return None if self.variant == "cnn" else self.model.pretrained


def is_on_scenes(run: RunFolder) -> bool:
    """Whether the config in a run folder is a `SceneConfig`, not a `vision.config.Config`."""
    if not run.config_path.exists():
        return False
    values = read_yaml(run.config_path, "config of a run", "remove the run folder and train again")
    model = values.get("model") if isinstance(values, dict) else None
    return isinstance(model, dict) and "roi_features" in model
