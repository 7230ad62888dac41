"""The figure scripts, by --dry-run."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"
OWN_OPTIONS = ("--document", "--text", "--sentence", "--dataset", "--seed")
SHARED_OPTIONS = ("--preset", "--data", "--runs", "--out", "--gpus", "--dry-run", "--help")


def call(figure: str, *options: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name != "FAN_DATA"}
    command = [str(SCRIPTS / f"{figure}.sh"), *options]
    return subprocess.run(command, cwd=SCRIPTS.parent, env=environment, capture_output=True, text=True)


def dry_run(figure: str, *options: str) -> list[list[str]]:
    """The commands the script would run, each as its arguments."""
    done = call(figure, "--dry-run", *options)
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in done.stdout.splitlines()]


def test_three_runs_write_what_one_command_draws_with_sup_outermost():
    commands = dry_run("figure2", "--document", "sci.med/1", "--sentence", "3", "--seed", "2", "--gpus", "0")
    files = [f"results/paper/figure2.{variant}.json" for variant in ("fan-sup", "fan-unsup", "hatt")]
    assert [" ".join(command) for command in commands] == [
        *(
            f"python -m language.word_importance runs/paper/20news/{variant}/seed2 --document sci.med/1 --sentence 3 "
            f"--out {file} --data datasets --gpus 0"
            for variant, file in zip(("fan-sup", "fan-unsup", "hatt"), files, strict=True)
        ),
        f"python -m scripts.figures.word_importance {' '.join(files)} --out results/paper/figure2.png",
    ]


@pytest.mark.parametrize("preset", ["paper", "mini"])
@pytest.mark.parametrize(("figure", "sentences"), [("figure2", 1), ("figure6", 3)])
def test_without_a_sentence_there_is_a_default(figure, sentences, preset):
    command = dry_run(figure, "--preset", preset)[0]
    assert command.count("--document") == command.count("--sentence") == sentences
    assert command[-1] == {"paper": "datasets", "mini": "datasets/mini"}[preset]


def test_sentences_are_handed_on_as_they_are_given():
    text = 'It\'s $5, or "6".'
    command = dry_run("figure6", "--text", text, "--document", "7", "--sentence", "2", "--dataset", "yahoo-mini")[0]
    assert command[3] == "runs/paper/yahoo-mini/fan-sup/seed0"
    assert command[4:10] == ["--text", text, "--document", "7", "--sentence", "2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "x"], "--seed x: must be a whole number"),
        (["--dataset", "imdb"], "--dataset imdb: must be 20news, yahoo-mini or yahoo-half"),
        (["--dataset", "yahoo-mini"], "--dataset yahoo-mini: give a --document of it, or a --text"),
        (["--text"], "--text: lacks its value"),
        (["--preset", "big"], "--preset big: must be paper or mini"),
        (["--seeds", "0"], "--seeds: no such option; scripts/figure2.sh --help lists them"),
    ],
)
def test_a_mistake_gets_one_line(options, message):
    done = call("figure2", "--dry-run", *options)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {message}") and done.stderr.count("\n") == 1


def test_a_run_that_is_not_there_gets_the_command_that_makes_it(tmp_path):
    if not (SCRIPTS.parent / ".venv").exists():
        pytest.skip("needs the environment of scripts/setup.sh")
    done = call("figure2", "--runs", str(tmp_path), "--preset", "mini")
    assert done.returncode == 2
    assert f"{tmp_path}/mini/20news/fan-sup/seed0: no finished run" in done.stderr
    assert "scripts/table6.sh --preset mini --datasets 20news --seeds 0" in done.stderr


def test_figure_4_is_drawn_from_annotations(tmp_path):
    command = "python -m scripts.figures.relation_targets --dataset"
    assert [" ".join(each) for each in dry_run("figure4")] == [
        f"{command} voc07 --split test --data datasets --out results/paper/figure4.png"
    ]
    choice = ("--dataset", "minicoco", "--image", "7", "--object", "2", "--preset", "mini", "--data", str(tmp_path))
    assert [" ".join(each) for each in dry_run("figure4", *choice)] == [
        f"python -m data.mini --out {tmp_path}/mini",
        f"{command} minicoco --split minival --image 7 --object 2 --data {tmp_path}/mini "
        "--out results/mini/figure4.png",
    ]
    assert dry_run("figure4", "--dataset", "cars", "--split", "mine")[0][4:7] == ["cars", "--split", "mine"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--object", "x"], "--object x: must be a whole number"),
        (["--image"], "--image: lacks its value"),
        (["--gpus", "0"], "--gpus: no such option; scripts/figure4.sh --help lists them"),
    ],
)
def test_a_mistake_at_figure_4_gets_one_line(options, message):
    done = call("figure4", "--dry-run", *options)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {message}\n")


def test_help_of_figure_4_teaches_its_options_alone():
    done = call("figure4", "--help")
    assert done.returncode == 0 and done.stderr == ""
    options = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  --")]
    own = ["--dataset", "--split", "--image", "--object"]
    assert options == ["--preset", *own, "--data", "--out", "--dry-run", "--help"]


@pytest.mark.parametrize("figure", ["figure2", "figure6"])
def test_help_teaches_every_option(figure):
    done = call(figure, "--help")
    assert done.returncode == 0 and done.stderr == ""
    for option in (*OWN_OPTIONS, *SHARED_OPTIONS):
        assert f"\n  {option} " in done.stdout
    assert f"example: scripts/{figure}.sh --preset mini" in done.stdout
