"""Measuring side by side: things take turns in one run and are compared turn by turn.

A time alone says as much of the machine and its other work as of the code.
"""

import math
import os
import statistics
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from tqdm import tqdm

from data.common.runs import machine

Name = TypeVar("Name", bound=Hashable)


def take_turns(turns: Mapping[Name, Callable[[], float]], rounds: int) -> dict[Name, list[float]]:
    """Has each of `turns` measure itself once a round, one after the other.

    Args:
        turns: by name, what returns a time or a speed.
        rounds: how often. One more goes before them that is not counted: in it all is compiled and read for the first
            time.

    Returns:
        [rounds] numbers by name.
    """
    values: dict[Name, list[float]] = {name: [] for name in turns}
    with tqdm(total=(rounds + 1) * len(turns), unit="turn", leave=False) as progress:
        for number in range(rounds + 1):
            for name, turn in turns.items():
                value = turn()
                if number:
                    values[name].append(value)
                progress.update()
    return values


def ratio(name: str, values: list[float], other: str, base: list[float], figures: int = 3) -> str:
    """`name : other = median (range)` of the ratios of each round; all numbers are above 0."""
    ratios = [one / two for one, two in zip(values, base, strict=True)]
    return f"{name} : {other} = {median_and_range(ratios, figures)}"


def median_and_range(values: list[float], figures: int = 3) -> str:
    """`median (smallest to largest)` of numbers above 0, all with the decimals that give the median its `figures`."""
    median = statistics.median(values)
    decimals = max(0, figures - 1 - math.floor(math.log10(median)))
    return f"{median:,.{decimals}f} ({min(values):,.{decimals}f} to {max(values):,.{decimals}f})"


def machine_and_threads() -> str:
    """Cores, processor and what is set of threads, as a reader of a timing needs them."""
    return f"{machine()}, OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'not set')}"
