"""Several jobs at a time, with shell commands in place of trainings."""

import fcntl
import json
import os
import pty
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from data.common.errors import UserError
from scripts.tables import jobs, jobs_view
from scripts.tables.job_list import read_jobs
from scripts.tables.jobs import default_count, run_jobs, shares, visible_gpus
from scripts.tables.jobs_view import count_epochs, describe

REPOSITORY = Path(__file__).parents[3]


class Listed:
    """A list of jobs whose commands write what they do to `events`."""

    def __init__(self, root: Path):
        self.root = root
        self.events = root / "events"
        self.config = root / "config.yaml"
        self.config.write_text("training:\n  epochs: 4\n")
        self.lines: list[str] = []

    def add(self, title: str, *commands: str) -> Path:
        folder = self.root / "runs" / title
        self.lines += [
            f"# {title}: {shlex.join(map(str, (folder, self.config)))}\n",
            *(f"{command}\n" for command in commands),
        ]
        return folder

    def note(self, event: str) -> str:
        """The command that writes an event."""
        return f'printf "%s\\n" {event} >> "$EVENTS"'

    def noted(self) -> list[str]:
        return self.events.read_text().splitlines() if self.events.exists() else []

    def wait_for(self, event: str) -> None:
        end = time.monotonic() + 20
        while event not in self.noted():
            assert time.monotonic() < end, f"no event {event}; events: {self.noted()}"
            time.sleep(0.02)

    def run(self, count: int, gpus: list[str] | None = None) -> int:
        return run_jobs(read_jobs(self.lines), shares(count, gpus or []), signals=[])

    def start(self, *options: str, **environment: str) -> subprocess.Popen:
        """`python -m scripts.tables.jobs` with this list."""
        path = self.root / "list"
        path.write_text("".join(self.lines))
        command = [sys.executable, "-m", "scripts.tables.jobs", *options]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with path.open() as file:
            return subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | environment, stdin=file, **pipes)


@pytest.fixture
def listed(tmp_path, monkeypatch) -> Listed:
    """An empty list, in a folder with a space in its name."""
    monkeypatch.setattr(jobs, "POLL", 0.01)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    root = tmp_path / "a folder"
    root.mkdir()
    monkeypatch.setenv("EVENTS", str(root / "events"))
    return Listed(root)


def log_epochs(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [{"epoch": epoch, "loss": 2.0 / epoch, "accuracy": 0.25, "seconds": 1.0} for epoch in range(1, count + 1)]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


# --- the list -------------------------------------------------------------------------------------------------------


def test_a_list_is_read_into_its_jobs():
    first, second = read_jobs(["# a b: 'my runs/a' c.yaml\n", "one\\ two \n", "three\n", "# b: runs/b d.yaml\n"])
    assert (first.title, first.run.path, first.config) == ("a b", Path("my runs/a"), Path("c.yaml"))
    assert first.commands == ["one\\ two", "three"]
    assert second.commands == []


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        (["python -m language.train\n"], "line 1: "),
        (["# a: runs/a c.yaml\n", "# b: runs/b\n"], "line 2: "),
        ([], "standard input: no jobs"),
    ],
)
def test_other_lists_are_refused(lines, place):
    with pytest.raises(UserError, match=place):
        read_jobs(lines)


# --- shares of the machine ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "threads"), [(1, "8"), (2, "4"), (3, "2"), (8, "1"), (20, "1")])
def test_threads_are_divided(monkeypatch, count, threads):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    assert shares(count, []) == [dict.fromkeys(names, threads)] * count


def test_gpus_are_divided_and_not_shared():
    assert [part["CUDA_VISIBLE_DEVICES"] for part in shares(2, ["0", "1"])] == ["0", "1"]
    assert [part["CUDA_VISIBLE_DEVICES"] for part in shares(1, ["0", "1"])] == ["0,1"]
    assert [part["CUDA_VISIBLE_DEVICES"] for part in shares(2, ["0", "1", "5"])] == ["0", "1,5"]
    with pytest.raises(UserError, match="--jobs 3: "):
        shares(3, ["0", "1"])


def test_default_is_one_job_per_gpu_or_per_core_with_memory(monkeypatch):
    assert default_count(9, ["0", "1", "2"]) == 3
    assert default_count(2, ["0", "1", "2"]) == 2
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    monkeypatch.setattr(jobs, "MEMORY", 1)
    assert default_count(9, []) == 4
    assert default_count(3, []) == 3
    monkeypatch.setattr(jobs, "MEMORY", 10**18)
    assert default_count(9, []) == 1


def test_visible_gpus_are_used(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-5ebe")
    assert visible_gpus() == ["2", "GPU-5ebe"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == []
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: A (UUID: x)'\necho 'GPU 1: B (UUID: y)'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert visible_gpus() == ["0", "1"]


def test_a_job_sees_only_its_share(listed):
    for title in "abcd":
        listed.add(title, listed.note("$CUDA_VISIBLE_DEVICES"), "echo --data x --gpus 3,5 --out y", "sleep 0.1")
    assert listed.run(2, ["3", "5"]) == 0
    assert sorted(listed.noted()) == ["3", "3", "5", "5"]
    for title in "abcd":
        told = (listed.root / "runs" / title / "output.log").read_text().splitlines()
        assert told[1] == "echo --data x --gpus " + told[2].split()[3] + " --out y"
        assert told[2] in ("--data x --gpus 3 --out y", "--data x --gpus 5 --out y")


# --- running --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3])
def test_jobs_start_in_order_with_a_limit(listed, count):
    for title in "abcdef":
        listed.add(title, listed.note(f"+{title}"), "sleep 0.1", listed.note(f"-{title}"))
    assert listed.run(count) == 0
    starts = [event[1] for event in listed.noted() if event[0] == "+"]
    if count == 1:
        assert listed.noted() == [f"{sign}{title}" for title in "abcdef" for sign in "+-"]
    assert sorted(starts) == list("abcdef")
    assert all(abs(starts.index(title) - "abcdef".index(title)) < count for title in "abcdef")
    at_once = [sum(1 if event[0] == "+" else -1 for event in listed.noted()[:end]) for end in range(13)]
    assert max(at_once) == count


def test_a_job_stops_at_its_first_failing_command(listed, capfd):
    folder = listed.add("a", listed.note("one"), "echo 'error: out of ink' >&2; (exit 7)", listed.note("three"))
    listed.add("b", "sleep 0.01")
    assert listed.run(2) == 7
    assert listed.noted() == ["one"]
    (error,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert error.startswith("error: a: out of ink ") and f"{folder}/output.log" in error


def test_exit_code_is_shown_if_a_job_prints_no_error(listed, capfd):
    folder = listed.add("a", "kill -KILL $$")
    listed.add("b", "sleep 0.01")
    folder.mkdir(parents=True)
    (folder / "output.log").write_text("error: of an earlier call\n")
    assert listed.run(2) == 128 + signal.SIGKILL
    assert "error: a: ended with exit code 137 " in capfd.readouterr().err


def test_a_failure_interrupts_the_other_jobs(listed):
    listed.add("a", f"trap '{listed.note('interrupted')}; sleep 0.3; {listed.note('ended')}; exit 130' INT; sleep 20")
    listed.add("b", "sleep 0.3; (exit 3)")
    listed.add("c", listed.note("started"))
    start = time.monotonic()
    assert listed.run(2) == 3
    assert listed.noted() == ["interrupted", "ended"]
    assert time.monotonic() - start < 10


def test_a_single_job_prints_to_the_terminal(listed, capfd):
    folder = listed.add("a b", "echo hello", "echo oh >&2")
    assert listed.run(1) == 0
    captured = capfd.readouterr()
    assert captured.out == "echo hello\nhello\necho oh >&2\n"
    assert captured.err == "[1/1] a b\noh\n"
    assert not folder.exists()


def test_several_jobs_append_to_their_own_files(listed, capfd):
    folder = listed.add("a", "echo hello", "echo oh >&2")
    listed.add("b", "echo hi")
    assert listed.run(2) == listed.run(2) == 0
    assert (folder / "output.log").read_text() == 2 * "echo hello\nhello\necho oh >&2\noh\n"
    assert capfd.readouterr().out == ""


TRAPPED = """trap '{note}; exit 130' INT; {ready}; sleep 20"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_all_jobs(listed, number):
    for title in "abc":
        listed.add(title, TRAPPED.format(note=listed.note(f"-{title}"), ready=listed.note(f"+{title}")))
    process = listed.start("--jobs", "2")
    listed.wait_for("+a")
    listed.wait_for("+b")
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert sorted(listed.noted()) == ["+a", "+b", "-a", "-b"]
    assert errors.splitlines()[-1].startswith("interrupted")


def test_a_second_signal_kills_jobs(listed):
    listed.add("a", f"trap '{listed.note('-a')}' INT; {listed.note('+a')}; while true; do sleep 0.1; done")
    process = listed.start()
    for event in ("+a", "-a"):
        listed.wait_for(event)
        process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors == "[1/1] a\n"  # a single job prints the message itself


def test_jobs_of_background_scripts_can_be_interrupted(listed):
    listed.add("a", TRAPPED.format(note=listed.note("-a"), ready=listed.note("+a")))
    mask = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell starts background commands
    try:
        process = listed.start()
    finally:
        signal.signal(signal.SIGINT, mask)
    listed.wait_for("+a")
    process.terminate()
    assert process.wait(timeout=20) == 130
    assert listed.noted() == ["+a", "-a"]


def test_jobs_end_with_their_script(listed):
    listed.add("a", TRAPPED.format(note=listed.note("-a"), ready=listed.note("+a")))
    (listed.root / "list").write_text("".join(listed.lines))
    script = 'cat "$0" | "$1" -m scripts.tables.jobs; exit'
    command = ["bash", "-c", script, str(listed.root / "list"), sys.executable]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as caller:
        listed.wait_for("+a")
        caller.kill()
    listed.wait_for("-a")
    assert listed.noted() == ["+a", "-a"]


# --- the command ----------------------------------------------------------------------------------------------------


def test_default_is_as_many_jobs_as_gpus(listed):
    for title in "ab":
        listed.add(title, listed.note("$CUDA_VISIBLE_DEVICES"))
    process = listed.start("--gpus", "4,6")
    assert process.communicate(timeout=20)[1].startswith("2 runs, 2 at a time")
    assert sorted(listed.noted()) == ["4", "6"]


def test_more_jobs_than_gpus_are_refused_before_anything_runs(listed):
    for title in "ab":
        listed.add(title, listed.note(title))
    process = listed.start("--jobs", "2", "--gpus", "0")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert errors.startswith("error: --jobs 2: ") and errors.count("\n") == 1
    assert listed.noted() == []


# --- the view -------------------------------------------------------------------------------------------------------


def test_epochs_are_read_from_config_log_and_record(listed):
    folder = listed.add("a")
    (job,) = read_jobs(listed.lines)
    assert count_epochs(job) == (0, 4)
    log_epochs(folder, 3)
    (folder / "config.yaml").write_text("training:\n  epochs: 6\n")
    assert count_epochs(job) == (3, 6)
    assert describe(job) == "a: 3 of 6 epochs, loss 0.667, accuracy 0.250"
    (folder / "run.json").touch()
    assert count_epochs(job) == (6, 6)
    assert describe(job) == "a: trained, predicting and evaluating"


def test_progress_without_a_terminal_is_lines(listed, capfd, monkeypatch):
    monkeypatch.setattr(jobs_view, "REPORT", 0.1)
    log_epochs(listed.add("a", "sleep 0.3"), 2)
    log_epochs(listed.add("b", "sleep 0.01"), 4)
    assert listed.run(2) == 0
    lines = capfd.readouterr().err.splitlines()
    assert lines[:2] == ["[1/2] a", "[2/2] b"]
    assert "[2/2] b: done in 00:00" in lines and "[1/2] a: done in 00:00" in lines
    assert "6 of 8 epochs, 00:00 elapsed, ? left; a: 2 of 4 epochs, loss 1.000, accuracy 0.250" in lines


def test_progress_on_a_terminal_is_a_bar_and_lines(listed):
    log_epochs(listed.add("a", "sleep 0.5"), 2)
    log_epochs(listed.add("b", "sleep 0.5"), 1)
    (listed.root / "list").write_text("".join(listed.lines))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    command = [sys.executable, "-m", "scripts.tables.jobs", "--jobs", "2"]
    with (listed.root / "list").open() as file:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdin=file, stderr=theirs)
    os.close(theirs)
    shown = _read_to_end(ours)
    assert process.wait(timeout=20) == 0
    assert "all runs:  38%" in shown and "| 3/8 [" in shown
    assert "a: 2 of 4 epochs, loss 1.000, accuracy 0.250" in shown and "b: 1 of 4 epochs" in shown
    assert "[1/2] a: done in 00:00" in shown


def _read_to_end(terminal: int) -> str:
    shown = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # raised by a terminal at the end
            part = b""
        if not part:
            os.close(terminal)
            return shown.decode()
        shown += part
