"""The scripts of figures and of the relations page: their commands by --dry-run."""

import os
from pathlib import Path

import pytest

from tests.shell_scripts import ROOT, Copy, assert_one_line_error, call_script, dry_run


def test_figure_2_draws_the_words_of_three_runs_sup_outermost():
    given = ("--document", "sci.med/1", "--sentence", "3", "--seed", "2", "--gpus", "0")
    variants = ("fan-sup", "fan-unsup", "hatt")
    files = [f"results/paper/figure2.{variant}.json" for variant in variants]
    assert dry_run("figure2", *given) == [
        *(
            f"python -m language.word_importance runs/paper/20news/{variant}/seed2 --document sci.med/1 --sentence 3 "
            f"--out {file} --data datasets --gpus 0"
            for variant, file in zip(variants, files, strict=True)
        ),
        f"python -m scripts.figures.word_importance {' '.join(files)} --out results/paper/figure2.png",
    ]


@pytest.mark.parametrize("preset", ["paper", "mini"])
@pytest.mark.parametrize(("figure", "sentences"), [("figure2", 1), ("figure6", 3)])
def test_figures_of_words_have_default_sentences(figure, sentences, preset):
    command = dry_run(figure, "--preset", preset)[0].split()
    assert command.count("--document") == command.count("--sentence") == sentences
    assert command[-1] == {"paper": "datasets", "mini": "datasets/mini"}[preset]


def test_sentences_keep_their_order_and_their_text():
    text = 'It\'s $5, or "6".'
    given = ("--text", text, "--document", "7", "--sentence", "2", "--dataset", "yahoo-mini")
    command = dry_run("figure6", *given)[0]
    assert f" runs/paper/yahoo-mini/fan-sup/seed0 --text {text} --document 7 --sentence 2 --out " in command


@pytest.mark.parametrize(("figure", "images", "objects"), [("figure1", 4, 1), ("figure7", 6, 2)])
def test_figures_of_regions_draw_two_runs(figure, images, objects):
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
    assert "runs/small/bccd/fan-sup/seed0 " in dry_run(figure, "--preset", "small")[1]


def test_images_and_objects_keep_their_order(tmp_path):
    options = ["--image", "a b.jpg", "--object", "2", "--box", "1,2,3,4", "--image", "/photos", "--regions", "9"]
    runs = ["--dataset", "voc07", "--seed", "2", "--gpus", "0", "--preset", "mini"]
    *attended, drawn = dry_run("figure1", *options, *runs, cwd=tmp_path)
    for command, variant in zip(attended, ("fan-unsup", "fan-sup"), strict=True):
        assert f"/mini/voc07/{variant}/seed2 {tmp_path}/a b.jpg /photos --count 4 " in command
        assert command.endswith(" --data datasets/mini --gpus 0")
    choices = f"--image {tmp_path}/a b.jpg --object 2 --box 1,2,3,4 --image /photos"
    assert f" {choices} --objects 1 --regions 9 --out " in drawn


def test_figure_4_is_drawn_from_annotations(tmp_path):
    command = "python -m scripts.figures.relation_targets --dataset"
    assert dry_run("figure4") == [f"{command} voc07 --split test --data datasets --out results/paper/figure4.png"]
    choice = ("--dataset", "minicoco", "--image", "7", "--object", "2", "--preset", "mini", "--data", str(tmp_path))
    assert dry_run("figure4", *choice) == [
        f"python -m data.mini --out {tmp_path}/mini",
        f"{command} minicoco --split minival --image 7 --object 2 --data {tmp_path}/mini "
        "--out results/mini/figure4.png",
    ]
    assert dry_run("figure4", "--dataset", "cars", "--split", "mine")[0].startswith(f"{command} cars --split mine ")


def test_relations_page_is_made_of_a_folder_and_two_runs(tmp_path):
    folder = Path(os.path.realpath(tmp_path))
    options = ["photos", "--unsup", "/runs/a", "--sup", "b", "--title", "My photos", "--score", "0.5"]
    assert dry_run("relations_page", *options, "--out", "p/photos.html", "--gpus", "1", cwd=folder) == [
        f"python -m vision.attended /runs/a {folder}/photos --out /runs/a/attended/photos.npz --gpus 1",
        f"python -m vision.attended {folder}/b {folder}/photos --out {folder}/b/attended/photos.npz --gpus 1",
        f"python -m scripts.figures.relations_page /runs/a/attended/photos.npz {folder}/b/attended/photos.npz "
        f"--title My photos --score 0.5 --out {folder}/p/photos.html",
    ]


@pytest.mark.parametrize(
    ("script", "options", "parts"),
    [
        ("figure2", ["--seed", "x"], ["--seed", "x"]),
        ("figure2", ["--dataset", "imdb"], ["--dataset", "imdb"]),
        ("figure2", ["--dataset", "yahoo-mini"], ["yahoo-mini", "--document", "--text"]),
        ("figure2", ["--text", ""], ["--text"]),
        ("figure2", ["--seeds", "0"], ["--seeds", "scripts/figure2.sh --help"]),
        ("figure4", ["--object", "x"], ["--object", "x"]),
        ("figure4", ["--gpus", "0"], ["--gpus"]),
        ("figure1", ["--regions", "0"], ["--regions"]),
        ("figure1", ["cat.jpg"], ["cat.jpg"]),
        ("relations_page", [], ["FOLDER", "--unsup", "--sup", "scripts/relations_page.sh --help"]),
        ("relations_page", ["photos", "--unsup", "a", "--sup", "b", "--preset", "mini"], ["--preset"]),
    ],
)
def test_mistake_is_one_line(script, options, parts):
    assert_one_line_error(call_script(script, *options), *parts)


@pytest.mark.parametrize(
    ("figure", "options", "run", "train"),
    [
        ("figure2", ["--preset", "mini"], "mini/20news/fan-sup", "table6.sh --preset mini --datasets 20news"),
        ("figure1", ["--preset", "mini"], "mini/minicoco/fan-unsup", "table4.sh --preset mini --datasets minicoco"),
        ("figure1", ["--preset", "small"], "small/bccd/fan-unsup", "bccd.sh"),
    ],
)
def test_missing_run_is_named_with_the_command_that_trains_it(tmp_path, figure, options, run, train):
    done = Copy(tmp_path).call(figure, *options, "--runs", "my runs", cwd=tmp_path)
    command = f"scripts/{train} --seeds 0 --runs '{tmp_path}/my runs'"
    assert_one_line_error(done, f"{tmp_path}/my runs/{run}/seed0", command)


@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("figure1", "preset dataset seed image object box regions data runs out gpus dry-run"),
        ("figure2", "preset document text sentence dataset seed data runs out gpus dry-run"),
        ("figure4", "preset dataset split image object data out dry-run"),
        ("relations_page", "unsup sup out title score gpus dry-run"),
    ],
)
def test_help_explains_the_script_and_its_options(script, options):
    done = call_script(script, "--help")
    assert done.returncode == 0 and done.stderr == ""
    comment = (ROOT / "scripts" / f"{script}.sh").read_text().splitlines()[1]
    assert comment.removeprefix("# ") in done.stdout
    assert [line.split()[0][2:] for line in done.stdout.splitlines() if line.startswith("  --")] == options.split()
    assert f"example: scripts/{script}.sh " in done.stdout
