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
    ("error", "start"),
    [
        (UserError("a.yaml: wrong;\n  fix it"), "error: a.yaml: wrong; fix it\n"),
        (PermissionError(13, "Permission denied", "runs/paper"), "error: runs/paper: Permission denied; "),
        (OSError(28, "No space left on device"), "error: No space left on device; "),
        (OSError("not from the system"), "error: not from the system; "),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(error, start, capsys):
    with pytest.raises(SystemExit) as stop:
        run_command(failing(error))
    line = capsys.readouterr().err
    assert stop.value.code == 2
    assert line.startswith(start) and line.count("\n") == 1


@pytest.mark.parametrize("interrupt", [failing(KeyboardInterrupt()), lambda: os.kill(os.getpid(), signal.SIGTERM)])
def test_interruptions_are_one_line_and_exit_code_130(capsys, interrupt):
    with pytest.raises(SystemExit) as stop:
        run_command(interrupt)
    assert stop.value.code == 130
    assert capsys.readouterr().err.count("\n") == 1


def test_errors_of_the_program_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(failing(ZeroDivisionError()))


def run_into(target: str, count: int) -> subprocess.CompletedProcess:
    """Prints `count` lines into the shell expression `target`, buffered, as Python does without a terminal."""
    code = f"from data.common.errors import run_command\nrun_command(lambda: [print(n) for n in range({count})])"
    command = f'"{sys.executable}" -c "{code}" {target}; exit ${{PIPESTATUS[0]}}'
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment)


@pytest.mark.parametrize(("target", "output"), [("| head -n 1", "0\n"), ("| true", "")])
@pytest.mark.parametrize("count", [1, 100_000])
def test_a_closed_pipe_is_not_an_error(target, output, count):
    result = run_into(target, count)
    assert (result.stdout, result.stderr) == (output, "")
    assert result.returncode in (0, 128 + signal.SIGPIPE)


def test_output_to_a_full_disk_is_one_line():
    result = run_into("> /dev/full", 1)
    assert result.returncode == 2
    assert result.stderr.startswith("error: No space left on device;") and result.stderr.count("\n") == 1
