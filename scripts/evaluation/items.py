"""Metrics with one value per item, a document or an image: classification accuracy and center-mass.

predictions.npz              ids [D], labels [D], probabilities [D, C]
center_mass.npz              ids [D], center_mass [D], uniform [D]: NaN for items without a related pair
training_center_mass.npz     the same for the training images
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.common.errors import UserError
from data.common.files import read_arrays

Metrics = dict[str, float | int]

PREDICT_AGAIN = "delete it and run the predict command again"
ROUNDING = 1e-5  # how far a sum of float32 weights may exceed 1


class CenterMass(NamedTuple):
    """Mean center-mass over the items that have a related pair, and the number of items with and without one."""

    mean: float
    with_pair: int
    without_pair: int


def classification_metrics(path: Path) -> Metrics:
    """Top-1 accuracy from a `predictions.npz`: over all items, and averaged over the classes."""
    arrays = read_arrays(
        path, ["ids", "labels", "probabilities"], "prediction file", "run the predict command to write it"
    )
    probabilities, labels = arrays["probabilities"], arrays["labels"]
    with _errors_named(path):
        _require_ids(arrays["ids"], labels)
        return {
            "accuracy": accuracy(probabilities, labels),
            "class_accuracy": float(np.nanmean(class_accuracies(probabilities, labels))),
            "documents": len(labels),
        }


def center_mass_metrics(path: Path, prefix: str = "") -> Metrics:
    """Mean center-mass from a `center_mass.npz`, and that of equal weights; all names begin with `prefix`."""
    arrays = read_arrays(
        path,
        ["ids", "center_mass", "uniform"],
        "center-mass file",
        "run the predict command of a variant with FAN to write it; files of older versions are replaced",
    )
    with _errors_named(path):
        _require_ids(arrays["ids"], arrays["center_mass"])
        _require_ids(arrays["ids"], arrays["uniform"])
        mean, with_pair, without_pair = mean_center_mass(arrays["center_mass"])
        uniform = mean_center_mass(arrays["uniform"]).mean
    return {
        f"{prefix}center_mass": mean,
        f"{prefix}uniform_center_mass": uniform,
        f"{prefix}center_mass_items": with_pair,
        f"{prefix}center_mass_items_without_pair": without_pair,
    }


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Fraction of items whose most likely class is their label; ties go to the first class, as in `np.argmax`.

    Args:
        probabilities: [D, C].
        labels: [D] integers from 0 to C-1.

    Raises:
        UserError: the arrays are empty, have inconsistent shapes, labels out of range or non-finite probabilities.

    Example:
        >>> accuracy(np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1], [0.2, 0.8]]), np.array([0, 1, 1, 1]))
        0.75
    """
    return float(np.mean(_is_correct(probabilities, labels)))


def class_accuracies(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """[C] accuracy among the items of each class; NaN for a class without items. Arguments as for `accuracy`."""
    correct = _is_correct(probabilities, labels)
    classes = probabilities.shape[1]
    items = np.bincount(labels, minlength=classes)
    recognised = np.bincount(labels[correct], minlength=classes)
    return np.where(items > 0, recognised / np.maximum(items, 1), np.nan)


def _is_correct(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """[D] whether the most likely class of each item is its label, after the checks listed in `accuracy`."""
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise UserError(f"labels {list(labels.shape)} do not match probabilities {list(probabilities.shape)}")
    if probabilities.size == 0:
        raise UserError("no predictions")
    if not np.issubdtype(labels.dtype, np.integer):
        raise UserError(f"labels must be integers, not {labels.dtype}")
    classes = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise UserError(f"labels range from {labels.min()} to {labels.max()}, but there are {classes} classes")
    if not np.isfinite(probabilities).all():
        raise UserError("probabilities are not finite")
    return probabilities.argmax(axis=1) == labels


def mean_center_mass(center_mass: np.ndarray) -> CenterMass:
    """Mean center-mass (Eq. 2) over the items that have a related pair; the others are counted.

    Args:
        center_mass: [D] values in [0, 1], NaN for items without a related pair.

    Raises:
        UserError: wrong shape or type, values out of range, or no item with a related pair.

    Example:
        >>> mean_center_mass(np.array([0.25, np.nan, 0.75]))
        CenterMass(mean=0.5, with_pair=2, without_pair=1)
    """
    if center_mass.ndim != 1 or not np.issubdtype(center_mass.dtype, np.floating):
        raise UserError(f"center_mass must be one float per item, not {center_mass.dtype} {list(center_mass.shape)}")
    values = center_mass[~np.isnan(center_mass)]
    if values.size == 0:
        raise UserError(f"none of its {center_mass.size} items has a related pair, so center-mass has no mean")
    if values.min() < 0 or values.max() > 1 + ROUNDING:
        raise UserError(f"center_mass ranges from {values.min():.4g} to {values.max():.4g}; it must be within 0 and 1")
    return CenterMass(float(values.mean(dtype=np.float64)), values.size, center_mass.size - values.size)


def _require_ids(ids: np.ndarray, values: np.ndarray) -> None:
    """Raises a `UserError` unless each item of `values` [D, …] has one id and no id is repeated."""
    if ids.shape != values.shape[:1]:
        raise UserError(f"ids {list(ids.shape)} do not match values {list(values.shape)}")
    if np.unique(ids).size < ids.size:
        raise UserError("ids are repeated")


@contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    """Adds the file and the remedy to errors of functions that only see arrays."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: {error}; {PREDICT_AGAIN}") from None


def describe_classification(metrics: Metrics) -> str:
    """One line for the screen."""
    return (
        f"accuracy {metrics['accuracy']:.2%} of {metrics['documents']:,} items, "
        f"{metrics['class_accuracy']:.2%} averaged over the classes"
    )


def describe_center_mass(metrics: Metrics) -> str:
    """One line for the screen."""
    parts = [
        f"{title} {metrics[f'{prefix}center_mass']:.4f} "
        f"({metrics[f'{prefix}uniform_center_mass']:.4f} for equal weights) over "
        f"{metrics[f'{prefix}center_mass_items']:,} items with a related pair, "
        f"{metrics[f'{prefix}center_mass_items_without_pair']:,} without"
        for prefix, title in (("", "center-mass"), ("training_", "on the training images"))
        if f"{prefix}center_mass" in metrics
    ]
    return "; ".join(parts)
