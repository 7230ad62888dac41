from pathlib import Path

import pytest

from scripts.paper import Metric, Number, read_tables

ROOT = Path(__file__).parents[2]


def printed(table: str) -> list[list[str]]:
    """The table's rows that hold numbers of the paper, as it prints them."""
    rows = [row for row in read_tables()[table].rows if any(row.cells.values())]
    return [[f"{number.mean}±{number.std}" for number in row.cells.values()] for row in rows]


def test_table_6_is_the_papers():
    assert printed("table6") == [
        ["64.0±0.3", "64.6±0.2", "65.6±0.2"],
        ["64.9±0.2", "65.2±0.2", "66.0±0.1"],
        ["72.2±0.1", "72.1±0.1", "72.4±0.1"],
    ]


def test_table_8_is_the_papers_and_shares_its_semantic_column_with_table_6():
    tables = read_tables()
    assert printed("table8") == [["64.7±0.2", "64.9±0.2", "65.1±0.1", "65.6±0.2"]]
    assert tables["table8"].rows[0].cells["fan-sup"] == tables["table6"].rows[0].cells["fan-sup"]


def test_both_tables_average_over_five_trials():
    assert {row.trials for table in read_tables().values() for row in table.rows} == {5}


@pytest.mark.parametrize("name", list(read_tables()))
def test_every_table_has_its_script(name):
    assert (ROOT / "scripts" / f"{name}.sh").exists()


def test_a_table_may_have_several_metrics_and_numbers_without_deviation(tmp_path):
    path = tmp_path / "paper.yaml"
    path.write_text(
        """
metrics:
  avg_map: {label: avg mAP, times: 100, decimals: 1}
  center_mass: {label: center-mass, times: 1, decimals: 3}
tables:
  table4:
    title: Table 4
    note: ""
    columns: {base: base F-RCNN, unsup: FAN + L_det, sup: FAN + L_det + L_rel}
    rows:
      - {label: VOC07, dataset: voc07, metric: avg_map, trials: 3, cells: {base: 47.0, sup: 48.2 ± 0.2}}
      - {label: VOC07, dataset: voc07, metric: center_mass, trials: 1, cells: {sup: null}}
"""
    )
    table = read_tables(path)["table4"]
    assert table.rows[0].cells == {"base": Number(47.0, None), "sup": Number(48.2, 0.2)}
    assert table.rows[1].cells == {"sup": None}
    assert table.rows[1].metric == Metric("center_mass", "center-mass", 1, 3)
    assert table.metrics_of_runs() == {
        ("voc07", "base"): {"avg_map"},
        ("voc07", "sup"): {"avg_map", "center_mass"},
    }
