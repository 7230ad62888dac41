"""Lists of different lengths, side by side in one array, and the combinations of two of them, without a Python loop."""

from typing import NamedTuple

import numpy as np


class Lists(NamedTuple):
    """N lists of indices.

    Args:
        counts: [N] length of each.
        starts: [N] where each begins in `items`.
        items: [E] the indices, one list after the other.
    """

    counts: np.ndarray
    starts: np.ndarray
    items: np.ndarray


def lists_of(mask: np.ndarray) -> Lists:
    """The columns at which each row of a mask [N, M] is true."""
    counts = np.count_nonzero(mask, axis=1)
    return Lists(counts, np.cumsum(counts) - counts, np.nonzero(mask)[1])


def combinations(lists: Lists, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All combinations of an item of the list `first[p]` and an item of the list `second[p]`.

    Args:
        lists: the lists.
        first: [P] index of a list.
        second: [P] index of a list.

    Returns:
        p [C] of each combination, rising, and the two items [C], [C].

    Example:
        >>> lists = lists_of(np.array([[True, True, False], [False, False, True]]))
        >>> [each.tolist() for each in combinations(lists, np.array([0, 1]), np.array([1, 1]))]
        [[0, 0, 1], [0, 1, 2], [2, 2, 2]]
    """
    counts = lists.counts[first] * lists.counts[second]  # [P]
    pair = np.repeat(np.arange(len(counts)), counts)  # [C]
    place = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
    of_second = lists.counts[second][pair]
    row = place // of_second
    return (
        pair,
        lists.items[lists.starts[first][pair] + row],
        lists.items[lists.starts[second][pair] + place - row * of_second],
    )
