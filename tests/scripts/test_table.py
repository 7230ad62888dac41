"""The table scripts, by --dry-run and in a copy whose Python only notes what it is asked to do."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
STUB = """#!/usr/bin/env bash
printf '%s\\n' "$(printf '%q ' "$@")" >> "$(dirname "$0")/calls"
[[ "$*" != *"${FAIL_AT:-nowhere}"* ]] || exit 3
"""


def call(script: Path, *options: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
    inherited = {name: value for name, value in os.environ.items() if name != "FAN_DATA"}
    command = [str(script), *options]
    return subprocess.run(command, cwd=cwd, env=inherited | environment, capture_output=True, text=True)


def dry_run(table: str, *options: str, cwd: Path = SCRIPTS.parent, **environment: str) -> list[list[str]]:
    """The commands the script would run, each as its arguments."""
    done = call(SCRIPTS / f"{table}.sh", "--dry-run", *options, cwd=cwd, **environment)
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in done.stdout.splitlines()]


@pytest.fixture
def copy(tmp_path) -> Path:
    """A root with a space in its path, the table scripts, and a Python that notes its arguments."""
    root = tmp_path / "a copy"
    (root / ".venv/bin").mkdir(parents=True)
    (root / "scripts").mkdir()
    for name in ("options.sh", "table.sh", "table6.sh", "table8.sh", "environment.sh"):
        shutil.copy(SCRIPTS / name, root / "scripts")
    (root / ".venv/bin/python").write_text(STUB)
    (root / ".venv/bin/python").chmod(0o755)
    return root


def calls(root: Path) -> list[list[str]]:
    return [shlex.split(line) for line in (root / ".venv/bin/calls").read_text().splitlines()]


def test_table_6_trains_predicts_and_evaluates_each_run_and_then_reports():
    commands = dry_run("table6", "--datasets", "20news", "--seeds", "2")
    run = "runs/paper/20news/fan-sup/seed2"
    config = "language/configs/paper/20news/fan-sup.yaml"
    assert [" ".join(command) for command in commands[-5:]] == [
        f"python -m language.train {config} --seed 2 --data datasets --runs runs",
        f"python -m language.predict {run} --data datasets",
        f"python -m scripts.evaluate classification {run}",
        f"python -m scripts.evaluate center-mass {run}",
        "python -m scripts.report table6 --preset paper --runs runs --out results",
    ]


def trainings(commands: list[list[str]]) -> list[tuple[str, str]]:
    return [(command[3], command[5]) for command in commands if command[2] == "language.train"]


def test_table_6_is_five_trials_of_three_variants_on_three_data_sets():
    runs = trainings(dry_run("table6"))
    assert len(set(runs)) == len(runs) == 45
    assert {config for config, _ in runs} == {
        f"language/configs/paper/{dataset}/{variant}.yaml"
        for dataset in ("20news", "yahoo-mini", "yahoo-half")
        for variant in ("hatt", "fan-unsup", "fan-sup")
    }
    assert {seed for _, seed in runs} == set("01234")


def test_table_8_is_five_trials_of_four_rules_and_shares_the_semantic_runs_of_table_6():
    runs = trainings(dry_run("table8"))
    shared = set(runs) & set(trainings(dry_run("table6")))
    assert len(runs) == 20
    assert shared == {("language/configs/paper/20news/fan-sup.yaml", seed) for seed in "01234"}


def test_hatt_has_no_center_mass():
    commands = dry_run("table6", "--preset", "mini")
    evaluated = [command[-1] for command in commands if "center-mass" in command]
    assert evaluated and not [run for run in evaluated if "/hatt/" in run]


@pytest.mark.parametrize("table", ["table6", "table8"])
def test_every_run_is_announced_with_its_number(table):
    done = call(SCRIPTS / f"{table}.sh", "--dry-run", "--datasets", "20news", "--seeds", "0,2")
    lines = done.stderr.splitlines()
    assert lines[-1] == f"[{len(lines)}/{len(lines)}] 20news fan-sup seed 2"


def test_the_miniature_is_written_when_it_is_not_there_and_one_seed_is_run(tmp_path):
    commands = dry_run("table8", "--preset", "mini", "--data", str(tmp_path))
    assert commands[0] == ["python", "-m", "data.mini", "--out", f"{tmp_path}/mini"]
    assert len(trainings(commands)) == 4
    assert all(command[-1] == f"{tmp_path}/mini" for command in commands if command[2] == "language.predict")
    (tmp_path / "mini").mkdir()
    assert dry_run("table8", "--preset", "mini", "--data", str(tmp_path)) == commands
    (tmp_path / "mini/lexicon.tsv").touch()
    assert dry_run("table8", "--preset", "mini", "--data", str(tmp_path)) == commands[1:]


def test_folders_are_meant_from_where_the_script_is_called(tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    commands = dry_run("table8", "--runs", "my runs", "--out", "/out", cwd=folder, FAN_DATA="sets")
    assert commands[0][-4:] == ["--data", f"{folder}/sets", "--runs", f"{folder}/my runs"]
    assert commands[-1][-4:] == ["--runs", f"{folder}/my runs", "--out", "/out"]


def test_the_data_option_is_stronger_than_the_environment():
    assert dry_run("table8", "--data", "here", FAN_DATA="/there")[1][-1] == "here"


def test_gpus_are_handed_to_training_and_prediction():
    commands = [command for command in dry_run("table6", "--gpus", "0,1") if command[2].startswith("language.")]
    assert len(commands) == 2 * 45
    assert all(command[-2:] == ["--gpus", "0,1"] for command in commands)


def test_a_dry_run_does_nothing(copy):
    assert call(copy / "scripts/table6.sh", "--dry-run", "--preset", "mini").returncode == 0
    assert sorted(path.name for path in copy.iterdir()) == [".venv", "scripts"]
    assert not (copy / ".venv/bin/calls").exists()


def test_what_is_run_is_what_a_dry_run_prints(copy, tmp_path):
    options = ["--preset", "mini", "--seeds", "0,1", "--runs", "my runs"]
    printed = call(copy / "scripts/table6.sh", "--dry-run", *options, cwd=tmp_path).stdout
    done = call(copy / "scripts/table6.sh", *options, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout == printed
    assert [["python", *command] for command in calls(copy)] == [shlex.split(line) for line in printed.splitlines()]


def test_a_failing_command_ends_the_script_with_its_exit_code(copy):
    done = call(copy / "scripts/table8.sh", FAIL_AT="evaluate classification")
    assert done.returncode == 3
    assert [command[1] for command in calls(copy)] == [
        "language.train",
        "language.predict",
        "scripts.evaluate",
    ]


def test_without_an_environment_one_line_says_so(copy):
    (copy / ".venv/bin/python").unlink()
    done = call(copy / "scripts/table6.sh")
    assert done.returncode == 2
    assert "run scripts/setup.sh" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "5x"], "--seeds 5x: must be whole numbers"),
        (["--seeds", "0 1"], "--seeds 0 1: must be whole numbers"),
        (["--seeds", "0,"], "--seeds 0,: must be whole numbers"),
        (["--seeds"], "--seeds: lacks its value"),
        (["--data", ""], "--data: lacks its value"),
        (["--preset", "big"], "--preset big: must be paper or mini"),
        (["--datasets", "20news,imdb"], "--datasets imdb: this table has 20news yahoo-mini yahoo-half"),
        (["--gpus", "all"], "--gpus all: must be numbers with commas between, as 0,1"),
        (["--sedes", "0"], "--sedes: no such option; scripts/table6.sh --help lists them"),
        (["extra"], "extra: no such option"),
    ],
)
def test_a_mistake_gets_one_line(options, message):
    done = call(SCRIPTS / "table6.sh", "--dry-run", *options)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {message}") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("table", ["table6", "table8"])
def test_help_teaches_every_option(table):
    done = call(SCRIPTS / f"{table}.sh", "--help")
    assert done.returncode == 0 and done.stderr == ""
    for option in ("--preset", "--seeds", "--datasets", "--data", "--runs", "--out", "--gpus", "--dry-run"):
        assert f"\n  {option} " in done.stdout
    assert f"example: scripts/{table}.sh --preset mini" in done.stdout
