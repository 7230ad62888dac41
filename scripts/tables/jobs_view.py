"""The progress of trainings that run at the same time, read from their run folders."""

import shutil
import sys
import time

from tqdm import tqdm

from data.common.errors import UserError
from data.common.files import read_yaml
from scripts.tables.job_list import Job

REDRAW = 1  # seconds between updates on a terminal
REPORT = 60  # seconds between progress lines if standard error is not a terminal


def count_epochs(job: Job) -> tuple[int, int]:
    """The finished epochs of a job, and the total.

    Raises:
        UserError: its config or log is damaged.
    """
    path = job.run.config_path if job.run.config_path.exists() else job.config
    config = read_yaml(path, "config", "the list of jobs must name one per run")
    try:
        total = int(config["training"]["epochs"])
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: required key missing: training.epochs") from None
    return (total if job.run.finished else min(len(job.run.epochs()), total)), total


def describe(job: Job) -> str:
    """The progress of a running job: its finished epochs, and the loss and accuracy of the last one."""
    done, total = count_epochs(job)
    if job.run.finished:
        return f"{job.title}: trained, predicting and evaluating"
    last = job.run.epochs()[-1] if done else {}
    numbers = [f"{name} {last[name]:.3f}" for name in ("loss", "accuracy") if name in last]
    return ", ".join([f"{job.title}: {done} of {total} epochs", *numbers])


class Progress:
    """Shows the progress of the jobs on standard error.

    With several jobs at a time: a bar for the epochs of all jobs and a line per running job; without a terminal, plain
    lines. With one job at a time, which prints to the terminal itself: its title only.
    """

    def __init__(self, jobs: list[Job], count: int):
        self._names = {job: f"[{number}/{len(jobs)}] {job.title}" for number, job in enumerate(jobs, start=1)}
        self._alone = count == 1
        self._plain = self._alone or not sys.stderr.isatty()
        self._start = time.monotonic()
        self._interval = REPORT if self._plain else REDRAW
        self._next = self._start + REPORT if self._plain else self._start
        self._epochs = {} if self._alone else {job: count_epochs(job) for job in jobs}
        self._initial, total = self._done_and_total()
        # Without smoothing, the rate is the mean: epochs of several jobs arrive in bursts.
        bar = {"initial": self._initial, "total": total, "desc": "all runs", "unit": "epoch", "smoothing": 0}
        self._bar = tqdm(position=0, disable=self._plain, **bar)
        line = {"bar_format": "  {desc}", "leave": False, "disable": self._plain}
        self._lines = [tqdm(position=number, **line) for number in range(1, count + 1)]

    def started(self, job: Job) -> None:
        """Announces a job, unless a bar shows it."""
        if self._plain:
            print(self._names[job], file=sys.stderr, flush=True)

    def ended(self, job: Job, seconds: float) -> None:
        """Reports how long a job took."""
        if not self._alone:
            self._epochs[job] = count_epochs(job)
            took = tqdm.format_interval(seconds)
            tqdm.write(f"{self._names[job]}: done in {took}", file=sys.stderr)

    def failed(self, job: Job, reason: str) -> None:
        """Reports why a job failed, unless its output is on the terminal."""
        if not self._alone:
            tqdm.write(f"error: {job.title}: {reason} (see {job.run.path}/output.log)", file=sys.stderr)

    def show(self, running: list[Job]) -> None:
        """Updates the view if the interval has passed."""
        if self._alone or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._interval
        for job in running:
            self._epochs[job] = count_epochs(job)
        if self._plain:
            self._print_line(running)
        else:
            self._draw(running)

    def close(self) -> None:
        """Leaves the final bar on the terminal and removes the lines below it."""
        if not self._plain:
            self._draw([])
        for bar in [*self._lines, self._bar]:
            bar.close()

    def _draw(self, running: list[Job]) -> None:
        width = shutil.get_terminal_size().columns - 3
        texts = [describe(job)[:width] for job in running]
        for line, text in zip(self._lines, texts + [""] * len(self._lines), strict=False):
            line.set_description_str(text)
        self._bar.n, self._bar.total = self._done_and_total()
        self._bar.refresh()

    def _print_line(self, running: list[Job]) -> None:
        done, total = self._done_and_total()
        meter = tqdm.format_meter(
            done,
            total,
            time.monotonic() - self._start,
            initial=self._initial,
            unit="epoch",
            bar_format="{n_fmt} of {total_fmt} epochs, {elapsed} elapsed, {remaining} left",
        )
        print("; ".join([meter, *(describe(job) for job in running)]), file=sys.stderr, flush=True)

    def _done_and_total(self) -> tuple[int, int]:
        return sum(done for done, _ in self._epochs.values()), sum(total for _, total in self._epochs.values())
