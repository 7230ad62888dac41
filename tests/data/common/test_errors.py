import os
import signal
import subprocess
import sys

import pytest

from data.common.errors import UserError, run_command


def failing(error: BaseException):
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (UserError("a.yaml: wrong;\n  fix it"), ["a.yaml: wrong; fix it"]),
        (PermissionError(13, "Permission denied", "runs/paper"), ["runs/paper", "Permission denied"]),
        (OSError(28, "No space left on device"), ["No space left on device", "disk space"]),
        (OSError("not by the system"), ["not by the system"]),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(error, parts, capsys):
    with pytest.raises(SystemExit) as stop:
        run_command(failing(error))
    written = capsys.readouterr().err
    assert stop.value.code == 2
    assert written.startswith("error: ") and written.count("\n") == 1
    assert all(part in written for part in parts)


@pytest.mark.parametrize("interrupt", [failing(KeyboardInterrupt()), lambda: os.kill(os.getpid(), signal.SIGTERM)])
def test_an_interruption_is_one_line_and_exit_code_130(capsys, interrupt):
    with pytest.raises(SystemExit) as stop:
        run_command(interrupt)
    assert stop.value.code == 130
    assert capsys.readouterr().err.count("\n") == 1


def test_a_mistake_of_the_programmer_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(failing(ZeroDivisionError()))


def into(target: str, count: int) -> subprocess.CompletedProcess:
    """Prints `count` lines into a shell's `target`, buffered, as Python does where that is no terminal."""
    code = f"from data.common.errors import run_command\nrun_command(lambda: [print(n) for n in range({count})])"
    command = f'"{sys.executable}" -c "{code}" {target}; exit ${{PIPESTATUS[0]}}'
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment)


@pytest.mark.parametrize(("target", "said"), [("| head -n 1", "0\n"), ("| true", "")])
@pytest.mark.parametrize("count", [1, 100_000])
def test_a_reader_that_leaves_a_pipe_early_hears_no_complaint(target, said, count):
    result = into(target, count)
    assert (result.stdout, result.stderr) == (said, "")
    assert result.returncode in (0, 128 + signal.SIGPIPE)


def test_output_that_cannot_be_written_is_one_line():
    result = into("> /dev/full", 1)
    assert result.returncode == 2
    assert result.stderr.startswith("error: No space left on device;") and result.stderr.count("\n") == 1
