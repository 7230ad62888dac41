"""Center-mass over a data set: how much of the attention falls on the pairs that are related (Eq. 2)."""

from typing import NamedTuple

import numpy as np

from data.common.errors import UserError

ROUNDING = 1e-5  # a sum of float32 weights may pass 1 by this much


class CenterMass(NamedTuple):
    """Mean center-mass over the items that hold a pair, and how many items do and do not."""

    mean: float
    with_pair: int
    without_pair: int


def mean_center_mass(center_mass: np.ndarray) -> CenterMass:
    """Averages center-mass over items; an item without a pair to relate has none and is only counted.

    Args:
        center_mass: [D] values in [0, 1], NaN where an item (a document, an image) holds no pair.

    Raises:
        UserError: another shape, no items, values out of range, or no item that holds a pair.
    """
    if center_mass.ndim != 1 or not np.issubdtype(center_mass.dtype, np.floating):
        raise UserError(f"center_mass is {center_mass.dtype} {list(center_mass.shape)}, not one number an item")
    values = center_mass[~np.isnan(center_mass)]
    if values.size == 0:
        raise UserError(f"none of its {center_mass.size} items holds a pair, so center-mass has no mean")
    if values.min() < 0 or values.max() > 1 + ROUNDING:
        raise UserError(f"center_mass runs from {values.min():.4g} to {values.max():.4g}, not within 0 and 1")
    return CenterMass(float(values.mean(dtype=np.float64)), values.size, center_mass.size - values.size)
