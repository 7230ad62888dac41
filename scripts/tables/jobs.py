"""Runs the trainings of a list side by side: `python -m scripts.tables.jobs < LIST`.

The list, which the table scripts write, holds for each run a line with tabs between its three parts,

    # title    run folder    config

and below it the commands of the run, a line each. They are run one after another: a job. Jobs share nothing but the
machine, so each gets its part of the cores and GPUs and writes to a file of its own; what moves in all of them is
read from their run folders.
"""

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from data.common.errors import UserError, run_command
from data.common.options import count_from_1
from data.common.runs import RunFolder
from scripts.tables.jobs_view import Progress

POLL = 0.1  # seconds from one look for jobs that have ended to the next
MEMORY = 3 * 10**9  # bytes free for each job by default: the paper's document networks take 2 GB
LIST = "give '# title', run folder and config with tabs between, and commands below, as the table scripts do"
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")

EPILOG = """\
One job at a time writes to the terminal; of several, each writes to output.log in its run folder, and one view of all
of them goes to standard error. A job that fails ends the others as Ctrl-C does, and its exit code is that of this
command. The same list goes on where it was, for every command in it returns at once where its result is there.

example, the list as the table scripts write it:
  folder=runs/paper/20news/hatt/seed0 config=language/configs/paper/20news/hatt.yaml
  printf '# Hatt, seed 0\\t%s\\t%s\\npython -m language.train %s --seed 0\\n' $folder $config $config |
    python -m scripts.tables.jobs
"""


@dataclass(eq=False)
class Job:
    """One run of the list: `config` says how many epochs it will have until its run folder does."""

    title: str
    run: RunFolder
    config: Path
    commands: list[str]


def read_jobs(lines: Iterable[str]) -> list[Job]:
    """Reads a list of jobs.

    Raises:
        UserError: a line that begins a job has other parts, a command stands before the first one, or there is none.
    """
    jobs: list[Job] = []
    for number, line in enumerate((line.rstrip("\n") for line in lines), start=1):
        parts = line.removeprefix("# ").split("\t")
        if line.startswith("# ") and len(parts) == 3:
            jobs.append(Job(parts[0], RunFolder(Path(parts[1])), Path(parts[2]), commands=[]))
        elif jobs and not line.startswith("# "):
            jobs[-1].commands.append(line)
        else:
            raise UserError(f"standard input, line {number}: begins no job; {LIST}")
    if not jobs:
        raise UserError(f"standard input: lists no job; {LIST}")
    return jobs


def visible_gpus() -> list[str]:
    """Ids of the GPUs that may be used: those of CUDA_VISIBLE_DEVICES where it is set, else all."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [gpu for gpu in chosen.split(",") if gpu not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    return re.findall(r"^GPU (\d+):", listing.stdout, re.MULTILINE)


def default_count(runs: int, gpus: list[str]) -> int:
    """How many jobs run at a time: one a GPU or, without, one a core as far as the memory goes.

    On two cores, two documents trainings of one thread are 1.2 times as fast as one of two threads: their matrices
    are too small to share.
    """
    available = re.search(r"^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    fitting = int(available[1]) * 1024 // MEMORY
    return max(1, min(runs, len(gpus) or min(_cores(), fitting)))


def shares(count: int, gpus: list[str]) -> list[dict[str, str]]:
    """Environment variables of each of `count` jobs: equal parts of the cores' threads and of the GPUs.

    Raises:
        UserError: there are GPUs, and fewer than jobs.
    """
    threads = dict.fromkeys(THREADS, str(max(1, _cores() // count)))
    if not gpus:
        return [threads] * count
    if count > len(gpus):
        raise UserError(
            f"--jobs {count}: there are fewer GPUs ({','.join(gpus)}) and jobs do not share one; give --jobs "
            f"{len(gpus)}, or set CUDA_VISIBLE_DEVICES= and leave --gpus out to run on the CPU"
        )
    bounds = [len(gpus) * job // count for job in range(count + 1)]
    parts = [gpus[first:last] for first, last in zip(bounds, bounds[1:], strict=False)]
    return [{**threads, "CUDA_VISIBLE_DEVICES": ",".join(part)} for part in parts]


def _cores() -> int:
    return len(os.sched_getaffinity(0))


class RunningJob:
    """A job as a process of its own: its commands one after another, up to the first that fails.

    Args:
        job: what is run.
        share: environment variables, its share of the machine. Commands with a `--gpus` get its GPUs.
        output: file that all output is appended to; None leaves it on the terminal.
    """

    def __init__(self, job: Job, share: dict[str, str], output: Path | None):
        self.job = job
        self.share = share
        self.start = time.monotonic()
        self._output = output
        self._skip = output.stat().st_size if output and output.exists() else 0
        if output:
            output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("ab") if output else nullcontext() as file:
            self._process = subprocess.Popen(
                ["bash", "-ec", self._script()],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env={**os.environ, **share, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # It does not hear the terminal's Ctrl-C, and that of `stop` once.
            )

    @property
    def exit_code(self) -> int | None:
        """None while it runs; of a process that a signal ended, what a shell would say."""
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def error(self) -> str:
        """The last `error:` line that it wrote, without that word."""
        with self._output.open("rb") as file:
            file.seek(self._skip)
            lines = file.read().decode(errors="replace").splitlines()
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return errors[-1] if errors else f"ended with exit code {self.exit_code}"

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the job and whatever it has started, if it has not ended."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _script(self) -> str:
        """Shows and runs each command."""
        commands = self.job.commands
        if gpus := self.share.get("CUDA_VISIBLE_DEVICES"):
            commands = [re.sub(r"(?<= --gpus )\S+", gpus, command) for command in commands]
        return "\n".join(f"echo {shlex.quote(command)}\n{command}" for command in commands)


def run_jobs(jobs: list[Job], parts: list[dict[str, str]], signals: list[int]) -> int:
    """Runs the jobs in their order, as many at a time as there are parts of the machine.

    Args:
        jobs: what is run.
        parts: see `shares`.
        signals: grows as signals come that ask for an end.

    Returns:
        0, or the exit code of the first job that failed, after which the others were stopped.

    Raises:
        KeyboardInterrupt: an end was asked for, and the jobs were stopped.
    """
    waiting, free, running = list(jobs), list(parts), []
    progress = Progress(jobs, len(parts))
    caller = os.getppid()
    try:
        while waiting or running:
            if signals or os.getppid() != caller:  # A script that a signal ends does not hand that on.
                raise KeyboardInterrupt
            while waiting and free:
                job = waiting.pop(0)
                progress.started(job)
                output = job.run.path / "output.log" if len(parts) > 1 else None
                running.append(RunningJob(job, free.pop(0), output))
            progress.show(running)
            time.sleep(POLL)
            for ended in [one for one in running if one.exit_code is not None]:
                if ended.exit_code:
                    progress.failed(ended)
                    return ended.exit_code
                progress.ended(ended)
                running.remove(ended)
                free.append(ended.share)
    finally:
        progress.close()
        stop(running, signals)
    return 0


def stop(running: list[RunningJob], signals: list[int]) -> None:
    """Ends jobs as Ctrl-C does and waits for them; a further signal kills them."""
    for one in running:
        one.send(signal.SIGINT)
    before = len(signals)
    while any(one.exit_code is None for one in running):
        time.sleep(POLL)
        if len(signals) > before:
            for one in running:
                one.send(signal.SIGKILL)


def main() -> None:
    """Command line of `python -m scripts.tables.jobs`."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.tables.jobs",
        description="Runs the trainings that standard input lists side by side. The table scripts call this.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--jobs",
        type=count_from_1,
        metavar="N",
        help="how many at a time, each with an equal part of the cores' threads and of the GPUs; a GPU is never shared "
        "(default: one a GPU; without GPUs one a core, with 3 GB of free memory for each)",
    )
    parser.add_argument("--gpus", help="ids of the GPUs that may be used, as 0,1 (default: all)")
    options = parser.parse_args()
    jobs = read_jobs(sys.stdin)
    gpus = options.gpus.split(",") if options.gpus else visible_gpus()
    count = min(options.jobs or default_count(len(jobs), gpus), len(jobs))
    parts = shares(count, gpus)
    if count > 1:
        print(f"{len(jobs)} runs, {count} at a time; each writes to output.log in its folder", file=sys.stderr)
    try:
        sys.exit(run_jobs(jobs, parts, _hear_signals()))
    except KeyboardInterrupt:
        if count == 1:  # The job has said so on the same terminal.
            sys.exit(130)
        raise


def _hear_signals() -> list[int]:
    """Collects the signals that ask for an end: an exception in their place could part a job from who starts it.

    Of these, SIGINT is ignored by what a shell starts in its background. The jobs would inherit that, and are ended by
    it, so it is heard here all the same. SIGHUP is sent where a terminal closes, which the jobs do not see.
    """
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # As under nohup.
            signal.signal(number, lambda number, _: signals.append(number))
    return signals


if __name__ == "__main__":
    run_command(main)
