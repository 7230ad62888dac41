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
def test_colors_of_boxes_and_reference_drawn_last(rule, others):
    axes = Figure().subplots()
    draw_boxes(axes, Objects(np.array(BOXES[:3], np.float32), np.array([DOG, CAT, CAT])), 1, rule)
    drawn = [((box.get_x() + 0.5) / 10, box.get_edgecolor()) for box in axes.patches]
    assert dict(drawn) == {number: to_rgba(color) for number, color in (others | {1: REFERENCE}).items()}
    assert drawn[-1] == (1, to_rgba(REFERENCE))
    first = axes.patches[0]
    assert (first.get_xy(), first.get_width(), first.get_height()) == ((-0.5, 4.5), 8, 21)  # to the pixels' outer edges


def test_difficult_objects_and_crowds_are_omitted(make_dataset):
    hard, pets = (objects_of(record) for record in make_dataset(IMAGES).records[1:])
    assert hard.labels.tolist() == [CAT, DOG]
    assert pets.labels.tolist() == [DOG, CAT, CAT]
    assert pets.boxes.tolist() == [list(BOXES[number]) for number in (0, 1, 3)]


def test_default_image_and_object_distinguish_the_rules(make_dataset):
    dataset = make_dataset(IMAGES)
    record = choose_image(dataset, None)
    assert record.id == "pets"
    assert choose_object(objects_of(record).labels, dataset.classes, None) == 1
    assert choose_image(dataset, "hard").id == "hard"


def test_objects_are_numbered_from_1():
    assert choose_object(np.array([CAT, DOG]), ("cat", "dog"), 2) == 1
    assert choose_object(np.array([CAT, CAT]), ("cat", "dog"), None) == 0


@pytest.mark.parametrize(("labels", "number"), [([CAT, DOG], 0), ([CAT, DOG], 3), ([CAT, DOG], -1), ([], 1)])
def test_unknown_objects_are_refused(labels, number):
    with pytest.raises(UserError, match=f"^--object {number}: "):
        choose_object(np.array(labels, int), ("cat", "dog"), number)


@pytest.fixture
def draw(monkeypatch, capsys, tmp_path, make_dataset):
    """Runs the command on `IMAGES`; returns exit code, output and errors."""
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


def test_command_draws_a_png(draw, tmp_path):
    said = "written: targets.png (voc07 test, image pets: related to object 2, cat)\n"
    assert draw() == (0, said, "")
    assert (tmp_path / "targets.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "images", "named"),
    [
        (["--image", "birds"], IMAGES, "--image birds"),
        (["--image", "cats", "--object", "3"], IMAGES, "--object 3"),
        ([], {"cats": IMAGES["cats"]}, "--image"),
    ],
)
def test_invalid_choices_get_one_line(draw, tmp_path, options, images, named):
    code, _, error = draw(*options, images=images)
    assert code == 2 and error.startswith(f"error: {named}: ") and error.count("\n") == 1
    assert not (tmp_path / "targets.png").exists()


@pytest.mark.parametrize("content", [None, b"not an image"])
def test_unreadable_images_are_named(draw, tmp_path, content):
    (tmp_path / "cats.jpg").unlink()
    if content:
        (tmp_path / "cats.jpg").write_bytes(content)
    code, _, error = draw("--image", "cats")
    assert code == 2 and error.startswith("error: cats.jpg: ") and error.count("\n") == 1
