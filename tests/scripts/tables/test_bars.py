import pytest
from matplotlib.figure import Figure

from scripts.tables.bars import draw_bars
from scripts.tables.collect import Cell
from scripts.tables.paper import read_tables

REFERENCES = {"equal weights": {0: 0.04, 1: 0.06}}
TABLE4 = read_tables()["table4"]


@pytest.fixture
def panels(monkeypatch, tmp_path):
    """Draws Table 4 with these center-masses and mAPs, and returns the panels by title."""
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))

    def draw(**values):
        rows = [row for row in TABLE4.rows if row.metric.name in ("map_50", "voc_map_50", "center_mass")]
        cells = [
            [
                Cell(
                    row,
                    variant,
                    variant,
                    paper,
                    {0: values[f"{row.dataset}_{row.metric.name}"]},
                    REFERENCES,
                )
                for variant, paper in row.cells.items()
            ]
            for row in rows
        ]
        draw_bars(tmp_path / "bars.png", TABLE4, cells, remark="")
        return {axes.get_title(): axes for axes in figures[0].axes if axes.get_visible()}

    return draw


@pytest.mark.parametrize("larger", ["voc07", "minicoco"])
def test_every_bar_is_seen_whole_from_zero(panels, larger):
    masses = {"voc07_center_mass": 0.1, "minicoco_center_mass": 0.1, f"{larger}_center_mass": 0.9}
    found = panels(voc07_voc_map_50=40, minicoco_map_50=30, **masses)
    assert len(found) == 4
    for axes in found.values():
        bottom, top = axes.get_ylim()
        assert bottom == 0
        assert top > max(bar.get_height() for bar in axes.patches)


def test_references_are_lines_across_the_bars(panels):
    found = panels(voc07_voc_map_50=40, minicoco_map_50=30, voc07_center_mass=0.1, minicoco_center_mass=0.1)
    for axes in found.values():
        heights = [segment[:, 1].tolist() for lines in axes.collections for segment in lines.get_segments()]
        assert [0.05, 0.05] in [[round(height, 6) for height in each] for each in heights]
