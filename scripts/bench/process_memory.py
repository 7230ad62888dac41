"""What memory a process takes, as the Linux kernel counts it; in MiB."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INTERVAL = 0.02  # seconds between two looks


def resident(status: str) -> dict[str, float]:
    """Resident memory by the text of `/proc/<pid>/status`.

    Returns:
        "anonymous", the process' own; "mapped", pages of files, libraries among them, which processes share.
    """
    kib = dict(re.findall(r"^(Rss\w+):\s*(\d+) kB$", status, re.MULTILINE))
    return {"anonymous": int(kib["RssAnon"]) / 1024, "mapped": int(kib["RssFile"]) / 1024}


def resident_files(smaps: str, folder: Path) -> dict[str, float]:
    """Resident memory of the files mapped from `folder`, by the text of `/proc/<pid>/smaps`.

    Returns:
        "Rss", all of it; "Pss", in which each page is divided by the number of processes that have it.
    """
    totals = {"Rss": 0.0, "Pss": 0.0}
    for mapping in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", smaps, flags=re.MULTILINE):
        if f" {folder.resolve()}/" in mapping.partition("\n")[0]:
            for name, kib in re.findall(r"^(Rss|Pss):\s*(\d+) kB$", mapping, re.MULTILINE):
                totals[name] += int(kib) / 1024
    return totals


@contextmanager
def peak_resident() -> Iterator[dict[str, float]]:
    """Yields a dictionary that holds, when the block has ended, the highest `resident` of this process within it."""
    peaks: dict[str, float] = {}
    has_ended = threading.Event()

    def watch() -> None:
        is_last = False
        while not is_last:
            is_last = has_ended.wait(INTERVAL)
            for name, mib in resident(Path("/proc/self/status").read_text()).items():
                peaks[name] = max(mib, peaks.get(name, 0.0))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peaks
    finally:
        has_ended.set()
        watcher.join()
