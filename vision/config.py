"""The config of a detection experiment. Each file of `configs/` contains every required key."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from data.images.relations import Rule
from data.images.subset import Subset

Mode = Literal["matrix", "row"]
Penalty = Literal["focal", "l2", "smooth_l1"]
BackboneName = Literal["resnet10", "resnet18", "resnet50_thin", "resnet50", "resnet101"]

HEADS = 16  # of each relation module
NAMES = (
    "names of variants say what is trained: fan… for focused attention, rn… for relation modules, fan-sup… and rn-sup… "
    "with a relation loss, …-linear with linear_out, …-gt with annotated relations"
)


@dataclass(frozen=True)
class ImagesConfig:
    """The images of an experiment.

    Args:
        train_split, test_split: names as in `data.images.datasets`.
        train_images, test_images: number of images in each; for the "train" split of minicoco, how many are drawn.
        short_side, long_side: images are scaled to `short_side` pixels on their short side, or to `long_side` pixels on
            their long side if that would be longer.
        flipped_copies: whether each epoch also contains the mirror image of every training image (Relation Networks:
            yes).
        id_lists: folder of `data/images/lists/` with lists of image ids, which replace the splits of a dataset in VOC
            layout; empty for the splits of the dataset.
        categories: categories to train and evaluate on; empty for all. Objects of other categories are dropped.
    """

    train_split: str
    train_images: int
    test_split: str
    test_images: int
    short_side: int
    long_side: int
    flipped_copies: bool
    id_lists: str = ""
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_positive(self, "train_images", "test_images", "short_side", "long_side")
        if self.long_side < self.short_side:
            raise ValueError(f"long_side is {self.long_side}; it must not be below short_side, {self.short_side}")
        if len(set(self.categories)) < len(self.categories):
            raise ValueError(f"categories is {', '.join(self.categories)}; it must not name a category twice")

    @property
    def subset(self) -> Subset:
        """The part of the dataset that is used."""
        return Subset(self.id_lists, self.categories)


@dataclass(frozen=True)
class ModelConfig:
    """The network (paper, appendix B and figure 5; Relation Networks where the paper is silent).

    Args:
        backbone: the ResNet, see `vision.models.backbone`; "resnet10", for miniatures, has no pretrained weights.
        pretrained: initial weights of the backbone: "imagenet" for `imagenet/<backbone>.params` in the data folder
            (`scripts/get_data.sh`), a `.params` file (see `vision.weights`), or "none".
        initial_weights: standard deviation of the hidden layers after the backbone: "relation_networks" for 0.01, meant
            for 1,024 units; "he" for √(2 / inputs) (He et al., 2015), which narrow layers need. Those of FAN have
            0.01 √(1024 / units) in both cases.
        anchor_scale: side of the smallest anchors in cells of 16 pixels; there are four sizes, each twice the previous.
        rois: number of proposals of the RPN; N in the paper's N × N.
        rpn_channels, roi_channels: channels of the RPN's convolution and of the map that ROIs are pooled from.
        fc_units: units of both fully connected layers; size of the features F.
        focused_attention: whether the head has FAN.
        attention_after: the layer to whose output FAN is added; fc_new_2 gives F ("the final feature descriptor").
        d_k: size of FAN's projections; for relation modules, of all heads together.
        relation_modules: the layers followed by a module of Relation Networks, instead of FAN.
        linear_out: whether FAN's output is multiplied by one more matrix, as in relation modules; eq. 4 has none.
        pool1: "padded", or "caffe" without padding; must match the pretrained weights.
        stride_in: the convolution with the stride in the first bottleneck of each stage, "1x1" (Caffe, GluonCV) or
            "3x3" (torchvision); must match the pretrained weights.
    """

    backbone: BackboneName
    pretrained: str
    initial_weights: Literal["relation_networks", "he"]
    anchor_scale: float
    rois: int
    rpn_channels: int
    roi_channels: int
    fc_units: int
    focused_attention: bool
    attention_after: Literal["fc_new_1", "fc_new_2"]
    d_k: int
    relation_modules: Literal["none", "fc_new_1", "fc_new_2", "both"] = "none"
    linear_out: bool = False
    pool1: Literal["padded", "caffe"] = "padded"
    stride_in: Literal["1x1", "3x3"] = "1x1"

    def __post_init__(self) -> None:
        require_positive(self, "anchor_scale", "rois", "rpn_channels", "roi_channels", "fc_units", "d_k")
        require_known_backbone(self)
        if self.modules and self.focused_attention:
            raise ValueError(f"relation_modules is {self.relation_modules} and focused_attention true; choose one")
        for name in ("fc_units", "d_k") if self.modules else ():
            if getattr(self, name) % HEADS:
                raise ValueError(f"{name} is {getattr(self, name)}; relation modules need a multiple of {HEADS}")

    @property
    def modules(self) -> tuple[int, ...]:
        """The fully connected layers, 1 and 2, that are followed by a relation module."""
        return {"none": (), "fc_new_1": (1,), "fc_new_2": (2,), "both": (1, 2)}[self.relation_modules]

    @property
    def has_relations(self) -> bool:
        """Whether the network has pair weights, from FAN or from relation modules."""
        return self.focused_attention or bool(self.modules)


@dataclass(frozen=True)
class RelationLossConfig:
    """The center-mass loss.

    Args:
        weight: λ in L = L_det + λ L_rel (eq. 6); with 0 the loss is only measured.
        rule: which pairs of ROIs are targets, see `data.images.relations`. It also applies to a loss that is only
            measured: center-masses are comparable if they have the same targets.
        mode, penalty, gamma: see `vision.center_mass`.
    """

    weight: float
    rule: Rule
    mode: Mode
    penalty: Penalty
    gamma: float

    def __post_init__(self) -> None:
        for name in ("weight", "gamma"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be a number from 0")


@dataclass(frozen=True)
class TrainingConfig:
    """The schedule: SGD with momentum, gradients summed over the images of a batch.

    Args:
        epochs: passes over all images and their flipped copies.
        batch_size: images per step, over all GPUs.
        learning_rate: for the first `decay_after` epochs; then a tenth of it.
        append_objects: whether the annotated boxes are appended to the ROIs.
        ohem_rois: the head learns from the ROIs with the largest loss, so many per image.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    decay_after: int
    momentum: float
    weight_decay: float
    append_objects: bool
    ohem_rois: int

    def __post_init__(self) -> None:
        require_schedule(self)
        require_positive(self, "ohem_rois")


@dataclass(frozen=True)
class DetectionConfig:
    """Postprocessing of detections.

    Args:
        score_threshold: boxes are candidates for the classes with a probability above this.
        soft_nms_sigma: soft-NMS multiplies scores by exp(-IoU² / σ) for every better box of the class.
        most: detections per image, over all classes.
    """

    score_threshold: float
    soft_nms_sigma: float
    most: int

    def __post_init__(self) -> None:
        require_positive(self, "soft_nms_sigma", "most")
        if not 0 <= self.score_threshold < 1:
            raise ValueError(f"score_threshold is {self.score_threshold}; it must be at least 0 and below 1")


@dataclass(frozen=True)
class Config:
    """One experiment. Its runs are in `<preset>/<dataset>/<variant>/`.

    Args:
        preset: "paper" for the paper's sizes, "small" for reduced networks on real images, "mini" for miniature data.
        dataset: "voc07", "minicoco", "visual_genome", or a folder in the data folder in VOC or COCO layout.
        variant: any name that follows the rules of `NAMES`.
    """

    preset: Literal["paper", "small", "mini"]
    dataset: str
    variant: str
    images: ImagesConfig
    model: ModelConfig
    relation_loss: RelationLossConfig
    training: TrainingConfig
    detection: DetectionConfig

    def __post_init__(self) -> None:
        require_folder_name(self, "dataset", "variant")
        supervised = self.relation_loss.weight > 0
        for key, value, named in (
            ("model.focused_attention", self.model.focused_attention, self.variant.startswith("fan")),
            ("model.linear_out", self.model.linear_out, self.variant.endswith("-linear")),
            ("model.relation_modules", self.model.relation_modules != "none", self.variant.startswith("rn")),
            ("relation_loss.weight", supervised, self.variant.startswith(("fan-sup", "rn-sup"))),
            (
                "relation_loss.rule",
                supervised and self.relation_loss.rule == "annotated",
                self.variant.endswith("-gt"),
            ),
        ):
            if value != named:
                section, name = key.split(".")
                raise ValueError(
                    f"{key} is {getattr(getattr(self, section), name)} and variant {self.variant}; {NAMES}"
                )


def require_folder_name(section: Any, *names: str) -> None:
    """Raises a ValueError unless these values of a section can be names of folders."""
    for name in names:
        if not getattr(section, name).strip(".") or "/" in getattr(section, name):
            raise ValueError(f"{name} is {getattr(section, name)!r}; it must be the name of a folder")


def require_positive(section: Any, *names: str) -> None:
    """Raises a ValueError unless these values of a section are numbers above 0."""
    for name in names:
        if not 0 < getattr(section, name) < math.inf:
            raise ValueError(f"{name} is {getattr(section, name)}; it must be a number above 0")


def require_schedule(section: Any) -> None:
    """Raises a ValueError unless the values of SGD and its schedule are valid."""
    require_positive(section, "epochs", "batch_size", "learning_rate", "decay_after")
    if not 0 <= section.momentum < 1:
        raise ValueError(f"momentum is {section.momentum}; it must be at least 0 and below 1")
    if not 0 <= section.weight_decay < math.inf:
        raise ValueError(f"weight_decay is {section.weight_decay}; it must be a number from 0")


def require_known_backbone(section: Any) -> None:
    """Raises a ValueError if a backbone has no published weights, or no such stride."""
    if (section.backbone, section.pretrained) == ("resnet10", "imagenet"):
        raise ValueError("backbone is resnet10 and pretrained imagenet; there are no such weights, set it to none")
    if section.backbone in ("resnet10", "resnet18") and section.stride_in != "1x1":
        raise ValueError(
            f"stride_in is {section.stride_in} and backbone {section.backbone}; it has no bottlenecks, remove stride_in"
        )
