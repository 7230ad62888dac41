"""Accuracy of a classifier, from the probabilities it gave to every class (Tables 5, 6 and 8)."""

import numpy as np

from data.common.errors import UserError


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Fraction of items whose likeliest class is the right one (top-1 accuracy).

    Where several classes share the highest probability, the first of them is the answer, as in `np.argmax`.

    Args:
        probabilities: [D, C], one row an item.
        labels: [D] integers in 0 … C-1.

    Returns:
        A fraction in [0, 1].

    Raises:
        UserError: no items, shapes that disagree, labels out of range, or probabilities that are not finite.
    """
    return float(np.mean(_is_right(probabilities, labels)))


def class_accuracies(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The accuracy of each class: of the items that belong to it, the fraction recognised.

    Arguments and errors are those of `accuracy`.

    Returns:
        [C] fractions, NaN for a class without items.
    """
    right = _is_right(probabilities, labels)
    classes = probabilities.shape[1]
    items = np.bincount(labels, minlength=classes)
    recognised = np.bincount(labels[right], minlength=classes)
    return np.where(items > 0, recognised / np.maximum(items, 1), np.nan)


def _is_right(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """[D] whether each item's likeliest class is its own, after the checks that `accuracy` lists."""
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise UserError(f"labels {list(labels.shape)} and probabilities {list(probabilities.shape)} do not agree")
    if probabilities.size == 0:
        raise UserError("holds no predictions")
    if not np.issubdtype(labels.dtype, np.integer):
        raise UserError(f"labels are {labels.dtype}, not integers")
    classes = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise UserError(f"labels run from {labels.min()} to {labels.max()}, with {classes} classes")
    if not np.isfinite(probabilities).all():
        raise UserError("probabilities are not finite")
    return probabilities.argmax(axis=1) == labels
