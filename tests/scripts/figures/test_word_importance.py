import json
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, Wedge

from data.common.errors import run_command
from scripts.figures.word_importance import (
    CATEGORY_COLORS,
    GAP,
    LETTERS,
    Ring,
    Sentence,
    draw_pairs,
    draw_rings,
    main,
    read_importance,
    word_arc,
)

ENTRY = {
    "source": "sci.med/1, sentence 2",
    "words": ["the", "goalie", "saved", "it"],
    "categories": ["other", "noun", "verb", "other"],
    "importance": [0.1, 0.6, 0.2, 0.1],
    "pairs": [[1, 2]],
}


@pytest.fixture
def write(tmp_path):
    """Writes a word importance file with one sentence, to which `changes` apply."""

    def write_file(variant: str, measure: str = "beta", content=None, **changes) -> Path:
        path = tmp_path / f"{variant}.json"
        run = f"mini/20news/{variant}/seed0"
        entries = [{**ENTRY, **changes}]
        path.write_text(
            json.dumps(content or {"run": run, "variant": variant, "measure": measure, "sentences": entries})
        )
        return path

    return write_file


def call(out: Path, *files: Path) -> None:
    sys.argv = ["word_importance", *map(str, files), "--out", str(out)]
    run_command(main)


@pytest.fixture(autouse=True)
def command_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", sys.argv)


def error_line(capsys, out: Path, *files: Path) -> str:
    """The one error line of the command."""
    with pytest.raises(SystemExit) as exit_:
        call(out, *files)
    assert exit_.value.code == 2
    assert not out.exists()
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_words_run_clockwise_from_twelve_oclock(count):
    arcs = [word_arc(position, count) for position in range(count)]
    assert arcs[0][0] == 90  # degrees counter-clockwise from three o'clock
    assert all(end < begin for begin, end in arcs)
    np.testing.assert_allclose([end for _, end in arcs[:-1]], [begin for begin, _ in arcs[1:]])
    assert arcs[-1][1] == pytest.approx(90 - 360 + GAP)


def drawn_rings(*rings: Ring, words: tuple[str, ...] = ("a", "b")):
    axes = Figure().subplots()
    sentence = Sentence("", words, ("noun",) * len(words), ())
    draw_rings(axes, sentence, rings, Normalize(0, 2))
    wedges = [patch for patch in axes.patches if isinstance(patch, Wedge)]
    return wedges, axes.texts


def test_the_first_ring_is_outermost():
    wedges, texts = drawn_rings(Ring("sup", np.array([2.0, 0.0])), Ring("unsup", np.array([1.0, 1.0])))
    assert [wedge.r for wedge in wedges] == [0.8, 0.8, pytest.approx(0.6), pytest.approx(0.6)]
    assert [(wedge.theta2, wedge.theta1) for wedge in wedges[:2]] == [word_arc(0, 2), word_arc(1, 2)]
    heights = {text.get_text(): text.get_position()[1] for text in texts}
    assert 0.6 < heights["sup"] < 0.8 and 0.4 < heights["unsup"] < 0.6


def test_equal_importance_has_equal_color():
    wedges, _ = drawn_rings(Ring("sup", np.array([2.0, 1.0])), Ring("unsup", np.array([1.0, 2.0])))
    colors = [wedge.get_facecolor() for wedge in wedges]
    assert colors[0] == colors[3] != colors[1] == colors[2]


def test_long_words_are_truncated_and_dollars_kept():
    _, texts = drawn_rings(Ring("sup", np.ones(2)), words=("x" * 40, "$5^2$"))
    assert texts[1].get_text() == "x" * (LETTERS - 1) + "…"
    assert texts[2].get_text() == "$5^2$" and not texts[2].get_parse_math()


def test_pairs_are_drawn_in_both_orders_and_colored():
    axes = Figure().subplots()
    draw_pairs(axes, Sentence("", tuple(ENTRY["words"]), tuple(ENTRY["categories"]), ((1, 2),)))
    cells = {(cell.get_y(), cell.get_x()): cell.get_facecolor() for cell in axes.patches if isinstance(cell, Rectangle)}
    assert cells == {(1, 2): to_rgba(CATEGORY_COLORS["verb"]), (2, 1): to_rgba(CATEGORY_COLORS["noun"])}
    for labels in ([tick.label2 for tick in axes.xaxis.majorTicks], axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == ENTRY["words"]
        assert [label.get_color() for label in labels] == [CATEGORY_COLORS[name] for name in ENTRY["categories"]]


def test_rings_have_mean_1(write):
    beta = [0.4, 2.4, 0.8, 0.4]
    hatt, sup = read_importance(write("hatt", "a_it")), read_importance(write("fan-sup", importance=beta))
    assert (hatt.rings[0].label, sup.rings[0].label) == ("$a_{it}$", "sup")
    np.testing.assert_allclose(hatt.rings[0].importance, beta)
    np.testing.assert_allclose(sup.rings[0].importance, beta)


def test_figure_has_one_row_per_sentence(write, tmp_path):
    heights = []
    for count in (1, 3):
        content = {"run": "r", "variant": "fan-sup", "measure": "beta", "sentences": [ENTRY] * count}
        out = tmp_path / f"{count}.png"
        call(out, write("fan-sup", content=content), write("fan-unsup", content=content))
        header = out.read_bytes()[:24]
        assert header.startswith(b"\x89PNG\r\n")
        heights.append(int.from_bytes(header[20:], "big"))
    assert heights[1] > 2 * heights[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"importance": [1.0, 2.0]},
        {"importance": [0, 0, 0, 0]},
        {"importance": [1, 2, 3, float("nan")]},
        {"importance": "much"},
        {"categories": ["noun"]},
        {"categories": ["noun", "verb", "other", "preposition"]},
        {"words": []},
        {"pairs": [[1, 4]]},
        {"pairs": [1, 2]},
        {"content": {"run": "r", "variant": "hatt", "sentences": [ENTRY]}},
        {"content": {"run": "r", "variant": "hatt", "measure": "a_it", "sentences": []}},
        {"content": [ENTRY]},
    ],
)
def test_invalid_files_get_one_line(changes, write, tmp_path, capsys):
    path = write("fan-sup", **changes)
    assert error_line(capsys, tmp_path / "out.png", path).startswith(f"error: {path}: ")


@pytest.mark.parametrize("content", [None, "{"])
def test_missing_files_and_invalid_json_get_one_line(content, tmp_path, capsys):
    path = tmp_path / "bad.json"
    if content:
        path.write_text(content)
    assert error_line(capsys, tmp_path / "out.png", path).startswith(f"error: {path}: ")


def test_files_with_different_sentences_are_refused(write, tmp_path, capsys):
    first, other = write("fan-sup"), write("hatt", words=["the", "keeper", "saved", "it"])
    line = error_line(capsys, tmp_path / "out.png", first, other)
    assert line.startswith(f"error: {other}: ") and str(first) in line
