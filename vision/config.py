"""The config of one detection experiment; each file of `configs/` holds all of it."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from data.images.subset import Subset

Mode = Literal["matrix", "row"]
Penalty = Literal["focal", "l2", "smooth_l1"]
Rule = Literal["different_category", "different_instance", "annotated"]
BackboneName = Literal["resnet10", "resnet18", "resnet50_thin", "resnet50", "resnet101"]
Variant = Literal[
    "base",
    "fan-unsup",
    "fan-sup",
    "fan-sup-row",
    "fan-sup-mat",
    "fan-sup-r1",
    "fan-sup-r3",
    "fan-sup-r4",
    "fan-sup-l2",
    "fan-sup-smooth-l1",
    "fan-sup-different-instance",
    "fan-sup-gt",
    "fan-unsup-linear",
    "fan-sup-linear",
    "rn",
    "rn-sup",
]

HEADS = 16  # of each relation module


@dataclass(frozen=True)
class ImagesConfig:
    """Which images there are and how large the network sees them.

    Args:
        train_split, test_split: names as in `data.images.datasets`.
        train_images, test_images: how many each holds; of minicoco's "train", how many are drawn.
        short_side, long_side: an image is scaled until its short side has so many pixels, unless its long side would
            have more than `long_side`, which it has then.
        flipped_copies: whether an epoch also shows the mirror image of each training image (Relation Networks: yes).
        id_lists: folder of `data/images/lists/` whose lists of image ids replace the splits of a data set in VOC
            layout; empty for the splits of the data set itself.
        categories: the categories that are trained on and evaluated; empty for all. Objects of others are dropped.
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
        """What the data set is restricted to."""
        return Subset(self.id_lists, self.categories)


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the network (paper, appendix B and figure 5; Relation Networks where the paper is silent).

    Args:
        backbone: the ResNet, see `vision.models.backbone`; "resnet10", for miniatures, has no pretrained weights.
        pretrained: what it starts from: "imagenet", for `imagenet/<backbone>.params` in the data folder
            (`scripts/get_data.sh`), a `.params` file (see `vision.weights`), or "none".
        initial_weights: of the hidden layers after the backbone: "relation_networks" draws them with σ = 0.01, made for
            1,024 units; "he" by their number of inputs (He et al., 2015), without which narrow ones pass on nothing.
            FAN's are drawn with 0.01 √(1024 / inputs) either way.
        anchor_scale: side of the smallest anchors in cells of 16 pixels; there are four sizes, each twice the last.
        rois: proposals that go on from the RPN, N of the paper's N × N.
        rpn_channels, roi_channels: of the RPN's convolution and of the map that ROIs are pooled from.
        fc_units: of both fully connected layers; size of the features F.
        focused_attention: whether FAN stands in the head.
        attention_after: the layer whose output FAN adds to; fc_new_2 gives F ("the final feature descriptor").
        d_k: size of FAN's projections; of a relation module's, all of its heads together.
        relation_modules: after which layers the modules of Relation Networks stand, in place of FAN.
        linear_out: whether FAN's output goes through one more matrix, as that of relation modules does; eq. 4 has none.
        pool1: "padded", or "caffe", without padding; as the pretrained weights were trained.
        stride_in: the convolution of a stage's first bottleneck that has the stride, as the pretrained weights were
            trained: "1x1" (the Caffe networks, GluonCV) or "3x3" (torchvision).
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
            raise ValueError(
                f"relation_modules is {self.relation_modules} and focused_attention true; they stand in its place"
            )
        for name in ("fc_units", "d_k") if self.modules else ():
            if getattr(self, name) % HEADS:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; relation modules need a multiple of their {HEADS} heads"
                )

    @property
    def modules(self) -> tuple[int, ...]:
        """The fully connected layers, 1 and 2, that relation modules stand after."""
        return {"none": (), "fc_new_1": (1,), "fc_new_2": (2,), "both": (1, 2)}[self.relation_modules]

    @property
    def has_relations(self) -> bool:
        """Whether the network weighs pairs of ROIs, by FAN or by relation modules."""
        return self.focused_attention or bool(self.modules)


@dataclass(frozen=True)
class RelationLossConfig:
    """The center-mass loss.

    Args:
        weight: λ of L = L_det + λ L_rel (eq. 6); with 0 the loss is measured and not trained on.
        rule: which pairs of ROIs are targets (section 3.2 and appendix A.4; "annotated": those on objects that somebody
            has related). Also where they are not trained on: center-masses compare where they are of the same targets.
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
                raise ValueError(f"{name} is {getattr(self, name)}; it must be a number, not below 0")


@dataclass(frozen=True)
class TrainingConfig:
    """The schedule: SGD with momentum, gradients summed over the images of a batch.

    Args:
        epochs: each over all images and their flipped copies.
        batch_size: images a step, over all GPUs.
        learning_rate: until `decay_after` epochs, a tenth of it from then on.
        append_objects: whether the annotated boxes stand among the ROIs, too.
        ohem_rois: how many ROIs an image, those with the largest loss, the head learns from.
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
    """From the outputs of the head to the detections of an image.

    Args:
        score_threshold: a box is a candidate of each class whose probability is above this.
        soft_nms_sigma: scores fall by exp(-IoU² / σ) beside a better box of the class.
        most: detections an image, over all classes.
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
    """One experiment; its runs lie in `<preset>/<dataset>/<variant>/`.

    Args:
        preset: "paper": the paper's sizes; "small": reduced networks on real images; "mini": on miniature data.
        dataset: "voc07", "minicoco", "visual_genome", or the name of a folder of the data root in VOC or COCO layout.
    """

    preset: Literal["paper", "small", "mini"]
    dataset: str
    variant: Variant
    images: ImagesConfig
    model: ModelConfig
    relation_loss: RelationLossConfig
    training: TrainingConfig
    detection: DetectionConfig

    def __post_init__(self) -> None:
        require_folder_name(self.dataset)
        if self.model.focused_attention != self.variant.startswith("fan"):
            raise ValueError(
                f"model.focused_attention is {self.model.focused_attention} and variant {self.variant}; "
                "it must be true for the variants of fan and false for the others"
            )
        if self.model.linear_out != self.variant.endswith("-linear"):
            raise ValueError(
                f"model.linear_out is {self.model.linear_out} and variant {self.variant}; "
                "it must be true for fan-unsup-linear and fan-sup-linear and false for the others"
            )
        if bool(self.model.modules) != self.variant.startswith("rn"):
            raise ValueError(
                f"model.relation_modules is {self.model.relation_modules} and variant {self.variant}; "
                "it must say where they stand for rn and rn-sup and be none for the others"
            )
        if (self.relation_loss.weight > 0) != self.variant.startswith(("fan-sup", "rn-sup")):
            raise ValueError(
                f"relation_loss.weight is {self.relation_loss.weight} and variant {self.variant}; "
                "it must be above 0 for rn-sup and the variants of fan-sup and 0 for the others"
            )
        if self.relation_loss.weight > 0 and (self.relation_loss.rule == "annotated") != (self.variant == "fan-sup-gt"):
            raise ValueError(
                f"relation_loss.rule is {self.relation_loss.rule} and variant {self.variant}; "
                "it must be annotated for fan-sup-gt and not for the others that are supervised"
            )


def require_folder_name(dataset: str) -> None:
    """Raises a ValueError unless `dataset` can be a folder of the data root."""
    if not dataset.strip(".") or "/" in dataset:
        raise ValueError(f"dataset is {dataset!r}; it must be the name of a data set or folder")


def require_positive(section: Any, *names: str) -> None:
    """Raises a ValueError unless the values of a section of these names are numbers above 0."""
    for name in names:
        if not 0 < getattr(section, name) < math.inf:
            raise ValueError(f"{name} is {getattr(section, name)}; it must be a number above 0")


def require_schedule(section: Any) -> None:
    """Raises a ValueError unless a section's schedule and the constants of SGD are possible."""
    require_positive(section, "epochs", "batch_size", "learning_rate", "decay_after")
    if not 0 <= section.momentum < 1:
        raise ValueError(f"momentum is {section.momentum}; it is a fraction, at least 0 and below 1")
    if not 0 <= section.weight_decay < math.inf:
        raise ValueError(f"weight_decay is {section.weight_decay}; it must be a number, not below 0")


def require_known_backbone(section: Any) -> None:
    """Raises a ValueError where nobody has published the weights of a section's backbone, or it has no such stride."""
    if (section.backbone, section.pretrained) == ("resnet10", "imagenet"):
        raise ValueError("backbone is resnet10 and pretrained imagenet; there are no such weights, so set it to none")
    if section.backbone in ("resnet10", "resnet18") and section.stride_in != "1x1":
        raise ValueError(
            f"stride_in is {section.stride_in} and backbone {section.backbone}; it has no bottlenecks, so leave it out"
        )
