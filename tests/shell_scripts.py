"""Calls the scripts in scripts/: by --dry-run, or in a copy of the repository with a stub in place of Python."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Runs the modules that read options and run jobs; appends the arguments of all others to a file. Waits or fails at
# commands that contain WAIT_AT or FAIL_AT.
PYTHON = f"""#!/usr/bin/env bash
case "$2" in
  scripts.*.options | scripts.tables.jobs | scripts.tables.costs) exec {sys.executable} "$@" ;;
esac
printf '%s\\n' "$(printf '%q ' "$@")" >> "$(dirname "$0")/calls"
[[ "$*" != *"${{WAIT_AT:-nowhere}}"* ]] || sleep 30
[[ "$*" != *"${{FAIL_AT:-nowhere}}"* ]] || {{ echo "error: it fails" >&2; exit 3; }}
"""


def call(script: Path, *options: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    inherited = {name: value for name, value in os.environ.items() if name != "FAN_DATA"}
    command = [str(script), *options]
    return subprocess.run(command, cwd=cwd, env=inherited | environment, capture_output=True, text=True)


def call_script(name: str, *options: str, **more) -> subprocess.CompletedProcess:
    return call(ROOT / "scripts" / f"{name}.sh", *options, **more)


def dry_run(name: str, *options: str, **more) -> list[str]:
    """The commands that a script would run, with the words as they are after the shell has read them."""
    done = call_script(name, "--dry-run", *options, **more)
    assert done.returncode == 0, done.stderr
    return [" ".join(shlex.split(line)) for line in done.stdout.splitlines()]


def assert_one_line_error(done: subprocess.CompletedProcess, *parts: str) -> None:
    """A mistake ends a script before it prints or runs anything, with one line that contains these parts."""
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert all(part in done.stderr for part in parts), done.stderr


class Copy:
    """A copy of what the scripts need, in a folder with a space in its name; its Python is the stub above."""

    def __init__(self, folder: Path):
        self.root = folder / "a copy"
        self._calls = self.root / ".venv/bin/calls"
        for name in ("scripts", "data", "language/configs", "vision/configs"):
            shutil.copytree(ROOT / name, self.root / name, ignore=shutil.ignore_patterns("__pycache__"))
        self.add_program(".venv/bin/python", PYTHON)

    def add_program(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def call(self, name: str, *options: str, **more) -> subprocess.CompletedProcess:
        return call(self.root / "scripts" / f"{name}.sh", *options, **more)

    def calls(self) -> list[str]:
        """The commands that the stub was called with."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [" ".join(["python", *shlex.split(line)]) for line in lines]
