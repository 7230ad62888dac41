"""The quick start in a copy whose Python and set-up only note that they were called."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUB = f"""#!/usr/bin/env bash
[[ $2 != scripts.tables.jobs ]] || exec {sys.executable} "$@"
printf '%s\\n' "$(printf '%q ' "$@")" >> "$(dirname "$0")/calls"
"""


@pytest.fixture
def quickstart(tmp_path):
    """Calls the script in the copy; returns what it wrote and the commands that were given to Python."""
    root = tmp_path / "a copy"
    (root / ".venv/bin").mkdir(parents=True)
    for folder in ("scripts", "data", "language/configs", "vision/configs"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in {".venv/bin/python": STUB, "scripts/setup.sh": "#!/usr/bin/env bash\necho set up\n"}.items():
        (root / name).write_text(text)
        (root / name).chmod(0o755)

    def call(*options: str, **environment: str) -> tuple[subprocess.CompletedProcess, list[list[str]]]:
        command = [root / "scripts/quickstart.sh", *options]
        environment = {name: value for name, value in os.environ.items() if name != "FAN_DATA"} | environment
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        noted = root / ".venv/bin/calls"
        return done, [shlex.split(line) for line in noted.read_text().splitlines()] if noted.exists() else []

    return call


def test_it_sets_up_and_makes_tables_of_documents_and_images_from_the_miniature(quickstart, tmp_path):
    done, commands = quickstart(FAN_DATA="sets")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("set up\n")
    assert "\nTables 1, 6 and 9 and their figures are in runs/results/mini" in done.stdout
    reports = [" ".join(command[2:]) for command in commands if command[1] == "scripts.report"]
    assert reports == [
        f"{table} --preset mini --runs runs --out runs/results" for table in ("table6", "table1", "table9")
    ]
    trained = [command[2] for command in commands if command[1].endswith(".train")]
    assert len(trained) == len(set(trained)) == 3 + 5 + 2
    read = {command[command.index("--data") + 1] for command in commands if "--data" in command}
    assert read == {f"{tmp_path}/sets/mini"}


def test_a_mistake_gets_one_line_and_does_nothing(quickstart):
    done, commands = quickstart("--quick")
    assert (done.returncode, done.stdout, commands) == (2, "", [])
    assert done.stderr == "error: --quick: no such option; scripts/quickstart.sh --help says what it does\n"
