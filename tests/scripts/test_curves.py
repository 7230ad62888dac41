"""Curves with bands, as they are drawn."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from scripts import curves
from scripts.collect import Cell, Curve
from scripts.curves import Line, Panel, draw_curves, draw_panels
from scripts.paper import Metric, Row, Table

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
    rows = [[Cell(row, name, name, None, its[k], None) for name, its in values.items()] for k in range(2)]
    return Curve("VOC07", RECALL, [10, 100], rows)


def band(axes, number: int) -> tuple[list[float], list[float]]:
    """The lower and the upper edge of a band at both K."""
    vertices = axes.collections[number].get_paths()[0].vertices
    edges = [sorted({y for x, y in vertices.round(6).tolist() if x == k}) for k in (10, 100)]
    return [edge[0] for edge in edges], [edge[-1] for edge in edges]


def test_a_line_is_the_mean_and_its_band_a_standard_deviation_over_log_k(drawn):
    table = Table("table1", "Table 1", "", {}, [], curve=RECALL)
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
    assert axes.get_title() == "VOC07: recall (%), mean and standard deviation over trials"
    assert figure.get_suptitle() == "Table 1\na remark"


def test_a_label_has_one_colour_in_all_panels_and_x_is_linear_without_ticks(drawn):
    points = np.array([1.0, 2.0])
    hatt, fan = (Line(name, points, points, points, points) for name in ("hatt", "fan"))
    figure = drawn(draw_panels, [Panel("accuracy", "epoch", [hatt, fan]), Panel("center-mass", "epoch", [fan])])
    first, second = figure.axes
    assert [line.get_color() for line in first.lines] == ["C0", "C1"]
    assert [line.get_color() for line in second.lines] == ["C1"]
    assert first.get_xscale() == "linear"
