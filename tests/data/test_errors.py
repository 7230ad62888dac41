import subprocess
import sys

import pytest

from data.errors import UserError, run_command


def failing(error: BaseException):
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("a.yaml: wrong;\n  mend it"), "error: a.yaml: wrong; mend it\n"),
        (PermissionError(13, "Permission denied", "runs/paper"), "error: runs/paper: Permission denied\n"),
        (OSError(28, "No space left on device"), "error: [Errno 28] No space left on device\n"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(error, line, capsys):
    with pytest.raises(SystemExit) as stop:
        run_command(failing(error))
    assert (stop.value.code, capsys.readouterr().err) == (2, line)


def test_an_interruption_is_one_line_and_exit_code_130(capsys):
    with pytest.raises(SystemExit) as stop:
        run_command(failing(KeyboardInterrupt()))
    assert stop.value.code == 130
    assert capsys.readouterr().err.count("\n") == 1


def test_a_mistake_of_the_programmer_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(failing(ZeroDivisionError()))


def test_a_reader_that_leaves_a_pipe_early_hears_no_complaint():
    code = "from data.errors import run_command\nrun_command(lambda: [print(n) for n in range(100_000)])"
    result = subprocess.run(
        f'"{sys.executable}" -c "{code}" | head -n 1', shell=True, capture_output=True, text=True, check=True
    )
    assert (result.stdout, result.stderr) == ("0\n", "")
