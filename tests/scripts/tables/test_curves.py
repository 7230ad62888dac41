"""Curves with bands, as they are drawn."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from data.common.errors import UserError
from scripts.tables import curves
from scripts.tables.collect import Cell, Curve
from scripts.tables.curves import Line, Panel, draw_curves, draw_panels, read_lines
from scripts.tables.paper import Metric, Row, Table

RECALL = Metric("recall@", "recall (%)", 100, 1)


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draws, and returns the figure that was written to `tmp_path/curves.png`."""
    figures = []

    class Kept(Figure):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            figures.append(self)

    monkeypatch.setattr(curves, "Figure", Kept)

    def draw(function, *arguments) -> Figure:
        function(tmp_path / "curves.png", *arguments)
        assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
        return figures[-1]

    return draw


def curve(**values: list[dict[int, float]]) -> Curve:
    """Of two variants at K = 10 and 100: at each the values by seed."""
    row = Row("VOC07", "voc07", RECALL, 3, dict.fromkeys(values))
    rows = [[Cell(row, name, name, None, its[k], {}) for name, its in values.items()] for k in range(2)]
    return Curve("VOC07", RECALL, [10, 100], rows)


def band(axes, number: int) -> tuple[list[float], list[float]]:
    """The lower and the upper edge of a band at both K."""
    vertices = axes.collections[number].get_paths()[0].vertices
    edges = [sorted({y for x, y in vertices.round(6).tolist() if x == k}) for k in (10, 100)]
    return [edge[0] for edge in edges], [edge[-1] for edge in edges]


def test_a_line_is_the_mean_and_its_band_a_standard_deviation_over_log_k(drawn):
    table = Table("table1", "Table 1", "", {}, [], curves=(RECALL,))
    unsup, sup = [{0: 10.0, 1: 14.0}, {0: 20.0, 1: 24.0}], [{0: 50.0}, {0: 60.0}]
    figure = drawn(draw_curves, table, [curve(unsup=unsup, sup=sup, row=[{}, {}])], "a remark")
    (axes,) = figure.axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines == {"unsup": [[10, 12], [100, 22]], "sup": [[10, 50], [100, 60]]}
    deviation = 2 * 2**0.5
    assert band(axes, 0) == (
        pytest.approx([12 - deviation, 22 - deviation]),
        pytest.approx([12 + deviation, 22 + deviation]),
    )
    assert band(axes, 1) == ([50, 60], [50, 60])
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "K")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10", "100"]
    assert axes.get_title() == "VOC07: recall (%)\nmean and standard deviation over trials"
    assert figure.get_suptitle() == "Table 1\na remark"


def test_a_label_has_one_colour_in_all_panels_and_x_is_linear_without_ticks(drawn):
    points = np.array([1.0, 2.0])
    hatt, fan = (Line(name, points, points, points, points) for name in ("hatt", "fan"))
    figure = drawn(draw_panels, [Panel("accuracy", "epoch", [hatt, fan]), Panel("center-mass", "epoch", [fan])])
    first, second = figure.axes
    assert [line.get_color() for line in first.lines] == ["C0", "C1"]
    assert [line.get_color() for line in second.lines] == ["C1"]
    assert first.get_xscale() == "linear"


# --- curves of others -----------------------------------------------------------------------------------------------


def write_points(folder, text: str, **options):
    path = folder / "points.csv"
    path.write_text(text, **options)
    return path


def test_curves_of_others_are_dashed_and_have_no_band(drawn, tmp_path):
    path = write_points(tmp_path, 'label,k,recall\nRPN,1000,40\nRPN,10,7.5\n\n"Zhang, 2017", 50 ,30\n')
    table = Table("table2", "Table 2", "", {}, [], curves=(RECALL,))
    (axes,) = drawn(draw_curves, table, [curve(sup=[{0: 50.0}, {0: 60.0}])], "", read_lines(path)).axes
    lines = {line.get_label(): (line.get_xydata().tolist(), line.get_linestyle()) for line in axes.lines}
    assert lines == {
        "sup": ([[10, 50], [100, 60]], "-"),
        "RPN": ([[10, 7.5], [1000, 40]], "-."),
        "Zhang, 2017": ([[50, 30]], "-."),
    }
    assert len({line.get_color() for line in axes.lines}) == 3
    assert axes.lines[0].get_marker() == "None" and axes.lines[1].get_marker() == "o"


def test_references_are_dashed_and_gray(drawn):
    table = Table("table1", "Table 1", "", {}, [], curves=(RECALL,))
    row = Row("VOC07", "voc07", RECALL, 3, {"base": None, "sup": None}, references_alone=frozenset(["base"]))
    orders = [{"random order": {0: 20.0, 1: 30.0}}, {"random order": {0: 40.0, 1: 50.0}}]
    rows = [
        [Cell(row, "base", "base", None, {}, orders[k]), Cell(row, "sup", "sup", None, {0: 50.0}, orders[k])]
        for k in range(2)
    ]
    (axes,) = drawn(draw_curves, table, [Curve("VOC07", RECALL, [10, 100], rows)], "").axes
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines) == ["sup", "random order of base"]
    reference = lines["random order of base"]
    assert reference.get_xydata().tolist() == [[10, 25], [100, 45]] and reference.get_linestyle() == "--"


def test_points_may_come_from_a_spreadsheet(tmp_path):
    path = write_points(tmp_path, "label, k, recall\r\nRPN,10,5\r\n", encoding="utf-8-sig")
    (line,) = read_lines(path)
    assert (line.label, line.x.tolist(), line.y.tolist()) == ("RPN", [10], [5])
    assert line.style["marker"] == "o"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no points; it must begin with the line label,k,recall"),
        ("label,k,recall\n", "holds no points"),
        ("RPN,10,5\n", "holds no points; it must begin with"),
        ("label,k\nRPN,10\n", "holds no points; it must begin with"),
        ("label,k,recall\nRPN,10\n", "line 2, 'RPN,10': is no name, whole number and number"),
        ("label,k,recall\nRPN,10,5,6\n", "line 2, 'RPN,10,5,6': is no name, K above 0 and percentage"),
        ("label,k,recall\nRPN,ten,5\n", "line 2, .*whole number"),
        ("label,k,recall\nRPN,10.5,5\n", "line 2, .*whole number"),
        ("label,k,recall\n\nRPN,10,5%\n", "line 3, 'RPN,10,5%': is no name"),
        ("label,k,recall\nRPN,10,500\n", "line 2, .*percentage"),
        ("label,k,recall\nRPN,10,nan\n", "line 2, .*percentage"),
        ("label,k,recall\nRPN,0,5\n", "line 2, .*K above 0"),
        ("label,k,recall\nRPN,99999999999999999999,5\n", "line 2, .*K above 0"),
        ("label,k,recall\n ,10,5\n", "line 2, .*is no name"),
        ("label,k,recall\nRPN,10,5\nRPN,10,6\n", "line 3: RPN has another recall at 10 above; remove one of them"),
    ],
)
def test_malformed_points_are_named(tmp_path, text, message):
    path = write_points(tmp_path, text)
    with pytest.raises(UserError, match=message) as refusal:
        read_lines(path)
    assert str(refusal.value).startswith(f"{path}: ")


def test_absent_points_are_named(tmp_path):
    with pytest.raises(UserError, match="points.csv: no such CSV file of points; it must begin with"):
        read_lines(tmp_path / "points.csv")
