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
    ("error", "line"),
    [
        (UserError("a.yaml: wrong;\n  mend it"), "error: a.yaml: wrong; mend it\n"),
        (
            PermissionError(13, "Permission denied", "runs/paper"),
            "error: runs/paper: Permission denied; give a folder that you may write to\n",
        ),
        (
            OSError(28, "No space left on device"),
            "error: No space left on device; free some space on its disk and give the same command again\n",
        ),
        (OSError("not by the system"), "error: not by the system; mend that and try again\n"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(error, line, capsys):
    with pytest.raises(SystemExit) as stop:
        run_command(failing(error))
    assert (stop.value.code, capsys.readouterr().err) == (2, line)


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
