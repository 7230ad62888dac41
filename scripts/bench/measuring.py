"""Measures time and memory. Functions to compare take turns, because times depend on the load of the machine."""

import math
import os
import re
import statistics
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from data.common.runs import machine

Name = TypeVar("Name", bound=Hashable)

INTERVAL = 0.02  # seconds between two measurements of memory


# --- time -----------------------------------------------------------------------------------------------------------


def take_turns(turns: Mapping[Name, Callable[[], float]], rounds: int) -> dict[Name, list[float]]:
    """Calls each of `turns` once per round, one after the other.

    Args:
        turns: functions that return a time or a speed, by name.
        rounds: number of rounds. A first round, in which code is compiled and files are read, is not counted.

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


def milliseconds(work: Callable[[], object], times: int = 1) -> float:
    """Mean time of a call of `work`, which must return only when everything is computed."""
    start = time.perf_counter()
    for _ in range(times):
        work()
    return 1000 * (time.perf_counter() - start) / times


def ratio(name: str, values: list[float], other: str, base: list[float], figures: int = 3) -> str:
    """`name : other = median (range)` of the ratios of each round; all numbers must be positive."""
    ratios = [one / two for one, two in zip(values, base, strict=True)]
    return f"{name} : {other} = {median_and_range(ratios, figures)}"


def median_and_range(values: list[float], figures: int = 3) -> str:
    """`median (smallest to largest)` of positive numbers; the median has so many significant figures."""
    median = statistics.median(values)
    decimals = max(0, figures - 1 - math.floor(math.log10(median)))
    return f"{median:,.{decimals}f} ({min(values):,.{decimals}f} to {max(values):,.{decimals}f})"


def machine_and_threads() -> str:
    """Cores, processor and number of threads."""
    return f"{machine()}, OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'not set')}"


# --- memory, in MiB, as the Linux kernel counts it ------------------------------------------------------------------


def resident(status: str) -> dict[str, float]:
    """Resident memory from the text of `/proc/<pid>/status`.

    Returns:
        "anonymous" memory of the process, and "mapped" pages of files, including libraries, that processes share.
    """
    kib = dict(re.findall(r"^(Rss\w+):\s*(\d+) kB$", status, re.MULTILINE))
    return {"anonymous": int(kib["RssAnon"]) / 1024, "mapped": int(kib["RssFile"]) / 1024}


def own_resident() -> dict[str, float]:
    """Resident memory of this process."""
    return resident(Path("/proc/self/status").read_text())


def resident_files(smaps: str, folder: Path) -> dict[str, float]:
    """Resident memory of the files mapped from `folder`, from the text of `/proc/<pid>/smaps`.

    Returns:
        "Rss", all pages, and "Pss", in which each page is divided by the number of processes that map it.
    """
    totals = {"Rss": 0.0, "Pss": 0.0}
    for mapping in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", smaps, flags=re.MULTILINE):
        if f" {folder.resolve()}/" in mapping.partition("\n")[0]:
            for name, kib in re.findall(r"^(Rss|Pss):\s*(\d+) kB$", mapping, re.MULTILINE):
                totals[name] += int(kib) / 1024
    return totals


@contextmanager
def peak_resident() -> Iterator[dict[str, float]]:
    """Yields a dictionary that contains, after the block, the peak resident memory of this process in the block."""
    peaks: dict[str, float] = {}
    has_ended = threading.Event()

    def watch() -> None:
        is_last = False
        while not is_last:
            is_last = has_ended.wait(INTERVAL)
            for name, mib in own_resident().items():
                peaks[name] = max(mib, peaks.get(name, 0.0))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peaks
    finally:
        has_ended.set()
        watcher.join()
