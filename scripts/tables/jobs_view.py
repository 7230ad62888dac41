"""What is seen of trainings that run side by side: how far each is, read from its run folder."""

import shutil
import sys
import time
from typing import TYPE_CHECKING

from tqdm import tqdm

from data.common.errors import UserError
from data.common.files import read_yaml

if TYPE_CHECKING:
    from scripts.tables.jobs import Job, RunningJob

REDRAW = 1  # seconds from one drawing of the view to the next
REPORT = 60  # the same where standard error is no terminal, and each drawing a line


def count_epochs(job: "Job") -> tuple[int, int]:
    """The epochs of a job that are done, and all it will have.

    Raises:
        UserError: its config is damaged, or its log.
    """
    path = job.run.config_path if job.run.config_path.exists() else job.config
    config = read_yaml(path, "config", "the list of jobs names one for each run")
    try:
        total = int(config["training"]["epochs"])
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: holds no training.epochs; a config is complete, without defaults") from None
    return (total if job.run.finished else min(len(job.run.epochs()), total)), total


def describe(job: "Job") -> str:
    """How far a running job is: epochs done and the numbers of the last."""
    done, total = count_epochs(job)
    if job.run.finished:
        return f"{job.title}: trained, predicts and evaluates"
    last = job.run.epochs()[-1] if done else {}
    numbers = [f"{name} {last[name]:.3f}" for name in ("loss", "accuracy") if name in last]
    return ", ".join([f"{job.title}: {done} of {total} epochs", *numbers])


class Progress:
    """What standard error shows of the jobs.

    Of several at a time: a bar over the epochs of all jobs with a line for each that runs, or plain lines where that
    is no terminal. Of one at a time, whose own output is seen, no more than its title.
    """

    def __init__(self, jobs: list["Job"], count: int):
        self._names = {job: f"[{number}/{len(jobs)}] {job.title}" for number, job in enumerate(jobs, start=1)}
        self._alone = count == 1
        self._plain = self._alone or not sys.stderr.isatty()
        self._start = time.monotonic()
        self._interval = REPORT if self._plain else REDRAW
        self._next = self._start + REPORT if self._plain else self._start
        self._epochs = {} if self._alone else {job: count_epochs(job) for job in jobs}
        self._initial, total = self._done_and_total()
        # smoothing: epochs of several jobs come in bursts, so the rate is their mean.
        bar = {"initial": self._initial, "total": total, "desc": "all runs", "unit": "epoch", "smoothing": 0}
        self._bar = tqdm(position=0, disable=self._plain, **bar)
        line = {"bar_format": "  {desc}", "leave": False, "disable": self._plain}
        self._lines = [tqdm(position=number, **line) for number in range(1, count + 1)]

    def started(self, job: "Job") -> None:
        """Announces a job, where no bar shows it."""
        if self._plain:
            print(self._names[job], file=sys.stderr, flush=True)

    def ended(self, one: "RunningJob") -> None:
        """Says how long a job took."""
        if not self._alone:
            self._epochs[one.job] = count_epochs(one.job)
            took = tqdm.format_interval(time.monotonic() - one.start)
            tqdm.write(f"{self._names[one.job]}: done in {took}", file=sys.stderr)

    def failed(self, one: "RunningJob") -> None:
        """Says why a job failed, where its own output has not."""
        if not self._alone:
            folder = one.job.run.path
            tqdm.write(f"error: {one.job.title}: {one.error()} (all its output: {folder}/output.log)", file=sys.stderr)

    def show(self, running: list["RunningJob"]) -> None:
        """Brings the view up to date, if it is time to."""
        if self._alone or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._interval
        for one in running:
            self._epochs[one.job] = count_epochs(one.job)
        if self._plain:
            self._print_line(running)
        else:
            self._draw(running)

    def close(self) -> None:
        """Leaves the bar as it last was on the terminal, and nothing below it."""
        if not self._plain:
            self._draw([])
        for bar in [*self._lines, self._bar]:
            bar.close()

    def _draw(self, running: list["RunningJob"]) -> None:
        width = shutil.get_terminal_size().columns - 3
        texts = [describe(one.job)[:width] for one in running]
        for line, text in zip(self._lines, texts + [""] * len(self._lines), strict=False):
            line.set_description_str(text)
        self._bar.n, self._bar.total = self._done_and_total()
        self._bar.refresh()

    def _print_line(self, running: list["RunningJob"]) -> None:
        done, total = self._done_and_total()
        meter = tqdm.format_meter(
            done,
            total,
            time.monotonic() - self._start,
            initial=self._initial,
            unit="epoch",
            bar_format="{n_fmt} of {total_fmt} epochs, {elapsed} so far, {remaining} to go",
        )
        print("; ".join([meter, *(describe(one.job) for one in running)]), file=sys.stderr, flush=True)

    def _done_and_total(self) -> tuple[int, int]:
        return sum(done for done, _ in self._epochs.values()), sum(total for _, total in self._epochs.values())
