import numpy as np
import pytest
from matplotlib.figure import Figure

from data.common.errors import UserError
from scripts.tables import charts
from scripts.tables.charts import Line, Panel, draw_bars, draw_curves, draw_panels, read_lines
from scripts.tables.collect import Cell, Curve
from scripts.tables.paper import Metric, Row, Table, read_tables

RECALL = Metric("recall@", "recall (%)", 100, 1)


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draws a PNG and returns its figure."""
    figures = []

    class Kept(Figure):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            figures.append(self)

    monkeypatch.setattr(charts, "Figure", Kept)

    def draw(function, *arguments) -> Figure:
        function(tmp_path / "curves.png", *arguments)
        assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
        return figures[-1]

    return draw


def curve(**values: list[dict[int, float]]) -> Curve:
    """A curve of variants with values by seed at K = 10 and 100."""
    row = Row("VOC07", "voc07", RECALL, 3, dict.fromkeys(values))
    rows = [[Cell(row, name, name, None, its[k], {}) for name, its in values.items()] for k in range(2)]
    return Curve("VOC07", RECALL, [10, 100], rows)


def band(axes, number: int) -> tuple[list[float], list[float]]:
    """The lower and the upper edge of a band at both K."""
    vertices = axes.collections[number].get_paths()[0].vertices
    edges = [sorted({y for x, y in vertices.round(6).tolist() if x == k}) for k in (10, 100)]
    return [edge[0] for edge in edges], [edge[-1] for edge in edges]


def test_curves_are_mean_and_standard_deviation_over_log_k(drawn):
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


def test_a_label_has_the_same_color_in_all_panels(drawn):
    points = np.array([1.0, 2.0])
    hatt, fan = (Line(name, points, points, points, points) for name in ("hatt", "fan"))
    figure = drawn(draw_panels, [Panel("accuracy", "epoch", [hatt, fan]), Panel("center-mass", "epoch", [fan])])
    first, second = figure.axes
    assert [line.get_color() for line in first.lines] == ["C0", "C1"]
    assert [line.get_color() for line in second.lines] == ["C1"]
    assert first.get_xscale() == "linear"


# --- curves published by others --------------------------------------------------------------------------------------


def write_points(folder, text: str, **options):
    path = folder / "points.csv"
    path.write_text(text, **options)
    return path


def test_overlaid_curves_have_their_own_style(drawn, tmp_path):
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


def test_points_may_be_exported_by_a_spreadsheet(tmp_path):
    path = write_points(tmp_path, "label, k, recall\r\nRPN,10,5\r\n", encoding="utf-8-sig")
    (line,) = read_lines(path)
    assert (line.label, line.x.tolist(), line.y.tolist()) == ("RPN", [10], [5])
    assert line.style["marker"] == "o"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "points.csv"),
        ("label,k,recall\n", "points.csv"),
        ("RPN,10,5\n", "points.csv"),
        ("label,k\nRPN,10\n", "points.csv"),
        ("label,k,recall\nRPN,10\n", "line 2"),
        ("label,k,recall\nRPN,10,5,6\n", "line 2"),
        ("label,k,recall\nRPN,ten,5\n", "line 2"),
        ("label,k,recall\nRPN,10.5,5\n", "line 2"),
        ("label,k,recall\n\nRPN,10,5%\n", "line 3"),
        ("label,k,recall\nRPN,10,500\n", "line 2"),
        ("label,k,recall\nRPN,10,nan\n", "line 2"),
        ("label,k,recall\nRPN,0,5\n", "line 2"),
        ("label,k,recall\nRPN,99999999999999999999,5\n", "line 2"),
        ("label,k,recall\n ,10,5\n", "line 2"),
        ("label,k,recall\nRPN,10,5\nRPN,10,6\n", "line 3"),
    ],
)
def test_malformed_points_are_named(tmp_path, text, named):
    path = write_points(tmp_path, text)
    with pytest.raises(UserError, match=f"^{path}: " if named == path.name else f"^{path}: {named}"):
        read_lines(path)


# --- bars -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def panels(drawn):
    """Draws Table 4 with these values of its metrics and returns the panels."""

    def draw(**values: float) -> list:
        table = read_tables()["table4"]
        rows = [row for row in table.rows if f"{row.dataset}_{row.metric.name}" in values]
        references = {"equal weights": {0: 0.04, 1: 0.06}}
        cells = [
            [
                Cell(row, variant, variant, paper, {0: values[f"{row.dataset}_{row.metric.name}"]}, references)
                for variant, paper in row.cells.items()
            ]
            for row in rows
        ]
        return [axes for axes in drawn(draw_bars, table, cells, "").axes if axes.get_visible()]

    return draw


@pytest.mark.parametrize("larger", ["voc07", "minicoco"])
def test_bars_start_at_zero_and_fit_with_their_references(panels, larger):
    masses = {"voc07_center_mass": 0.1, "minicoco_center_mass": 0.1, f"{larger}_center_mass": 0.9}
    found = panels(voc07_voc_map_50=40, minicoco_map_50=30, **masses)
    assert len(found) == 4
    for axes in found:
        bottom, top = axes.get_ylim()
        assert bottom == 0 and top > max(bar.get_height() for bar in axes.patches)
        heights = [segment[:, 1] for lines in axes.collections for segment in lines.get_segments()]
        assert any(height == pytest.approx(0.05) for height in heights)
