"""Jobs side by side, with commands of the shell in the place of trainings."""

import fcntl
import json
import os
import pty
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
from scripts.tables.jobs import default_count, read_jobs, run_jobs, shares, visible_gpus
from scripts.tables.jobs_view import count_epochs, describe

REPOSITORY = Path(__file__).parents[3]


class Listed:
    """A list of jobs whose commands note in `events` what they do."""

    def __init__(self, root: Path):
        self.root = root
        self.events = root / "events"
        self.config = root / "config.yaml"
        self.config.write_text("training:\n  epochs: 4\n")
        self.lines: list[str] = []

    def add(self, title: str, *commands: str) -> Path:
        folder = self.root / "runs" / title
        self.lines += [f"# {title}\t{folder}\t{self.config}\n", *(f"{command}\n" for command in commands)]
        return folder

    def note(self, event: str) -> str:
        """The command that notes an event."""
        return f'printf "%s\\n" {event} >> "$EVENTS"'

    def noted(self) -> list[str]:
        return self.events.read_text().splitlines() if self.events.exists() else []

    def wait_for(self, event: str) -> None:
        end = time.monotonic() + 20
        while event not in self.noted():
            assert time.monotonic() < end, f"{event} did not come; there were {self.noted()}"
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
    """An empty list in a folder with a space in its name."""
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
    first, second = read_jobs(["# a b\truns/a\tc.yaml\n", "one\\ two\n", "three\n", "# b\truns/b\td.yaml\n"])
    assert (first.title, first.run.path, first.config) == ("a b", Path("runs/a"), Path("c.yaml"))
    assert first.commands == ["one\\ two", "three"]
    assert second.commands == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["python -m language.train\n"], "line 1: begins no job"),
        (["# a\truns/a\tc.yaml\n", "# b\truns/b\n"], "line 2: begins no job"),
        ([], "lists no job"),
    ],
)
def test_what_is_no_list_is_refused(lines, message):
    with pytest.raises(UserError, match=message):
        read_jobs(lines)


# --- shares of the machine ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "threads"), [(1, "8"), (2, "4"), (3, "2"), (8, "1"), (20, "1")])
def test_the_cores_threads_are_divided(monkeypatch, count, threads):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    assert shares(count, []) == [dict.fromkeys(names, threads)] * count


def test_gpus_are_divided_and_never_shared():
    assert [part["CUDA_VISIBLE_DEVICES"] for part in shares(2, ["0", "1"])] == ["0", "1"]
    assert [part["CUDA_VISIBLE_DEVICES"] for part in shares(1, ["0", "1"])] == ["0,1"]
    assert [part["CUDA_VISIBLE_DEVICES"] for part in shares(2, ["0", "1", "5"])] == ["0", "1,5"]
    with pytest.raises(UserError, match="--jobs 3: there are fewer GPUs"):
        shares(3, ["0", "1"])


def test_by_default_a_gpu_has_one_job():
    assert default_count(9, ["0", "1", "2"]) == 3
    assert default_count(2, ["0", "1", "2"]) == 2


def test_by_default_a_core_has_one_job_as_far_as_the_memory_goes(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    monkeypatch.setattr(jobs, "MEMORY", 1)
    assert default_count(9, []) == 4
    assert default_count(3, []) == 3
    monkeypatch.setattr(jobs, "MEMORY", 10**18)
    assert default_count(9, []) == 1


def test_all_gpus_that_may_be_seen_are_used(tmp_path, monkeypatch):
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


def test_a_job_sees_its_share_alone(listed):
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
def test_jobs_start_in_their_order_and_no_more_than_asked_for_at_once(listed, count):
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


def test_a_job_stops_at_its_first_command_that_fails_and_its_error_is_shown(listed, capfd):
    folder = listed.add("a", listed.note("one"), "echo 'error: out of ink' >&2; (exit 7)", listed.note("three"))
    listed.add("b", "sleep 0.01")
    assert listed.run(2) == 7
    assert listed.noted() == ["one"]
    assert f"error: a: out of ink (all its output: {folder}/output.log)\n" in capfd.readouterr().err


def test_where_a_job_names_no_error_its_exit_code_is_shown(listed, capfd):
    folder = listed.add("a", "kill -KILL $$")
    listed.add("b", "sleep 0.01")
    folder.mkdir(parents=True)
    (folder / "output.log").write_text("error: of an earlier call\n")
    assert listed.run(2) == 128 + signal.SIGKILL
    assert "error: a: ended with exit code 137 " in capfd.readouterr().err


def test_a_failure_interrupts_the_other_jobs_and_waits_for_them(listed):
    listed.add("a", f"trap '{listed.note('interrupted')}; sleep 0.3; {listed.note('ended')}; exit 130' INT; sleep 20")
    listed.add("b", "sleep 0.3; (exit 3)")
    listed.add("c", listed.note("started"))
    start = time.monotonic()
    assert listed.run(2) == 3
    assert listed.noted() == ["interrupted", "ended"]
    assert time.monotonic() - start < 10


def test_one_job_at_a_time_writes_to_the_terminal(listed, capfd):
    folder = listed.add("a b", "echo hello", "echo oh >&2")
    assert listed.run(1) == 0
    captured = capfd.readouterr()
    assert captured.out == "echo hello\nhello\necho oh >&2\n"
    assert captured.err == "[1/1] a b\noh\n"
    assert not folder.exists()


def test_of_several_each_appends_to_its_own_file(listed, capfd):
    folder = listed.add("a", "echo hello", "echo oh >&2")
    listed.add("b", "echo hi")
    assert listed.run(2) == listed.run(2) == 0
    assert (folder / "output.log").read_text() == 2 * "echo hello\nhello\necho oh >&2\noh\n"
    assert capfd.readouterr().out == ""


TRAPPED = """trap '{note}; exit 130' INT; {ready}; sleep 20"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_each_job_and_starts_no_other(listed, number):
    for title in "abc":
        listed.add(title, TRAPPED.format(note=listed.note(f"-{title}"), ready=listed.note(f"+{title}")))
    process = listed.start("--jobs", "2")
    listed.wait_for("+a")
    listed.wait_for("+b")
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert sorted(listed.noted()) == ["+a", "+b", "-a", "-b"]
    assert errors.splitlines()[-1] == "interrupted; the same command goes on from the last whole step"


def test_a_second_signal_kills_what_does_not_end(listed):
    listed.add("a", f"trap '{listed.note('-a')}' INT; {listed.note('+a')}; while true; do sleep 0.1; done")
    process = listed.start()
    for event in ("+a", "-a"):
        listed.wait_for(event)
        process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130


def test_a_single_job_that_is_interrupted_says_so_itself(listed):
    listed.add("a", TRAPPED.format(note="echo interrupted >&2", ready=listed.note("+a")))
    process = listed.start("--jobs", "1")
    listed.wait_for("+a")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors == "[1/1] a\ninterrupted\n"


def test_jobs_of_a_script_in_the_background_can_be_interrupted_too(listed):
    listed.add("a", TRAPPED.format(note=listed.note("-a"), ready=listed.note("+a")))
    mask = signal.signal(signal.SIGINT, signal.SIG_IGN)  # As a shell starts what is in its background.
    try:
        process = listed.start()
    finally:
        signal.signal(signal.SIGINT, mask)
    listed.wait_for("+a")
    process.terminate()
    assert process.wait(timeout=20) == 130
    assert listed.noted() == ["+a", "-a"]


def test_jobs_end_with_the_script_that_called_for_them(listed):
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


def test_the_command_takes_as_many_jobs_as_there_are_gpus(listed):
    for title in "ab":
        listed.add(title, listed.note("$CUDA_VISIBLE_DEVICES"))
    process = listed.start("--gpus", "4,6")
    assert process.communicate(timeout=20)[1].startswith("2 runs, 2 at a time")
    assert sorted(listed.noted()) == ["4", "6"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--jobs", "0"], "error: argument --jobs: 0 is no whole number from 1"),
        (["--jobs", "2", "--gpus", "0"], "error: --jobs 2: there are fewer GPUs (0) and jobs do not share one"),
    ],
)
def test_a_mistake_gets_its_line_before_anything_runs(listed, options, message):
    for title in "ab":
        listed.add(title, listed.note(title))
    process = listed.start(*options)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert message in errors.splitlines()[-1]
    assert listed.noted() == []


# --- the view -------------------------------------------------------------------------------------------------------


def test_epochs_are_counted_from_config_log_and_record(listed):
    folder = listed.add("a")
    (job,) = read_jobs(listed.lines)
    assert count_epochs(job) == (0, 4)
    log_epochs(folder, 3)
    (folder / "config.yaml").write_text("training:\n  epochs: 6\n")
    assert count_epochs(job) == (3, 6)
    assert describe(job) == "a: 3 of 6 epochs, loss 0.667, accuracy 0.250"
    (folder / "run.json").touch()
    assert count_epochs(job) == (6, 6)
    assert describe(job) == "a: trained, predicts and evaluates"


def test_a_config_without_epochs_is_refused(listed):
    listed.add("a")
    listed.config.write_text("training: soon\n")
    with pytest.raises(UserError, match=r"config\.yaml: holds no training\.epochs"):
        count_epochs(read_jobs(listed.lines)[0])


def test_without_a_terminal_lines_tell_of_starts_ends_and_the_epochs_between(listed, capfd, monkeypatch):
    monkeypatch.setattr(jobs_view, "REPORT", 0.1)
    log_epochs(listed.add("a", "sleep 0.3"), 2)
    log_epochs(listed.add("b", "sleep 0.01"), 4)
    assert listed.run(2) == 0
    lines = capfd.readouterr().err.splitlines()
    assert lines[:2] == ["[1/2] a", "[2/2] b"]
    assert "[2/2] b: done in 00:00" in lines and "[1/2] a: done in 00:00" in lines
    assert "6 of 8 epochs, 00:00 so far, ? to go; a: 2 of 4 epochs, loss 1.000, accuracy 0.250" in lines


def test_on_a_terminal_a_bar_tells_of_all_runs_and_a_line_of_each_that_runs(listed):
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
        except OSError:  # What a terminal gives for an end.
            part = b""
        if not part:
            os.close(terminal)
            return shown.decode()
        shown += part
