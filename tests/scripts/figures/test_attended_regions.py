import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image

from data.common.errors import UserError, run_command
from scripts.figures import attended_regions
from scripts.figures.attended import read_attended, read_together
from scripts.figures.attended_regions import ATTENDED, REFERENCE, draw_attention, label_places
from scripts.figures.references import Box, Choice, find_references
from tests.attended_files import CAT, DOG, DOG_AGAIN, HEIGHT, SHIFT, WIDTH, write_file, write_pair

IMAGES = [Path("a/one.jpg"), Path("a/two.jpg"), Path("b/one.jpg")]


@pytest.fixture(autouse=True)
def _in_a_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def files():
    return read_together(write_pair(Path(), IMAGES))


def references(files, *choices, objects=1):
    return [(each.name, *each.regions) for each in find_references(files, list(choices), objects)]


def test_best_objects_of_all_images_are_the_default(files):
    assert references(files) == [(f"{image}, object 1", CAT, CAT) for image in IMAGES]
    assert references(files, Choice("a/two.jpg"), objects=5) == [
        ("a/two.jpg, object 1", CAT, CAT),
        ("a/two.jpg, object 2", DOG, DOG),
    ]


def test_objects_are_chosen_by_number_and_by_box(files):
    box = Box(101 + SHIFT, 22, 161 + SHIFT, 81)
    assert references(files, Choice("two.jpg", (2, box)), Choice("b", (1,))) == [
        ("a/two.jpg, object 2", DOG, DOG),
        ("a/two.jpg, box 105,22,165,81", DOG_AGAIN, DOG_AGAIN),
        ("b/one.jpg, object 1", CAT, CAT),
    ]
    assert [each[0] for each in references(files, Choice(None, (2,)))] == [f"{image}, object 2" for image in IMAGES]


@pytest.mark.parametrize(
    ("choice", "named"),
    [
        (Choice("c.jpg"), "--image c.jpg"),
        (Choice("one.jpg"), "--image one.jpg"),
        (Choice("b", (3,)), "--object 3"),
        (Choice("b", (Box(200, 0, 220, 9),)), "--box 200,0,220,9"),
        (Choice("b", (Box(0, -9, 20, -1),)), "--box 0,-9,20,-1"),
        (Choice("b", (Box(0, 90, 5, 99),)), "b/one.jpg: .*fan-unsup.*box 0,90,5,99"),
    ],
)
def test_unknown_images_objects_and_boxes_are_refused(files, choice, named):
    with pytest.raises(UserError, match=f"^{named}"):
        references(files, choice)


def drawn(regions, reference, **options):
    axes = Figure().subplots()
    axes.imshow(np.zeros((HEIGHT, WIDTH)))
    draw_attention(axes, regions, reference, **{"most": 5, "repeats": False, "pixels_an_inch": 60} | options)
    corners = [(box.get_x() + 0.5, box.get_y() + 0.5) for box in axes.patches]
    colors = [box.get_edgecolor() for box in axes.patches]
    return corners, colors, [text.get_text() for text in axes.texts]


def test_reference_is_drawn_last_and_weights_are_written(files):
    corners, colors, texts = drawn(files[1].regions[0], CAT)
    assert corners == [(60 + SHIFT, 60), (100 + SHIFT, 20), (10 + SHIFT, 10)]  # the weakest first
    assert colors == [to_rgba(ATTENDED), to_rgba(ATTENDED), to_rgba(REFERENCE)]
    assert texts == ["0.600", "0.050"]


def test_options_for_repeats_and_number_of_regions(files):
    assert drawn(files[1].regions[0], CAT, repeats=True)[2] == ["0.600", "0.250", "0.050"]
    assert drawn(files[1].regions[0], CAT, most=1)[2] == ["0.600"]


def test_labels_stay_inside_the_picture_without_overlap():
    boxes = np.array([[0, 0, 99, 40], [0, 0, 99, 41], [0, 1, 98, 40], [90, 45, 99, 49], [5, 30, 60, 49]])
    label = np.array([20, 8])
    places = label_places(boxes, label, (100, 50))
    assert (places >= 0).all() and (places + label <= [100, 50]).all()
    apart = (np.abs(places[:, None] - places) >= label).any(axis=2)
    assert (apart | np.eye(5, dtype=bool)).all()
    assert label_places(np.empty((0, 4)), label, (100, 50)).shape == (0, 2)


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs the command on both files; returns exit code, output and errors."""

    def run(*options: str) -> tuple[int, str, str]:
        arguments = [*map(str, write_pair(Path(), IMAGES)), "--out", "figure.png", *options]
        monkeypatch.setattr(sys, "argv", ["attended_regions", *arguments])
        try:
            run_command(attended_regions.main)
        except SystemExit as exit:
            return exit.code, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return run


def test_command_draws_one_panel_per_network(call):
    code, said, error = call("--image", "two.jpg", "--object", "2", "--box", "10,10,60,50")
    assert (code, error) == (0, "")
    assert said.splitlines() == [
        "a/two.jpg, object 2: dog 0.80 (IoU of the regions: 1.00, 0.88)",
        "a/two.jpg, box 10,10,60,50: cat 0.90 (IoU of the regions: 0.77, 0.77)",
        "written: figure.png",
    ]
    assert Image.open("figure.png").size[0] > 1500


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--box", "1,2,3"], "--box"),
        (["--box", "9,2,3,4"], "--box"),
        (["--box", "nan,2,3,4"], "--box"),
        (["--object", "0"], "--object"),
        (["--image", "b", "--object", "9"], "--object 9"),
    ],
)
def test_invalid_options_get_one_line_and_no_picture(call, options, named):
    code, _, error = call(*options)
    assert code == 2 and named in error.splitlines()[-1]
    assert not Path("figure.png").exists()


def test_unreadable_images_are_named(call):
    call()
    Path("figure.png").unlink()
    IMAGES[1].write_bytes(b"no image")
    code, _, error = call()
    assert code == 2 and error.startswith("error: a/two.jpg: ") and error.count("\n") == 1
    assert not Path("figure.png").exists()


def test_images_without_regions_get_one_line(monkeypatch, capsys):
    empty = {"rois": np.zeros((0, 4)), "boxes": np.zeros((0, 4)), "labels": np.zeros(0, int)}
    empty |= {name: np.zeros(0) for name in ("probabilities", "scores", "row_masses", "self_weights")}
    empty |= {"attended": np.zeros((0, 3), int), "weights": np.zeros((0, 3)), "roi_offsets": np.array([0, 0])}
    path = write_file(Path("empty.npz"), IMAGES[:1], **empty)
    assert len(read_attended(path).regions) == 1
    monkeypatch.setattr(sys, "argv", ["attended_regions", str(path), "--out", "figure.png"])
    with pytest.raises(SystemExit):
        run_command(attended_regions.main)
    assert capsys.readouterr().err.startswith("error: empty.npz: ")
