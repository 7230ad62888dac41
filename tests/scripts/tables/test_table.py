"""The scripts of tables: their commands by --dry-run, and how they run them in a copy with a stub of Python."""

import doctest
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.tables import options
from scripts.tables.paper import Table, read_tables
from tests.shell_scripts import ROOT, Copy, assert_one_line_error, call_script, dry_run

SMALL = ["table1", "table3", "table4", "table5", "table7", "table9", "compare_relation_networks", "bccd"]


@pytest.fixture
def copy(tmp_path) -> Copy:
    return Copy(tmp_path)


def trainings(commands: list[str]) -> list[tuple[str, str]]:
    """The configs and seeds of the training commands."""
    words = [command.split() for command in commands]
    return [(word[3], word[5]) for word in words if word[2] in ("language.train", "vision.train", "vision.scene")]


# --- the commands ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", read_tables().values(), ids=lambda table: table.name)
def test_script_trains_the_runs_of_its_table(table: Table):
    preset = table.presets[0]
    table = table.at(preset)
    datasets = {row.dataset for row in table.rows}
    runs = [run for run in trainings(dry_run(table.name)) if Path(run[0]).parent.name in datasets]  # without detectors
    trials = {(row.dataset, variant): row.trials for row in table.rows for variant in row.cells}
    expected = [(f"{preset}/{'/'.join(run)}.yaml", str(seed)) for run in trials for seed in range(trials[run])]
    assert sorted((config.partition("configs/")[2], seed) for config, seed in runs) == sorted(expected)


@pytest.mark.parametrize(
    ("table", "preset"),
    [
        *(
            (name, preset)
            for preset in ("paper", "mini")
            for name in [*read_tables(), "study_documents"]
            if name != "bccd"
        ),
        *((name, "small") for name in SMALL),
    ],
)
def test_every_config_exists(table, preset):
    configs = [config for config, _ in trainings(dry_run(table, "--preset", preset))]
    assert configs and all(f"/configs/{preset}/" in config and (ROOT / config).exists() for config in configs)


EVALUATED_IMAGES = [
    "python -m scripts.evaluate detection {run} --data /data",
    "python -m scripts.evaluate relations {run} --distinct --data /data",
]
TRAINING_IMAGES = "python -m vision.predict {run} --training-images --data /data --gpus 0"
CENTER_MASS = "python -m scripts.evaluate center-mass {run}"


@pytest.mark.parametrize(
    ("table", "module", "run", "evaluated"),
    [
        ("table1", "vision.train", "paper/voc07/fan-sup", [*EVALUATED_IMAGES, CENTER_MASS]),
        ("table4", "vision.train", "paper/minicoco/base", EVALUATED_IMAGES),
        ("table9", "vision.train", "paper/minicoco/fan-sup", [*EVALUATED_IMAGES, TRAINING_IMAGES, CENTER_MASS]),
        ("bccd", "vision.train", "small/bccd/fan-sup", [*EVALUATED_IMAGES, TRAINING_IMAGES, CENTER_MASS]),
        (
            "table2",
            "vision.train",
            "paper/visual_genome/fan-sup-gt",
            [
                "python -m scripts.evaluate relations {run} --rule annotated --distinct --data /data",
                "python -m scripts.evaluate relations {run} --rule annotated --unordered --data /data",
                CENTER_MASS,
            ],
        ),
        ("table5", "vision.scene", "paper/mit67/fan-sup", ["python -m scripts.evaluate classification {run}"]),
        ("table6", "language.train", "paper/20news/hatt", ["python -m scripts.evaluate classification {run}"]),
        (
            "table8",
            "language.train",
            "paper/20news/fan-sup",
            ["python -m scripts.evaluate classification {run}", CENTER_MASS],
        ),
    ],
)
def test_run_is_trained_predicted_and_evaluated(table, module, run, evaluated):
    stack, folder = module.partition(".")[0], f"runs/{run}/seed2"
    config = f"{stack}/configs/{run}.yaml"
    commands = dry_run(table, "--seeds", "2", "--data", "/data", "--gpus", "0")
    assert [command for command in commands if folder in command or f"{module} {config}" in command] == [
        f"python -m {module} {config} --seed 2 --data /data --runs runs --gpus 0",
        f"python -m {stack}.predict {folder} {'--scene ' if table == 'table5' else ''}--data /data --gpus 0",
        *(command.format(run=folder) for command in evaluated),
    ]
    preset = run.partition("/")[0]
    assert commands[-1] == f"python -m scripts.report {table} --preset {preset} --runs runs --out results"


@pytest.mark.parametrize(
    ("table", "other", "shared"),
    [
        ("table1", "table3", 9),
        ("table7", "table1", 6),
        ("table9", "table4", 2),
        ("table5", "table4", 3),
        ("table8", "table6", 10),
    ],
)
def test_tables_share_runs(table, other, shared):
    assert len(set(trainings(dry_run(table))) & set(trainings(dry_run(other)))) == shared


def test_table_5_trains_its_detectors_before_its_columns():
    configs = [config for config, _ in trainings(dry_run("table5", "--preset", "small", "--seeds", "1"))]
    assert [config.removeprefix("vision/configs/small/") for config in configs] == [
        *(f"voc07/{variant}.yaml" for variant in ("base", "fan-unsup", "fan-sup")),
        *(f"scene15/{variant}.yaml" for variant in ("cnn", "cnn-coco", "cnn-rois", "fan-unsup", "fan-sup")),
    ]


def test_documents_are_encoded_once_before_all_runs():
    commands = dry_run("table6", "--datasets", "yahoo-mini,20news", "--runs", "/runs")
    assert (
        [command for command in commands if "language.prepare" in command]
        == commands[:2]
        == [
            f"python -m language.prepare language/configs/paper/{dataset}/hatt.yaml --data datasets --runs /runs"
            for dataset in ("yahoo-mini", "20news")
        ]
    )


def test_comparison_measures_the_runs_of_a_seed_together():
    *commands, report = dry_run("compare_relation_networks")
    measured = [command for command in commands if "head_costs" in command]
    assert measured == commands[-4:] and report.startswith("python -m scripts.report")
    seeds = [("voc07", 0), ("voc07", 1), ("voc07", 2), ("minicoco", 0)]
    variants = ("base", "rn", "rn-sup", "fan-unsup", "fan-sup", "fan-unsup-linear", "fan-sup-linear")
    assert [command.split()[3:] for command in measured] == [
        [f"runs/paper/{dataset}/{variant}/seed{seed}" for variant in variants] for dataset, seed in seeds
    ]


@pytest.mark.parametrize(
    ("script", "runs", "report", "count"),
    [
        ("study_documents", "runs/study", "learning_curves", 2 * 12),
        ("choose_text_recipe", "runs/recipe", "text_recipe", 6),
    ],
)
def test_choices_are_made_on_held_out_training_posts(script, runs, report, count):
    *commands, last = dry_run(script)
    trained = [command for command in commands if "language.train" in command]
    assert len({command.partition("--runs ")[2].split()[0] + command.split()[5] for command in trained}) == count
    assert all(" --set text.holdout=0.1" in command for command in commands)
    assert all(command.split()[2] in ("language.prepare", "language.train") for command in commands)
    assert f"scripts.tables.{report} " in last and f"--runs {runs} --out results" in last


# --- the options ----------------------------------------------------------------------------------------------------


def test_examples_of_the_options_run():
    found = doctest.testmod(options)
    assert found.attempted > 0 and found.failed == 0


def test_given_seeds_apply_to_every_data_set():
    seeds = [seed for _, seed in trainings(dry_run("table4", "--seeds", "1,2"))]
    assert sorted(seeds) == ["1"] * 6 + ["2"] * 6


def test_incomplete_miniature_is_written_and_one_seed_is_run(tmp_path):
    commands = dry_run("table8", "--preset", "mini", "--data", str(tmp_path))
    assert commands[0] == f"python -m data.mini --out {tmp_path}/mini"
    assert len(trainings(commands)) == 5
    assert all(command.endswith(f"{tmp_path}/mini") for command in commands if "language.predict" in command)
    for piece in ("lexicon.tsv", "VOCdevkit", "coco", "visual_genome", "mit67"):  # an older version wrote fewer
        assert dry_run("table8", "--preset", "mini", "--data", str(tmp_path)) == commands
        (tmp_path / "mini" / piece).mkdir(parents=True)
    assert dry_run("table8", "--preset", "mini", "--data", str(tmp_path)) == commands[1:]


def test_paths_are_relative_to_the_callers_folder(tmp_path):
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    (folder / "points.csv").touch()
    given = ("--runs", "my $runs", "--out", "/out", "--overlay", "points.csv")
    commands = dry_run("table2", *given, cwd=folder, FAN_DATA="sets")
    assert commands[0].endswith(f"--data {folder}/sets --runs {folder}/my $runs")
    assert commands[-1].endswith(f"--runs {folder}/my $runs --out /out --overlay {folder}/points.csv")
    assert dry_run("table8", "--data", "/here", cwd=folder, FAN_DATA="sets")[0].endswith("--data /here --runs runs")


@pytest.mark.parametrize(
    ("script", "options", "parts"),
    [
        ("table6", ["--seeds", "5x"], ["--seeds", "5x"]),
        ("table6", ["--seeds", "0,"], ["--seeds", "0,"]),
        ("table6", ["--seeds"], ["--seeds"]),
        ("table6", ["--data", ""], ["--data"]),
        ("table6", ["--preset", "big"], ["--preset", "big", "paper", "mini"]),
        ("table6", ["--datasets", "20news,imdb"], ["--datasets", "imdb", "yahoo-half"]),
        ("table6", ["--gpus", "all"], ["--gpus", "all"]),
        ("table6", ["--jobs", "0"], ["--jobs", "from 1"]),
        ("table6", ["--sedes", "0"], ["--sedes", "scripts/table6.sh --help"]),
        ("table6", ["extra"], ["extra"]),
        ("table2", ["--overlay", "/nowhere.csv"], ["/nowhere.csv"]),
        ("table4", ["--preset", "small", "--datasets", "minicoco"], ["minicoco"]),
        ("bccd", ["--preset", "mini"], ["--preset", "mini"]),
        ("bccd", ["--data", "/nowhere"], ["/nowhere/bccd", "https://"]),
        ("compare_relation_networks", ["--preset", "small", "--data", "/nowhere"], ["/nowhere/bccd"]),
    ],
)
def test_mistake_is_one_line_before_anything_runs(script, options, parts):
    assert_one_line_error(call_script(script, *options), *parts)


def test_blood_cells_are_not_required_for_other_data_sets(copy, tmp_path):
    options = ("--preset", "small", "--datasets", "voc07", "--seeds", "0", "--data", str(tmp_path))
    assert copy.call("compare_relation_networks", *options).returncode == 0
    assert copy.calls()


@pytest.mark.parametrize("script", [*read_tables(), "study_documents"])
def test_help_explains_the_script_and_its_options(script):
    done = call_script(script, "--help")
    assert done.returncode == 0 and done.stderr == ""
    comment = (ROOT / "scripts" / f"{script}.sh").read_text().splitlines()[1]
    assert comment.removeprefix("# ") in done.stdout and "rerun it to resume" in done.stdout
    options = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  --")}
    shared = {f"--{name}" for name in ["preset", "seeds", "datasets", "jobs", "data", "runs", "out", "gpus", "dry-run"]}
    costs = set() if script in ("bccd", "study_documents") else {"--yes"}
    assert options == shared | costs | ({"--overlay"} if script == "table2" else set())
    assert f"example: scripts/{script}.sh --" in done.stdout


def test_dry_run_and_help_need_only_the_standard_library(copy, tmp_path):
    (copy.root / ".venv/bin/python").unlink()
    copy.add_program("bin/python3", f'#!/bin/sh\nexec {sys.executable} -S -s "$@"\n')
    path = f"{copy.root}/bin:/usr/bin:/bin"
    assert "python -m language.train" in copy.call("table6", "--dry-run", PATH=path).stdout
    assert "rerun it to resume" in copy.call("table6", "--help", PATH=path).stdout
    assert "python -m vision.attended" in copy.call("figure1", "--dry-run", PATH=path).stdout
    assert_one_line_error(copy.call("table6", PATH=path), "run scripts/setup.sh")


# --- costs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["table1", "table5", "compare_relation_networks"])
def test_days_on_a_cpu_require_yes(copy, table):
    refused = copy.call(table, "--seeds", "0")
    assert (refused.returncode, refused.stdout) == (2, "")
    (error,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert all(part in error for part in (f"scripts/{table}.sh", "--yes", "--preset mini"))
    assert copy.calls() == []
    assert copy.call(table, "--seeds", "0", "--yes").returncode == 0
    assert any("vision.train" in command for command in copy.calls())


def test_hours_on_a_cpu_start_without_yes(copy):
    done = copy.call("table6", "--datasets", "20news", "--seeds", "0")
    assert done.returncode == 0
    assert "20 Newsgroups: 3 runs" in done.stderr


def test_dry_run_announces_costs_and_runs_nothing(copy):
    done = copy.call("table2", "--dry-run")
    assert done.returncode == 0 and "error: " not in done.stderr
    assert "4 runs" in done.stderr and "Titan Xp" in done.stderr
    assert all(line.startswith("python ") for line in done.stdout.splitlines())
    assert copy.call("table2", "--dry-run", "--preset", "mini").stderr == ""
    assert copy.calls() == []
    assert sorted(path.name for path in copy.root.iterdir()) == [".venv", "data", "language", "scripts", "vision"]


# --- running --------------------------------------------------------------------------------------------------------


def test_script_runs_what_its_dry_run_prints(copy, tmp_path):
    options = ["--preset", "mini", "--seeds", "0,1", "--runs", "my runs", "--jobs", "1"]
    printed = copy.call("table6", "--dry-run", *options, cwd=tmp_path).stdout
    done = copy.call("table6", *options, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, printed)
    assert copy.calls() == [line.replace("'", "") for line in printed.splitlines()]


def test_several_jobs_run_the_same_commands_and_write_to_their_folders(copy, tmp_path):
    options = ["--seeds", "0,1", "--runs", "my runs"]
    printed = copy.call("table8", "--dry-run", *options, cwd=tmp_path).stdout.splitlines()
    done = copy.call("table8", "--jobs", "3", *options, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [printed[0], printed[-1]]
    assert sorted(copy.calls()) == sorted(line.replace("'", "") for line in printed)
    assert (tmp_path / "my runs/paper/20news/fan-sup-different-word/seed0/output.log").read_text().splitlines() == [
        line for line in printed if "different-word" in line and ("seed0" in line or "--seed 0" in line)
    ]


def test_each_job_gets_its_own_gpu(copy):
    assert copy.call("table8", "--gpus", "4,7", "--seeds", "0").returncode == 0
    given = [command.split()[-1] for command in copy.calls() if "language.train" in command or "predict" in command]
    assert len(given) == 10 and set(given) == {"4", "7"}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_failing_command_ends_the_script_with_its_exit_code(copy, jobs):
    done = copy.call("table8", "--jobs", jobs, FAIL_AT="evaluate classification")
    assert done.returncode == 3
    assert "it fails" in done.stderr and done.stderr.count("error: ") == 1
    modules = [command.split()[2] for command in copy.calls()]
    assert modules[:2] == ["language.prepare", "language.train"] and len(modules) <= 1 + 3 * int(jobs)
    assert "scripts.report" not in modules
    assert copy.call("table8", FAIL_AT="language.prepare").returncode == 3


def test_ctrl_c_ends_the_script_and_its_jobs(copy):
    process = subprocess.Popen(
        [copy.root / "scripts/table8.sh", "--jobs", "2"],
        env=os.environ | {"WAIT_AT": "language.train"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    end = time.monotonic() + 20
    while len(copy.calls()) < 3:
        assert time.monotonic() < end
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith("interrupted")
    assert [command.split()[2] for command in copy.calls()] == ["language.prepare", "language.train", "language.train"]
