"""The table scripts, by --dry-run and in a copy whose Python only notes what it is asked to do."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.tables.paper import Table, read_tables

SCRIPTS = Path(__file__).parents[3] / "scripts"
STUB = f"""#!/usr/bin/env bash
[[ $2 != scripts.tables.jobs && $2 != scripts.tables.costs ]] || exec {sys.executable} "$@"
printf '%s\\n' "$(printf '%q ' "$@")" >> "$(dirname "$0")/calls"
[[ "$*" != *"${{WAIT_AT:-nowhere}}"* ]] || sleep 30
[[ "$*" != *"${{FAIL_AT:-nowhere}}"* ]] || {{ echo "error: it fails" >&2; exit 3; }}
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
    """A root with a space in its path, what the table scripts need, and a Python that notes what it is asked to do.

    All but scripts.tables.jobs and scripts.tables.costs, which it runs.
    """
    root = tmp_path / "a copy"
    (root / ".venv/bin").mkdir(parents=True)
    for folder in ("scripts", "data", "language/configs", "vision/configs"):
        shutil.copytree(SCRIPTS.parent / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (root / ".venv/bin/python").write_text(STUB)
    (root / ".venv/bin/python").chmod(0o755)
    return root


def calls(root: Path) -> list[list[str]]:
    return [shlex.split(line) for line in (root / ".venv/bin/calls").read_text().splitlines()]


def test_table_6_encodes_each_data_set_before_all_runs():
    commands = dry_run("table6", "--datasets", "yahoo-mini,20news", "--runs", "/runs")
    assert [" ".join(command) for command in commands[:2]] == [
        f"python -m language.prepare language/configs/paper/{dataset}/hatt.yaml --data datasets --runs /runs"
        for dataset in ("yahoo-mini", "20news")
    ]
    assert len([command for command in commands if command[2] == "language.prepare"]) == 2


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
    modules = ("language.train", "vision.train", "vision.scene")
    return [(command[3], command[5]) for command in commands if command[2] in modules]


@pytest.mark.parametrize("table", read_tables().values(), ids=lambda table: table.name)
def test_a_script_makes_the_runs_that_its_table_is_made_from_as_many_as_its_trials(table: Table):
    preset = table.presets[0]
    table = table.at(preset)
    datasets = {row.dataset for row in table.rows}
    runs = [run for run in trainings(dry_run(table.name)) if Path(run[0]).parent.name in datasets]  # and no detectors
    trials = {(row.dataset, variant): row.trials for row in table.rows for variant in row.cells}
    expected = [(f"{preset}/{'/'.join(run)}.yaml", str(seed)) for run in trials for seed in range(trials[run])]
    assert sorted((config.partition("configs/")[2], seed) for config, seed in runs) == sorted(expected)


@pytest.mark.parametrize("preset", ["paper", "mini"])
@pytest.mark.parametrize("table", [name for name, table in read_tables().items() if "mini" in table.presets])
def test_every_config_is_there(table, preset):
    configs = [config for config, _ in trainings(dry_run(table, "--preset", preset))]
    assert configs and [config for config in configs if not (SCRIPTS.parent / config).exists()] == []


def test_table_1_trains_predicts_and_evaluates_each_run_and_then_reports():
    commands = dry_run("table1", "--seeds", "2", "--data", "/data", "--gpus", "0")
    run = "runs/paper/voc07/fan-sup/seed2"
    config = "vision/configs/paper/voc07/fan-sup.yaml"
    assert [" ".join(command) for command in commands[-6:]] == [
        f"python -m vision.train {config} --seed 2 --data /data --runs runs --gpus 0",
        f"python -m vision.predict {run} --data /data --gpus 0",
        f"python -m scripts.evaluate detection {run} --data /data",
        f"python -m scripts.evaluate relations {run} --distinct --data /data",
        f"python -m scripts.evaluate center-mass {run}",
        "python -m scripts.report table1 --preset paper --runs runs --out results",
    ]
    assert len(commands) == 4 + 4 * 5 + 1


def test_table_2_evaluates_annotated_relations_in_their_order_and_in_either():
    commands = dry_run("table2", "--seeds", "2", "--data", "/data")
    run = "runs/paper/visual_genome/fan-sup-gt/seed2"
    config = "vision/configs/paper/visual_genome/fan-sup-gt.yaml"
    assert [" ".join(command) for command in commands[-6:-1]] == [
        f"python -m vision.train {config} --seed 2 --data /data --runs runs",
        f"python -m vision.predict {run} --data /data",
        f"python -m scripts.evaluate relations {run} --rule annotated --distinct --data /data",
        f"python -m scripts.evaluate relations {run} --rule annotated --unordered --data /data",
        f"python -m scripts.evaluate center-mass {run}",
    ]
    assert " ".join(commands[-1]) == "python -m scripts.report table2 --preset paper --runs runs --out results"
    assert len(commands) == 4 + 3 * 5 + 1


def test_points_to_draw_are_handed_to_the_report(tmp_path):
    points = tmp_path / "some points.csv"
    points.write_text("label,k,recall\n")
    assert dry_run("table2", "--overlay", points.name, cwd=tmp_path)[-1][-2:] == ["--overlay", str(points)]


def test_points_to_draw_that_are_not_there_get_one_line_before_anything_runs(copy):
    done = call(copy / "scripts/table2.sh", "--overlay", "/nowhere.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --overlay /nowhere.csv: no such file; give a CSV file as --help describes it\n"
    assert not (copy / ".venv/bin/calls").exists()


def test_faster_r_cnn_alone_has_references_and_no_center_mass():
    commands = [" ".join(command) for command in dry_run("table4", "--datasets", "minicoco", "--seeds", "0")]
    run = "runs/paper/minicoco/base/seed0"
    assert [command for command in commands if run in command or "base.yaml" in command] == [
        "python -m vision.train vision/configs/paper/minicoco/base.yaml --seed 0 --data datasets --runs runs",
        f"python -m vision.predict {run} --data datasets",
        f"python -m scripts.evaluate detection {run} --data datasets",
        f"python -m scripts.evaluate relations {run} --distinct --data datasets",
    ]


@pytest.mark.parametrize("table", ["table1", "table2", "table5", "table9", "compare_relation_networks"])
def test_days_on_a_cpu_are_not_started_without_yes(copy, table):
    refused = call(copy / f"scripts/{table}.sh", "--seeds", "0")
    assert (refused.returncode, refused.stdout) == (2, "")
    errors = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and errors[0].startswith(f"error: scripts/{table}.sh: ")
    assert "--yes" in errors[0] and "--preset mini" in errors[0]
    assert not (copy / ".venv/bin/calls").exists()
    assert call(copy / f"scripts/{table}.sh", "--seeds", "0", "--yes").returncode == 0
    assert any("vision.train" in command for command in calls(copy))


def test_a_dry_run_says_what_it_takes_and_never_asks(copy):
    done = call(copy / "scripts/table2.sh", "--dry-run")
    assert done.returncode == 0 and "error: " not in done.stderr
    assert "4 runs" in done.stderr and "Titan Xp" in done.stderr
    assert all(line.startswith("python ") for line in done.stdout.splitlines())
    assert call(copy / "scripts/table2.sh", "--dry-run", "--preset", "mini").stderr == ""


def test_hours_of_documents_are_started_without_yes(copy):
    done = call(copy / "scripts/table6.sh", "--datasets", "20news", "--seeds", "0")
    assert done.returncode == 0
    assert "20 Newsgroups: 3 runs" in done.stderr


def test_tables_of_images_share_their_runs():
    commands = {table: {" ".join(each) for each in dry_run(table)[:-1]} for table in ("table1", "table3", "table4")}
    shared = {each for each in commands["table1"] & commands["table3"] if "vision.train" in each}
    assert {command.split()[3].rpartition("/")[2] for command in shared} == {
        "base.yaml",
        "fan-sup-mat.yaml",
        "fan-sup.yaml",
    }
    assert len(shared) == 3 * 3
    assert {" ".join(each) for each in dry_run("table7")[:-1] if "/fan-sup/" in " ".join(each)} <= commands["table1"]
    of_table_9 = {" ".join(each) for each in dry_run("table9")[:-1]}
    more = {each for each in of_table_9 - commands["table4"]}
    assert all("--training-images" in each for each in more) and len(more) == 2


def test_seeds_that_are_given_are_those_of_every_data_set():
    runs = trainings(dry_run("table4", "--seeds", "1,2"))
    assert sorted(seed for _, seed in runs) == ["1"] * 6 + ["2"] * 6
    measured = [
        command for command in dry_run("compare_relation_networks") if command[2] == "scripts.tables.head_costs"
    ]
    assert [[command[3].split("/")[2], command[3][-1]] for command in measured] == [
        ["voc07", "0"],
        ["voc07", "1"],
        ["voc07", "2"],
        ["minicoco", "0"],
    ]


def test_table_5_trains_its_detectors_as_table_4_does_and_then_all_columns():
    commands = [" ".join(command) for command in dry_run("table5", "--seeds", "2", "--gpus", "0")]
    of_table_4 = {" ".join(command) for command in dry_run("table4", "--seeds", "2", "--gpus", "0")}
    assert len(of_table_4.intersection(commands[:3])) == 3
    run, options = "runs/paper/mit67/fan-sup/seed2", "--data datasets --gpus 0"
    assert commands[-4:] == [
        "python -m vision.scene vision/configs/paper/mit67/fan-sup.yaml --seed 2 --data datasets --runs runs --gpus 0",
        f"python -m vision.predict {run} --scene {options}",
        f"python -m scripts.evaluate classification {run}",
        "python -m scripts.report table5 --preset paper --runs runs --out results",
    ]
    assert len(commands) == 3 + 5 * 3 + 1


def test_the_blood_cells_have_one_preset_and_no_miniature():
    commands = [" ".join(command) for command in dry_run("bccd", "--seeds", "1", "--data", "/data")]
    assert commands[0] == (
        "python -m vision.train vision/configs/small/bccd/base.yaml --seed 1 --data /data --runs runs"
    )
    assert commands[-1] == "python -m scripts.report bccd --preset small --runs runs --out results"
    assert len(commands) == 4 + 4 * 6 + 1


COMPARED = ("base", "rn", "rn-sup", "fan-unsup", "fan-sup", "fan-unsup-linear", "fan-sup-linear")


def test_a_comparison_measures_the_runs_of_each_seed_together_after_all_of_them():
    options = ("--datasets", "minicoco", "--seeds", "0,1,2")
    commands = [" ".join(command) for command in dry_run("compare_relation_networks", *options)]
    assert commands[-4:] == [
        f"python -m scripts.tables.head_costs {' '.join(f'runs/paper/minicoco/{each}/seed{seed}' for each in COMPARED)}"
        for seed in range(3)
    ] + ["python -m scripts.report compare_relation_networks --preset paper --runs runs --out results"]
    assert len(commands) == 3 * (4 + 6 * 5) + 4
    shared = {" ".join(command) for command in dry_run("table4", *options)[:-1]}
    assert shared < set(commands)


def test_a_comparison_at_the_small_preset_is_of_cells_and_photographs():
    commands = dry_run("compare_relation_networks", "--preset", "small", "--seeds", "1", "--data", "/data")
    configs = [config for config, _ in trainings(commands)]
    assert configs == [f"vision/configs/small/{name}/{each}.yaml" for name in ("bccd", "voc07") for each in COMPARED]
    assert all((SCRIPTS.parent / config).exists() for config in configs)
    refused = call(SCRIPTS / "compare_relation_networks.sh", "--dry-run", "--preset", "small", "--datasets", "coco")
    assert refused.stderr == "error: --datasets coco: this table has bccd voc07\n"
    refused = call(SCRIPTS / "compare_relation_networks.sh", "--dry-run", "--preset", "big")
    assert refused.stderr == "error: --preset big: must be paper or mini or small\n"


@pytest.mark.parametrize("table", ["table1", "table3", "table4", "table7", "table9"])
def test_tables_of_images_at_the_small_preset_are_of_voc07(table):
    configs = [config for config, _ in trainings(dry_run(table, "--preset", "small"))]
    assert configs and {Path(config).parent for config in configs} == {Path("vision/configs/small/voc07")}
    assert all((SCRIPTS.parent / config).exists() for config in configs)


def test_table_5_at_the_small_preset_is_of_scene15_on_detectors_of_voc07():
    runs = trainings(dry_run("table5", "--preset", "small", "--seeds", "1"))
    assert [config.removeprefix("vision/configs/small/") for config, _ in runs] == [
        *(f"voc07/{variant}.yaml" for variant in ("base", "fan-unsup", "fan-sup")),
        *(f"scene15/{variant}.yaml" for variant in ("cnn", "cnn-coco", "cnn-rois", "fan-unsup", "fan-sup")),
    ]
    assert all((SCRIPTS.parent / config).exists() for config, _ in runs)


def test_voc07_alone_at_the_small_preset_needs_no_cells(copy, tmp_path):
    options = ("--preset", "small", "--datasets", "voc07", "--seeds", "0", "--data", str(tmp_path))
    assert call(copy / "scripts/compare_relation_networks.sh", *options).returncode == 0


@pytest.mark.parametrize("script", [["bccd.sh"], ["compare_relation_networks.sh", "--preset", "small"]])
def test_blood_cells_that_are_not_there_get_one_line_that_says_where_they_are(copy, tmp_path, script):
    done = call(copy / "scripts" / script[0], *script[1:], "--data", str(tmp_path))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"error: {tmp_path}/bccd: no such folder; get BCCD of https://github.com/Shenggan/" in done.stderr
    assert not (copy / ".venv/bin/calls").exists()


def test_table_6_is_five_trials_of_three_variants_on_three_data_sets():
    runs = trainings(dry_run("table6"))
    assert len(set(runs)) == len(runs) == 45
    assert {config for config, _ in runs} == {
        f"language/configs/paper/{dataset}/{variant}.yaml"
        for dataset in ("20news", "yahoo-mini", "yahoo-half")
        for variant in ("hatt", "fan-unsup", "fan-sup")
    }
    assert {seed for _, seed in runs} == set("01234")


def test_table_8_is_five_trials_of_four_rules_and_shares_the_semantic_runs_and_hatt_s_with_table_6():
    runs = trainings(dry_run("table8"))
    shared = set(runs) & set(trainings(dry_run("table6")))
    assert len(runs) == 25
    configs = [f"language/configs/paper/20news/{variant}.yaml" for variant in ("hatt", "fan-sup")]
    assert shared == {(config, seed) for config in configs for seed in "01234"}


def test_the_study_of_documents_keeps_a_part_of_the_training_posts_from_training():
    commands = [" ".join(command) for command in dry_run("study_documents", "--seeds", "0,1", "--data", "/data")]
    trained = [command for command in commands if "language.train" in command]
    settings = [command.partition("--runs ")[2].split()[0].removeprefix("runs/study/") for command in trained]
    assert len(trained) == 2 * len(set(settings)) and settings[: len(set(settings))] == list(dict.fromkeys(settings))
    assert all("--set text.holdout=0.1" in command for command in commands[:-1])
    assert not [command for command in commands if "evaluate" in command or "language.predict" in command]
    names = " ".join(dict.fromkeys(settings))
    assert (
        commands[-1]
        == f"python -m scripts.tables.learning_curves {names} --preset paper --runs runs/study --out results"
    )


def test_hatt_has_no_center_mass():
    commands = dry_run("table6", "--preset", "mini")
    evaluated = [command[-1] for command in commands if "center-mass" in command]
    assert evaluated and not [run for run in evaluated if "/hatt/" in run]


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("table", ["table6", "table8"])
def test_every_run_is_announced_with_its_number(copy, table, jobs):
    done = call(copy / f"scripts/{table}.sh", "--datasets", "20news", "--seeds", "0,2", "--jobs", jobs)
    lines = [line for line in done.stderr.splitlines() if line.startswith("[") and "done in" not in line]
    assert lines[-1] == f"[{len(lines)}/{len(lines)}] 20news fan-sup seed 2"


def test_the_miniature_is_written_when_it_is_not_there_and_one_seed_is_run(tmp_path):
    commands = dry_run("table8", "--preset", "mini", "--data", str(tmp_path))
    assert commands[0] == ["python", "-m", "data.mini", "--out", f"{tmp_path}/mini"]
    assert len(trainings(commands)) == 5
    assert all(command[-1] == f"{tmp_path}/mini" for command in commands if command[2] == "language.predict")
    for piece in ("lexicon.tsv", "VOCdevkit", "coco", "visual_genome", "mit67"):  # an older version wrote fewer
        assert dry_run("table8", "--preset", "mini", "--data", str(tmp_path)) == commands
        (tmp_path / "mini" / piece).mkdir(parents=True)
    assert dry_run("table8", "--preset", "mini", "--data", str(tmp_path)) == commands[1:]


def test_folders_are_meant_from_where_the_script_is_called(tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    commands = dry_run("table8", "--runs", "my runs", "--out", "/out", cwd=folder, FAN_DATA="sets")
    assert commands[0][-4:] == ["--data", f"{folder}/sets", "--runs", f"{folder}/my runs"]
    assert commands[-1][-4:] == ["--runs", f"{folder}/my runs", "--out", "/out"]


def test_the_data_option_is_stronger_than_the_environment():
    assert dry_run("table8", "--data", "here", FAN_DATA="/there")[2][-1] == "here"


def test_gpus_are_handed_to_training_and_prediction():
    networks = ("language.train", "language.predict")
    commands = [command for command in dry_run("table6", "--gpus", "0,1") if command[2] in networks]
    assert len(commands) == 2 * 45
    assert all(command[-2:] == ["--gpus", "0,1"] for command in commands)


def test_a_dry_run_does_nothing(copy):
    assert call(copy / "scripts/table6.sh", "--dry-run", "--preset", "mini").returncode == 0
    assert sorted(path.name for path in copy.iterdir()) == [".venv", "data", "language", "scripts", "vision"]
    assert not (copy / ".venv/bin/calls").exists()


def test_what_is_run_is_what_a_dry_run_prints(copy, tmp_path):
    options = ["--preset", "mini", "--seeds", "0,1", "--runs", "my runs", "--jobs", "1"]
    printed = call(copy / "scripts/table6.sh", "--dry-run", *options, cwd=tmp_path).stdout
    done = call(copy / "scripts/table6.sh", *options, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout == printed
    assert [["python", *command] for command in calls(copy)] == [shlex.split(line) for line in printed.splitlines()]


def test_runs_side_by_side_are_the_same_commands_and_what_they_wrote_is_in_their_folders(copy, tmp_path):
    options = ["--seeds", "0,1", "--runs", "my runs"]
    printed = call(copy / "scripts/table8.sh", "--dry-run", *options, cwd=tmp_path).stdout.splitlines()
    done = call(copy / "scripts/table8.sh", "--jobs", "3", *options, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [printed[0], printed[-1]]
    assert sorted(["python", *command] for command in calls(copy)) == sorted(shlex.split(line) for line in printed)
    assert (tmp_path / "my runs/paper/20news/fan-sup-different-word/seed0/output.log").read_text().splitlines() == [
        line for line in printed if "different-word" in line and ("seed0" in line or "--seed 0" in line)
    ]


def test_each_run_gets_its_own_gpu(copy):
    assert call(copy / "scripts/table8.sh", "--gpus", "4,7", "--seeds", "0").returncode == 0
    given = [command[-1] for command in calls(copy) if command[1] in ("language.train", "language.predict")]
    assert len(given) == 10 and set(given) == {"4", "7"}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_failing_command_ends_the_script_with_its_exit_code(copy, jobs):
    done = call(copy / "scripts/table8.sh", "--jobs", jobs, FAIL_AT="evaluate classification")
    assert done.returncode == 3
    assert "error: " in done.stderr and "it fails" in done.stderr and done.stderr.count("error: ") == 1
    modules = [command[1] for command in calls(copy)]
    assert modules[:2] == ["language.prepare", "language.train"] and len(modules) <= 1 + 3 * int(jobs)
    assert "scripts.report" not in modules


def test_ctrl_c_ends_the_script_with_what_it_runs(copy):
    environment = os.environ | {"WAIT_AT": "language.train"}
    options = {"env": environment, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    process = subprocess.Popen([copy / "scripts/table8.sh", "--jobs", "2"], stdout=subprocess.DEVNULL, **options)
    end = time.monotonic() + 20
    while not (copy / ".venv/bin/calls").exists() or len(calls(copy)) < 3:
        assert time.monotonic() < end
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted; the same command goes on from the last whole step"
    assert [command[1] for command in calls(copy)] == ["language.prepare", "language.train", "language.train"]


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
        (["--jobs", "0"], "--jobs 0: must be a whole number, 1 or more"),
        (["--jobs", "two"], "--jobs two: must be a whole number, 1 or more"),
        (["--sedes", "0"], "--sedes: no such option; scripts/table6.sh --help lists them"),
        (["extra"], "extra: no such option"),
    ],
)
def test_a_mistake_gets_one_line(options, message):
    done = call(SCRIPTS / "table6.sh", "--dry-run", *options)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {message}") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("option", ["--preset", "--datasets"])
def test_a_script_has_none_of_the_options_that_it_lacks(option):
    done = call(SCRIPTS / "bccd.sh", "--dry-run", option, "small")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {option}: no such option; scripts/bccd.sh --help lists them\n"


@pytest.mark.parametrize("table", read_tables())
def test_help_teaches_every_option(table):
    done = call(SCRIPTS / f"{table}.sh", "--help")
    assert done.returncode == 0 and done.stderr == ""
    choices, example = (("--preset", "--datasets", "--yes"), "--preset mini") if table != "bccd" else ((), "--seeds 0")
    others = ("--seeds", "--jobs", "--data", "--runs", "--out", "--gpus", "--dry-run", "--help")
    own = ("--overlay",) if table == "table2" else ()
    options = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  --")]
    assert sorted(options) == sorted(choices + others + own)
    assert done.stdout.endswith(f"\n\nexample: scripts/{table}.sh {example}\n")
    seeds = {
        "table4": "0,1,2 at paper; of minicoco 0, 0 at mini",
        "table6": "0,1,2,3,4 at paper, 0 at mini",
        "bccd": "0,1,2 at small",
    }
    assert seeds.get(table, "") in done.stdout
