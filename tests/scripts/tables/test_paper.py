from pathlib import Path

import pytest

from scripts.tables.paper import Metric, read_tables

ROOT = Path(__file__).parents[3]


def printed(table: str) -> list[list[str]]:
    """The table's rows that have numbers of the paper, as it prints them."""
    rows = [row for row in read_tables()[table].rows if any(row.cells.values())]
    return [[f"{number.mean}±{number.std}" for number in row.cells.values() if number] for row in rows]


PRINTED = {
    "table1": [["69.9±0.3"]],
    "table2": [],
    "table3": [
        ["79.6±0.2", "79.7±0.2", "79.4±0.1", "79.5±0.2", "79.9±0.2", "79.8±0.1", "79.7±0.2"],
        ["60.3±0.3", "64.6±0.5", "62.1±0.3", "66.5±0.2", "69.9±0.3", "68.7±0.4", "67.1±0.3"],
    ],
    "table4": [
        ["47.0±None", "47.7±0.1", "48.2±0.2"],
        ["78.2±None", "79.3±0.2", "79.9±0.2"],
        ["26.8±None", "27.5±None", "27.9±None"],
        ["46.6±None", "47.4±None", "47.8±None"],
    ],
    "table6": [
        ["64.0±0.3", "64.6±0.2", "65.6±0.2"],
        ["64.9±0.2", "65.2±0.2", "66.0±0.1"],
        ["72.2±0.1", "72.1±0.1", "72.4±0.1"],
    ],
    "table7": [["47.6±0.1", "48.2±0.2"], ["79.5±0.2", "79.9±0.2"]],
    "table8": [["64.0±0.3", "64.7±0.2", "64.9±0.2", "65.1±0.1", "65.6±0.2"]],
    "table9": [["0.02±None", "0.747±None"], ["0.013±None", "0.459±None"]],
    "bccd": [],
    "compare_relation_networks": [],
}


@pytest.mark.parametrize("name", PRINTED)
def test_numbers_are_those_printed_in_the_paper(name):
    assert printed(name) == PRINTED[name]


def test_voc_and_coco_use_their_own_metrics():
    rows = [row for table in read_tables().values() for row in table.rows if row.metric.name.endswith("map_50")]
    assert {(row.dataset, row.metric.name) for row in rows} == {
        ("voc07", "voc_map_50"),
        ("minicoco", "map_50"),
        ("bccd", "voc_map_50"),
    }


def test_tables_have_the_trials_of_the_paper():
    trials = {name: {row.trials for row in table.rows} for name, table in read_tables().items()}
    three = {name: {3} for name in ("table1", "table3", "table5", "table7", "bccd")}
    with_minicoco = {name: {1, 3} for name in ("table4", "compare_relation_networks")}
    assert trials == {"table2": {1}, "table6": {5}, "table8": {5}, "table9": {1}} | three | with_minicoco


def test_rows_may_be_limited_to_some_presets():
    table = read_tables()["compare_relation_networks"]
    datasets = {preset: {row.dataset for row in table.at(preset).rows} for preset in table.presets}
    images = {"voc07", "minicoco"}
    assert datasets == {"paper": images, "mini": images, "small": {"bccd"}}
    for dataset in ("voc07", "minicoco", "bccd"):
        cells = {row.metric.name: list(row.cells) for row in table.rows if row.dataset == dataset}
        everyone = ["base", "rn", "rn-sup", "fan-unsup", "fan-sup", "fan-unsup-linear", "fan-sup-linear"]
        assert [name for name in cells if cells[name] == everyone[1:]] == ["center_mass"]
        recalls = ["recall@100", "row_recall@100", "distinct_recall@100", "recall@1000"]
        costs = ["head_parameters", "head_multiply_adds", "step_ratio"]
        assert [name for name in cells if cells[name] == everyone][2:] == recalls + costs
    assert read_tables()["table4"].at("mini") == read_tables()["table4"]
    assert read_tables()["bccd"].presets == ("small",)


def test_recall_and_center_mass_have_references():
    for table in read_tables().values():
        for metric in [*(row.metric for row in table.rows), *table.curves]:
            orders = "random_" in metric.references and "detector_" in metric.references and "rpn_" in metric.references
            assert orders == ("recall@" in metric.name)
            assert ("uniform_" in metric.references) == ("center_mass" in metric.name)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("recall@100", "rpn_recall@100"),
        ("row_recall@100", "rpn_recall@100"),
        ("distinct_recall@", "rpn_distinct_recall@"),
        ("annotated_row_recall@9", "annotated_rpn_recall@9"),
        ("annotated_unordered_recall@9", "annotated_unordered_rpn_recall@9"),
        ("annotated_pooled_recall@9", "annotated_rpn_pooled_recall@9"),
        ("training_center_mass", "training_rpn_center_mass"),
    ],
)
def test_names_of_references(name, reference):
    metric = Metric(name, "", 1, 0, {"rpn_": "RPN's order"})
    assert metric.reference_names() == {reference: "RPN's order"}


def test_variants_without_pair_weights_need_references_only():
    needed = read_tables()["table1"].metrics_of_runs()
    assert {"rpn_recall@10", "random_distinct_recall@100", "detector_recall@5000"} < needed["voc07", "base"]
    assert not [name for name in needed["voc07", "base"] if name.startswith(("recall", "row_", "distinct_"))]
    assert needed["voc07", "base"] < needed["voc07", "fan-sup"]


@pytest.mark.parametrize("name", list(read_tables()))
def test_every_table_has_a_script(name):
    assert (ROOT / "scripts" / f"{name}.sh").exists()
