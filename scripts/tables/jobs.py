"""Runs several trainings at the same time: `python -m scripts.tables.jobs < LIST`.

LIST, which the scripts of tables write, contains jobs, one per run. A job is a line

    # TITLE: RUN_FOLDER CONFIG

followed by its commands, one per line, which run one after another. Paths are quoted as in a shell. Each job gets an
equal share of the cores and GPUs. The progress of all jobs is read from their run folders.
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
from contextlib import nullcontext
from pathlib import Path

from data.common.errors import UserError, run_command
from data.common.options import count_from_1
from scripts.tables.job_list import Job, read_jobs
from scripts.tables.jobs_view import Progress

POLL = 0.1  # seconds between checks for jobs that have ended
MEMORY = 3 * 10**9  # free bytes required per job by default: the paper's document networks take 2 GB
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")

EPILOG = """\
With one job at a time, the jobs print to the terminal. With several, each writes to output.log in its run folder, and
their progress is shown on standard error. If a job fails, the others are interrupted as by Ctrl-C, and its exit code is
returned. Rerun the same list to resume: commands whose results exist return at once.

example, the list as the scripts of tables write it:
  folder=runs/paper/20news/hatt/seed0 config=language/configs/paper/20news/hatt.yaml
  python -m scripts.tables.jobs <<END
  # Hatt, seed 0: $folder $config
  python -m language.train $config --seed 0
  python -m language.predict $folder
  END
"""


def visible_gpus() -> list[str]:
    """Ids of the GPUs that can be used: those of CUDA_VISIBLE_DEVICES if it is set, otherwise all."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [gpu for gpu in chosen.split(",") if gpu not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    return re.findall(r"^GPU (\d+):", listing.stdout, re.MULTILINE)


def default_count(runs: int, gpus: list[str]) -> int:
    """The number of jobs at a time: one per GPU; without GPUs, one per core while memory allows.

    On two cores, two trainings on documents with one thread each are 1.2 times as fast as one with two threads, because
    their matrices are too small to divide.
    """
    available = re.search(r"^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    fitting = int(available[1]) * 1024 // MEMORY
    return max(1, min(runs, len(gpus) or min(_cores(), fitting)))


def shares(count: int, gpus: list[str]) -> list[dict[str, str]]:
    """Environment variables of each of `count` jobs: equal shares of the threads and the GPUs.

    Raises:
        UserError: there are GPUs, but fewer than jobs.
    """
    threads = dict.fromkeys(THREADS, str(max(1, _cores() // count)))
    if not gpus:
        return [threads] * count
    if count > len(gpus):
        raise UserError(
            f"--jobs {count}: more jobs than GPUs ({','.join(gpus)}), and each job needs its own; use --jobs "
            f"{len(gpus)}, or set CUDA_VISIBLE_DEVICES= and omit --gpus to run on the CPU"
        )
    bounds = [len(gpus) * job // count for job in range(count + 1)]
    parts = [gpus[first:last] for first, last in zip(bounds, bounds[1:], strict=False)]
    return [{**threads, "CUDA_VISIBLE_DEVICES": ",".join(part)} for part in parts]


def _cores() -> int:
    return len(os.sched_getaffinity(0))


class RunningJob:
    """A process that runs the commands of a job, one after another, up to the first that fails.

    Args:
        job: the job.
        share: environment variables: its share of the machine. Its GPUs replace those of `--gpus` in the commands.
        output: file to which the output is appended; None prints it to the terminal.
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
                start_new_session=True,  # Ctrl-C on the terminal does not reach it: `stop` interrupts it, once.
            )

    @property
    def exit_code(self) -> int | None:
        """None while it runs; for a process that a signal ended, the exit code that a shell reports."""
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def error(self) -> str:
        """The last `error:` line in its output file, without this prefix; otherwise its exit code."""
        lines: list[str] = []
        if self._output:
            with self._output.open("rb") as file:
                file.seek(self._skip)
                lines = file.read().decode(errors="replace").splitlines()
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return errors[-1] if errors else f"ended with exit code {self.exit_code}"

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the job and the processes that it has started, if it has not ended."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _script(self) -> str:
        """Shell code that prints and runs each command."""
        commands = self.job.commands
        if gpus := self.share.get("CUDA_VISIBLE_DEVICES"):
            commands = [re.sub(r"(?<= --gpus )\S+", gpus, command) for command in commands]
        return "\n".join(f"echo {shlex.quote(command)}\n{command}" for command in commands)


def run_jobs(jobs: list[Job], parts: list[dict[str, str]], signals: list[int]) -> int:
    """Starts the jobs in order, as many at a time as there are shares of the machine.

    Args:
        jobs: the jobs.
        parts: the shares, see `shares`.
        signals: the signals received so far that ask this process to end; a list that grows.

    Returns:
        0, or the exit code of the first job that failed; the others have been stopped.

    Raises:
        KeyboardInterrupt: a signal was received, and the jobs have been stopped.
    """
    waiting, free, running = list(jobs), list(parts), []
    progress = Progress(jobs, len(parts))
    caller = os.getppid()
    try:
        while waiting or running:
            if signals or os.getppid() != caller:  # A script that is killed does not signal us.
                raise KeyboardInterrupt
            while waiting and free:
                job = waiting.pop(0)
                progress.started(job)
                output = job.run.path / "output.log" if len(parts) > 1 else None
                running.append(RunningJob(job, free.pop(0), output))
            progress.show([one.job for one in running])
            time.sleep(POLL)
            for ended in [one for one in running if one.exit_code is not None]:
                if ended.exit_code:
                    progress.failed(ended.job, ended.error())
                    return ended.exit_code
                progress.ended(ended.job, time.monotonic() - ended.start)
                running.remove(ended)
                free.append(ended.share)
    finally:
        progress.close()
        stop(running, signals)
    return 0


def stop(running: list[RunningJob], signals: list[int]) -> None:
    """Interrupts jobs as Ctrl-C does and waits for them to end; another signal kills them."""
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
        description="Runs the trainings listed on standard input, several at a time. The scripts of tables call this.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--jobs",
        type=count_from_1,
        metavar="N",
        help="jobs at a time, each with an equal share of the threads and GPUs; GPUs are not shared (default: one per "
        "GPU; without GPUs, one per core while each has 3 GB of free memory)",
    )
    parser.add_argument("--gpus", help="ids of the GPUs to use, such as 0,1 (default: all)")
    options = parser.parse_args()
    jobs = read_jobs(sys.stdin)
    gpus = options.gpus.split(",") if options.gpus else visible_gpus()
    count = min(options.jobs or default_count(len(jobs), gpus), len(jobs))
    parts = shares(count, gpus)
    if count > 1:
        print(f"{len(jobs)} runs, {count} at a time; each writes to output.log in its run folder", file=sys.stderr)
    try:
        sys.exit(run_jobs(jobs, parts, _collect_signals()))
    except KeyboardInterrupt:
        if count == 1:  # The job has printed the message to the same terminal.
            sys.exit(130)
        raise


def _collect_signals() -> list[int]:
    """Collects the signals that ask this process to end, in a list instead of an exception.

    An exception could occur between the start of a job and its registration. SIGINT is handled even if it is ignored,
    as in background commands of a shell, because the jobs would inherit this and are ended by SIGINT. SIGHUP, sent when
    a terminal closes, is handled unless it is ignored, as under nohup.
    """
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _: signals.append(number))
    return signals


if __name__ == "__main__":
    run_command(main)
