"""Statistics over the trials of an experiment: mean and spread, and the paired difference of two experiments."""

from typing import NamedTuple

import numpy as np
from scipy import stats


class Summary(NamedTuple):
    """Mean over trials, their sample standard deviation (None for a single trial), and their number."""

    mean: float
    std: float | None
    trials: int


class Difference(NamedTuple):
    """Mean difference over the common seeds, half width of its 95% interval (None for one seed), number of seeds."""

    mean: float
    half_width: float | None
    trials: int


def summarize(values: list[float]) -> Summary:
    """Mean and sample standard deviation (divisor n - 1) of at least one value.

    Example:
        >>> summarize([64.0, 66.0, 65.0])
        Summary(mean=65.0, std=1.0, trials=3)
    """
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Summary(float(np.mean(values)), std, len(values))


def paired_difference(values: dict[int, float], base: dict[int, float]) -> Difference | None:
    """Mean of `values` minus `base` over their common seeds, with Student's 95% interval.

    Pairing removes the effect that a seed has on both, so it detects smaller differences than two separate means.

    Args:
        values: value of each seed.
        base: value of each seed.

    Returns:
        The difference, or None without a common seed.

    Example:
        >>> paired_difference({0: 66.0, 1: 67.0}, {0: 65.0, 2: 60.0})
        Difference(mean=1.0, half_width=None, trials=1)
    """
    differences = [values[seed] - base[seed] for seed in sorted(values.keys() & base.keys())]
    if not differences:
        return None
    mean, std, trials = summarize(differences)
    if std is None:
        return Difference(mean, None, trials)
    half_width = float(stats.t.ppf(0.975, trials - 1)) * std / np.sqrt(trials)
    return Difference(mean, float(half_width), trials)
