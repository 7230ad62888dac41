"""The scripts of Figures 1 and 7 and of the page of relations, by --dry-run."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"


def call(script: str, *options: str, folder: Path = SCRIPTS.parent) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name != "FAN_DATA"}
    command = [str(SCRIPTS / f"{script}.sh"), *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def dry_run(script: str, *options: str, folder: Path = SCRIPTS.parent) -> list[str]:
    """The commands the script would run."""
    done = call(script, *options, "--dry-run", folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(("figure", "images", "objects"), [("figure1", 4, 1), ("figure7", 6, 2)])
def test_two_runs_write_what_one_command_draws(figure, images, objects):
    folders = [f"runs/paper/minicoco/{variant}/seed0" for variant in ("fan-unsup", "fan-sup")]
    files = [f"{folder}/attended/{figure}.npz" for folder in folders]
    assert dry_run(figure) == [
        *(
            f"python -m vision.attended {folder} --count {images} --out {file} --data datasets"
            for folder, file in zip(folders, files, strict=True)
        ),
        f"python -m scripts.figures.attended_regions {' '.join(files)} --objects {objects} "
        f"--out results/paper/{figure}.png",
    ]


def test_images_and_objects_are_handed_on_as_they_are_given(tmp_path):
    options = ["--image", "a b.jpg", "--object", "2", "--box", "1,2,3,4", "--image", "/photos", "--regions", "9"]
    runs = ["--dataset", "voc07", "--seed", "2", "--gpus", "0", "--preset", "mini"]
    *attended, drawn = dry_run("figure1", *options, *runs, folder=tmp_path)
    for line, variant in zip(attended, ("fan-unsup", "fan-sup"), strict=True):
        words = shlex.split(line)
        assert words[3].endswith(f"/mini/voc07/{variant}/seed2")
        assert words[4:6] == [f"{tmp_path}/a b.jpg", "/photos"]
        assert words[-4:] == ["--data", "datasets/mini", "--gpus", "0"]
    choices = ["--image", f"{tmp_path}/a b.jpg", "--object", "2", "--box", "1,2,3,4", "--image", "/photos"]
    assert shlex.split(drawn)[5:13] == choices
    assert shlex.split(drawn)[13:17] == ["--objects", "1", "--regions", "9"]


def test_the_runs_on_cells_are_those_of_the_small_preset():
    assert "runs/small/bccd/fan-sup/seed0 " in dry_run("figure7", "--preset", "small")[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "x"], "--seed x: must be a whole number"),
        (["--regions", "0"], "--regions 0: must be a whole number, 1 or more"),
        (["--image"], "--image: lacks its value"),
        (["cat.jpg"], "cat.jpg: no such option; scripts/figure1.sh --help lists them"),
    ],
)
def test_a_mistake_gets_one_line(options, message):
    done = call("figure1", "--dry-run", *options)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {message}\n")


@pytest.mark.parametrize(
    ("options", "command"),
    [
        (["--preset", "mini"], "scripts/table4.sh --preset mini --datasets minicoco --seeds 0"),
        (["--preset", "small"], "scripts/bccd.sh --seeds 0"),
    ],
)
def test_a_run_that_is_not_there_gets_the_command_that_makes_it(options, command, tmp_path):
    if not (SCRIPTS.parent / ".venv").exists():
        pytest.skip("needs the environment of scripts/setup.sh")
    done = call("figure1", "--runs", str(tmp_path), *options)
    assert done.returncode == 2 and "fan-unsup/seed0: no finished run" in done.stderr
    assert f"{command} --runs {tmp_path}" in done.stderr


def test_a_page_is_made_of_a_folder_and_two_runs(tmp_path):
    folder = Path(os.path.realpath(tmp_path))
    options = ["photos", "--unsup", "/runs/a", "--sup", "b", "--title", "My photos", "--score", "0.5"]
    assert dry_run("relations_page", *options, "--out", "p/photos.html", "--gpus", "1", folder=folder) == [
        f"python -m vision.attended /runs/a {folder}/photos --out /runs/a/attended/photos.npz --gpus 1",
        f"python -m vision.attended {folder}/b {folder}/photos --out {folder}/b/attended/photos.npz --gpus 1",
        f"python -m scripts.figures.relations_page /runs/a/attended/photos.npz {folder}/b/attended/photos.npz "
        f"--title My\\ photos --score 0.5 --out {folder}/p/photos.html",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give a folder of images first; scripts/relations_page.sh --help shows how"),
        (["photos", "--sup", "b"], "--unsup: lacks its run"),
        (["photos", "--unsup", "b"], "--sup: lacks its run"),
        (["photos", "--preset", "mini"], "--preset: no such option; scripts/relations_page.sh --help lists them"),
    ],
)
def test_a_mistake_at_the_page_gets_one_line(options, message):
    done = call("relations_page", *options)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {message}\n")


@pytest.mark.parametrize("script", ["figure1", "figure7", "relations_page"])
def test_help_teaches_every_option(script):
    done = call(script, "--help")
    assert done.returncode == 0 and done.stderr == ""
    own = ["--unsup", "--sup", "--title", "--score"]
    if script != "relations_page":
        own = ["--preset", "--dataset", "--seed", "--image", "--object", "--box", "--regions", "--data", "--runs"]
    for option in (*own, "--out", "--gpus", "--dry-run", "--help"):
        assert f"\n  {option} " in done.stdout
    assert f"example: scripts/{script}.sh " in done.stdout
