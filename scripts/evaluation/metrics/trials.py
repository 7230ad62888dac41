"""Several trials of one experiment: mean and spread, and the difference of two experiments seed by seed."""

from typing import NamedTuple

import numpy as np
from scipy import stats


class Summary(NamedTuple):
    """Mean over trials, their sample standard deviation (None for a single trial), and their number."""

    mean: float
    std: float | None
    trials: int


class Difference(NamedTuple):
    """Mean difference over common seeds, half its 95% interval (None for one seed), and their number."""

    mean: float
    half_width: float | None
    trials: int


def summarize(values: list[float]) -> Summary:
    """Mean and sample standard deviation (divisor n - 1) of one value a trial; at least one value."""
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Summary(float(np.mean(values)), std, len(values))


def paired_difference(values: dict[int, float], base: dict[int, float]) -> Difference | None:
    """How much `values` exceed `base` over the seeds both hold, with Student's 95% interval of the mean.

    Pairing removes what a seed does to both alike, so it shows smaller effects than two separate means do.

    Args:
        values: one value a seed.
        base: one value a seed.

    Returns:
        The difference, or None without a common seed.
    """
    differences = [values[seed] - base[seed] for seed in sorted(values.keys() & base.keys())]
    if not differences:
        return None
    mean, std, trials = summarize(differences)
    if std is None:
        return Difference(mean, None, trials)
    half_width = float(stats.t.ppf(0.975, trials - 1)) * std / np.sqrt(trials)
    return Difference(mean, float(half_width), trials)
