"""Figure 4: which object is drawn as related to which, and how an image and an object of it are chosen."""

import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image

from data.common.errors import UserError, run_command
from scripts.figures import relation_targets
from scripts.figures.relation_targets import (
    OTHER_CATEGORY,
    REFERENCE,
    SAME_CATEGORY,
    Objects,
    choose_image,
    choose_object,
    draw_boxes,
    main,
    objects_of,
)

CAT, DOG = 0, 1
BOXES = [(10 * number, 5, 10 * number + 7, 25) for number in range(4)]
IMAGES = {
    "cats": [(CAT, BOXES[0]), (CAT, BOXES[1])],
    "hard": [(CAT, BOXES[0]), (CAT, BOXES[1], "difficult"), (DOG, BOXES[2])],
    "pets": [(DOG, BOXES[0]), (CAT, BOXES[1]), (CAT, BOXES[2], "crowd"), (CAT, BOXES[3])],
}


@pytest.mark.parametrize(
    ("rule", "others"),
    [
        ("different_category", {0: OTHER_CATEGORY}),
        ("different_instance", {0: OTHER_CATEGORY, 2: SAME_CATEGORY}),
    ],
)
def test_boxes_have_the_colours_of_their_relation_and_the_reference_is_drawn_last(rule, others):
    axes = Figure().subplots()
    draw_boxes(axes, Objects(np.array(BOXES[:3], np.float32), np.array([DOG, CAT, CAT])), 1, rule)
    drawn = [((box.get_x() + 0.5) / 10, box.get_edgecolor()) for box in axes.patches]
    assert dict(drawn) == {number: to_rgba(color) for number, color in (others | {1: REFERENCE}).items()}
    assert drawn[-1] == (1, to_rgba(REFERENCE))
    first = axes.patches[0]
    assert (first.get_xy(), first.get_width(), first.get_height()) == ((-0.5, 4.5), 8, 21)  # to the pixels' outer edges


def test_difficult_objects_and_crowds_are_left_out(make_dataset):
    hard, pets = (objects_of(record) for record in make_dataset(IMAGES).records[1:])
    assert hard.labels.tolist() == [CAT, DOG]
    assert pets.labels.tolist() == [DOG, CAT, CAT]
    assert pets.boxes.tolist() == [list(BOXES[number]) for number in (0, 1, 3)]


def test_without_an_id_the_image_is_the_first_with_an_object_on_which_the_rules_differ(make_dataset):
    dataset = make_dataset(IMAGES)
    record = choose_image(dataset, None)
    assert record.id == "pets"
    assert choose_object(objects_of(record).labels, dataset.classes, None) == 1
    assert choose_image(dataset, "hard").id == "hard"


def test_an_object_is_counted_from_1_and_the_first_where_the_rules_differ_on_none():
    assert choose_object(np.array([CAT, DOG]), ("cat", "dog"), 2) == 1
    assert choose_object(np.array([CAT, CAT]), ("cat", "dog"), None) == 0


@pytest.mark.parametrize("number", [0, 3, -1])
def test_an_object_that_is_not_there_is_refused_with_those_that_are(number):
    with pytest.raises(UserError, match=rf"--object {number}: the image has 2 objects .*\(1 cat, 2 dog\)"):
        choose_object(np.array([CAT, DOG]), ("cat", "dog"), number)


def test_an_image_without_objects_has_none_to_choose():
    with pytest.raises(UserError, match="--object 1: the image has 0 objects"):
        choose_object(np.array([], int), ("cat", "dog"), None)


@pytest.fixture
def draw(monkeypatch, capsys, tmp_path, make_dataset):
    """Runs the command on `IMAGES`, whose files are in the working folder; returns its exit code and what it says."""
    monkeypatch.chdir(tmp_path)
    for name in IMAGES:
        Image.new("RGB", (60, 30)).save(f"{name}.jpg")

    def run(*options: str, images: dict = IMAGES) -> tuple[int, str, str]:
        monkeypatch.setattr(relation_targets, "read_images", lambda *asked: make_dataset(images))
        arguments = ["--dataset", "voc07", "--split", "test", "--out", "targets.png", *options]
        monkeypatch.setattr(sys, "argv", ["relation_targets", *arguments])
        try:
            run_command(main)
        except SystemExit as exit:
            return exit.code, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return run


def test_the_command_draws_and_says_what(draw, tmp_path):
    said = "written: targets.png (voc07 test, image pets: related to object 2, cat)\n"
    assert draw() == (0, said, "")
    assert (tmp_path / "targets.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--image", "birds"], "--image birds: no such image in this split; give an id as cats"),
        (["--image", "cats", "--object", "3"], "--object 3: the image has 2 objects that can be related"),
    ],
)
def test_a_choice_that_is_not_there_gets_one_line(draw, tmp_path, options, line):
    code, _, error = draw(*options)
    assert code == 2 and error.startswith(f"error: {line}") and error.count("\n") == 1
    assert not (tmp_path / "targets.png").exists()


def test_images_in_which_the_rules_never_differ_get_one_line(draw):
    code, _, error = draw(images={"cats": IMAGES["cats"]})
    assert code == 2 and error.count("\n") == 1 and "in no image has an object" in error


@pytest.mark.parametrize("content", [None, b"no image"])
def test_an_image_that_cannot_be_read_is_named(draw, tmp_path, content):
    (tmp_path / "cats.jpg").unlink()
    if content:
        (tmp_path / "cats.jpg").write_bytes(content)
    code, _, error = draw("--image", "cats")
    assert code == 2 and error.startswith("error: cats.jpg: ") and error.count("\n") == 1
