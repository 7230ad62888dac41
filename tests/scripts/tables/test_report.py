import csv
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from data.common.errors import UserError, run_command
from scripts.report import main, write_report
from scripts.tables.paper import Metric, Number, Row, Table, read_tables

TABLES = read_tables()
TABLE6 = TABLES["table6"]
ACCURACIES = {"hatt": [0.640, 0.644], "fan-unsup": [0.646, 0.648], "fan-sup": [0.660, 0.658]}


@pytest.fixture
def report(tmp_path):
    def write(table=TABLE6, preset="paper") -> str:
        return write_report(table, preset, tmp_path / "runs", tmp_path / "out")

    return write


@pytest.fixture
def make_run(make_run):
    """Makes a run; center-mass is accompanied by that of equal weights, as in scripts.evaluate."""

    def make(path, metrics=None, **options):
        uniform = {"uniform_center_mass": 0.05} if metrics and "center_mass" in metrics else {}
        return make_run(path, metrics and uniform | metrics, **options)

    return make


@pytest.fixture
def make_row(make_run):
    """The 20 Newsgroups row of Table 6, with two seeds by default."""

    def make(preset="paper", seeds=2) -> None:
        for variant, accuracies in ACCURACIES.items():
            for seed, accuracy in enumerate(accuracies[:seeds]):
                relations = {} if variant == "hatt" else {"center_mass": 0.1 + accuracy / 10}
                make_run(f"{preset}/20news/{variant}/seed{seed}", {"accuracy": accuracy, **relations})

    return make


def lines_after(markdown: str, heading: str) -> list[list[str]]:
    """The table's lines below the one that begins with `heading`, split into their cells."""
    lines = markdown[markdown.index(f"| {heading}") :].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_rows_have_paper_ours_difference_and_trials(report, make_row):
    make_row()
    lines = lines_after(report(), "**20 Newsgroups, test accuracy (%)**")
    assert lines[1] == ["paper", "64.0 ± 0.3", "64.6 ± 0.2", "65.6 ± 0.2"]
    assert lines[2] == ["ours", "64.2 ± 0.3", "64.7 ± 0.1", "65.9 ± 0.1"]
    assert lines[3] == ["difference", "+0.2", "+0.1", "+0.3"]
    assert lines[4] == ["trials of 5", "2", "2", "2"]


def test_rows_without_numbers_of_the_paper(report, make_row):
    make_row()
    lines = lines_after(report(), "**20 Newsgroups, test center-mass**")
    assert lines[1] == ["ours", "", "0.165 ± 0.000", "0.166 ± 0.000"]
    assert lines[2] == ["equal weights", "", "0.050 ± 0.000", "0.050 ± 0.000"]
    assert lines[3][2:] == ["+0.115 (+0.113 to +0.116)", "+0.116 (+0.115 to +0.117)"]
    assert lines[5] == ["trials of 5", "", "2", "2"]


def test_differences_are_paired_by_seed(report, make_row):
    make_row()
    lines = lines_after(report(), "20 Newsgroups, test accuracy")
    # 66.0 - 64.0 and 65.8 - 64.4: mean 1.7, half width 12.7062 * 0.424264 / sqrt(2) = 3.812.
    assert lines[1][1:] == ["FAN-hatt-sup − Hatt", "+1.7", "-2.1 to +5.5", "2"]


def test_signs_of_rounded_zeros(report, make_run):
    for seed, (hatt, fan) in enumerate([(0.640, 0.642), (0.640, 0.6421), (0.640, 0.6408)]):
        make_run(f"paper/20news/hatt/seed{seed}", {"accuracy": hatt})
        make_run(f"paper/20news/fan-unsup/seed{seed}", {"accuracy": fan, "center_mass": 0.5})
        make_run(f"paper/20news/fan-sup/seed{seed}", {"accuracy": hatt - 0.0001 * seed, "center_mass": 0.5})
    lines = lines_after(report(), "20 Newsgroups, test accuracy")
    # 0.2, 0.21 and 0.08: mean 0.1633, half width 4.3027 * 0.07234 / sqrt(3) = 0.1797: the lower end is -0.016.
    assert lines[0][2:] == ["+0.2", "-0.0 to +0.3", "3"]
    assert lines[1][2] == "+0.0"  # a mean of -0.01 has none


def test_differences_equal_for_all_seeds_are_omitted(report, make_run):
    for seed in (0, 1):
        make_run(f"paper/20news/hatt/seed{seed}", {"accuracy": 0.64 + seed * 1e-16})
        make_run(f"paper/20news/fan-unsup/seed{seed}", {"accuracy": 0.65, "center_mass": 0.5})
        make_run(f"paper/20news/fan-sup/seed{seed}", {"accuracy": 0.66 + seed / 100, "center_mass": 0.5})
    lines = lines_after(report(), "20 Newsgroups, test accuracy")
    assert [line[1] for line in lines[:2]] == ["FAN-hatt-sup − Hatt", "FAN-hatt-sup − FAN-hatt-unsup"]


def test_missing_runs_are_listed_with_reason_and_command(report, make_run, make_row, tmp_path):
    make_row()
    make_run("paper/20news/hatt/seed2", {"accuracy": 0.9}, finished=False)
    make_run("paper/20news/hatt/seed3")
    make_run("paper/20news/fan-sup/seed2", {"accuracy": 0.9})  # without center-mass
    markdown = report()
    runs = tmp_path / "runs"
    assert f"- `{runs}/paper/20news/hatt/seed2`: training has not ended\n" in markdown
    assert f"- `{runs}/paper/20news/hatt/seed3`: not evaluated\n" in markdown
    assert f"- `{runs}/paper/20news/hatt/seed4`: not begun\n" in markdown
    assert f"- `{runs}/paper/20news/fan-sup/seed2`: not evaluated\n" in markdown
    assert f"- `{runs}/paper/20news/fan-unsup/seed{{2,3,4}}`: not begun\n" in markdown
    assert f"scripts/table6.sh --preset paper --datasets 20news --seeds 2,3,4 --runs {runs}\n" in markdown
    assert lines_after(markdown, "**20 Newsgroups, test accuracy (%)**")[4][1:] == ["2", "2", "2"]


def test_complete_tables_count_every_seed(report, make_run):
    row = replace(TABLE6.rows[0], trials=2, cells={"hatt": Number(64.0, 0.3)})
    table = replace(TABLE6, rows=[row])
    for seed in (0, 1, 12):
        make_run(f"paper/20news/hatt/seed{seed}", {"accuracy": 0.6})
    markdown = report(table)
    assert "Missing" not in markdown
    assert "| 0, 1, 12 |" in markdown


def test_miniature_numbers_are_marked_and_need_one_seed(report, make_row):
    make_row(preset="mini", seeds=1)
    markdown = report(preset="mini")
    assert "**Ours are of miniature data and networks: not comparable with the paper's numbers.**" in markdown
    assert "| trials of 1 " in markdown
    assert "mini/20news" not in markdown[markdown.index("## Missing") :]


def test_csv_has_one_line_per_cell(report, make_row, tmp_path):
    make_row()
    report()
    lines = list(csv.DictReader((tmp_path / "out/paper/table6.csv").open()))
    assert len(lines) == 3 * 3 + 3 * 2
    assert {key: value for key, value in lines[2].items() if value} == {
        "dataset": "20news",
        "metric": "accuracy",
        "variant": "fan-sup",
        "column": "FAN-hatt-sup",
        "paper_mean": "65.6",
        "paper_std": "0.2",
        "ours_mean": "65.9",
        "ours_std": "0.141421",
        "trials": "2",
        "difference": "0.3",
        "against_first_mean": "1.7",
        "against_first_half_width_95": "3.811861",
        "against_first_trials": "2",
    }
    assert [lines[3][key] for key in ("ours_mean", "trials", "difference")] == ["", "0", ""]


def test_list_of_runs_has_no_paths_and_no_categories(report, make_row, make_run, tmp_path):
    make_row(seeds=1)
    make_run("paper/20news/hatt/seed1", {"accuracy": 0.5, "ap/cat": 0.1, "voc_ap_50/cat": 0.2})
    report()
    text = (tmp_path / "out/paper/table6.runs.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert "ap/cat" not in text and "/home" not in text and str(tmp_path) not in text
    assert lines[3] == {
        "preset": "paper",
        "dataset": "20news",
        "variant": "fan-sup",
        "seed": 0,
        "config": {"preset": "paper", "dataset": "20news", "variant": "fan-sup"},
        "metrics": {"accuracy": 0.66, "center_mass": pytest.approx(0.166), "uniform_center_mass": 0.05},
        "seconds": 90.0,
        "versions": {"python": "3.11.9", "numpy": "1.23.5"},
        "commit": "c0ffee",
        "device": "cpu",
        "machine": "2 cores of a test",
        "date": "2024-05-06T07:08:09+00:00",
    }


RECALLS = {"fan-unsup": [(0.1, 0.3), (0.2, 0.4)], "fan-sup": [(0.5, 0.7), (0.5, 0.9)]}  # at K = 100 and 5000, by seed


CENTER_MASS = {
    "center_mass": 0.4,
    "uniform_center_mass": 0.05,
    "training_center_mass": 0.5,
    "training_uniform_center_mass": 0.06,
}


def recalls_at(at_100: float, at_5000: float) -> dict[str, float]:
    """Recall of a network, at all K that the tables have."""
    of_matrix = {"recall@5000": at_5000, "recall@100": at_100, "recall@1000": at_5000, "recall@10": at_100 / 10}
    return of_matrix | {"row_recall@100": at_100, "distinct_recall@100": at_100, "pooled_recall@9": 0}


def reference_recalls(detector: float = 0.4) -> dict[str, float]:
    """Recall of the reference orders, at all K that the tables have; the detector's is the best."""
    values = {"random": detector / 4, "rpn": detector / 2, "detector": detector}
    recalls = {f"{order}_recall@{k}": value for order, value in values.items() for k in (10, 100, 1000, 5000)}
    return recalls | {f"{order}_distinct_recall@100": value for order, value in values.items()}


@pytest.fixture
def make_recalls(make_run):
    """Runs on images of two variants and two seeds; `fan-unsup` was evaluated at a further K."""

    def make(prefix: str) -> None:
        for variant, seeds in RECALLS.items():
            for seed, (at_100, at_5000) in enumerate(seeds):
                recalls = recalls_at(at_100, at_5000)
                references = reference_recalls()
                others = {"map": 0.5, "voc_map": 0.5, "voc_map_50": 0.6, **CENTER_MASS}
                further = {"recall@7": 0.0} if variant == "fan-unsup" else {}
                make_run(f"{prefix}/{variant}/seed{seed}", recalls | references | others | further)

    return make


def test_curves_have_every_k_of_all_runs(report, make_recalls):
    make_recalls("paper/voc07")
    lines = lines_after(report(TABLES["table1"]), "K ")
    assert lines[0] == ["K", "un-sup", "row", "mat", "mat-focal"]
    assert lines[2:6] == [  # 0.1 and 0.2: standard deviation 0.1 / sqrt(2)
        ["10", "1.5 ± 0.7", "–", "–", "5.0 ± 0.0"],
        ["100", "15.0 ± 7.1", "–", "–", "50.0 ± 0.0"],
        ["1,000", "35.0 ± 7.1", "–", "–", "80.0 ± 14.1"],
        ["5,000", "35.0 ± 7.1", "–", "–", "80.0 ± 14.1"],
    ]
    assert lines[6] == [""]


def test_references_are_below_a_recall(report, make_recalls, make_run):
    make_recalls("paper/voc07")
    make_run("paper/voc07/base/seed0", reference_recalls(detector=0.45))
    make_run("paper/voc07/base/seed1", reference_recalls(detector=0.55))
    lines = lines_after(report(TABLES["table1"]), "**VOC07, recall@100 (%)**")
    assert lines[1:8] == [
        ["ours", "–", "15.0 ± 7.1", "–", "–", "50.0 ± 0.0"],
        ["random order", "12.5 ± 1.8", "10.0 ± 0.0", "–", "–", "10.0 ± 0.0"],
        ["RPN's order", "25.0 ± 3.5", "20.0 ± 0.0", "–", "–", "20.0 ± 0.0"],
        ["detector's order", "50.0 ± 7.1", "40.0 ± 0.0", "–", "–", "40.0 ± 0.0"],
        # By seed 10 − 45 and 20 − 55, and 50 − 45 and 50 − 55: a half width of t(0.975, 1) · 7.07 / √2 = 63.5.
        ["ours − best reference", "–", "-35.0 (-35.0 to -35.0)", "–", "–", "+0.0 (-63.5 to +63.5)"],
        ["best reference", "–", *["detector's order of base F-RCNN", "–", "–"], "detector's order of base F-RCNN"],
        ["trials of 3", "2", "2", "0", "0", "2"],
    ]


def test_references_of_base_are_in_the_curve(report, make_recalls, make_run, tmp_path):
    make_recalls("paper/voc07")
    make_run("paper/voc07/base/seed0", reference_recalls(detector=0.5))
    lines = lines_after(report(TABLES["table1"]), "K ")
    names = [f"{order} of base F-RCNN" for order in ("random order", "RPN's order", "detector's order")]
    assert lines[0] == ["K", "un-sup", "row", "mat", "mat-focal", *names]
    assert lines[3][5:] == ["12.5 (one trial)", "25.0 (one trial)", "50.0 (one trial)"]
    cells = list(csv.DictReader((tmp_path / "out/paper/table1.csv").open()))
    (cell,) = [cell for cell in cells if (cell["metric"], cell["variant"]) == ("recall@100", "fan-sup")]
    assert (cell["detector's order, mean"], cell["best_reference"]) == ("40.0", "detector's order of base F-RCNN")
    assert (float(cell["against_best_mean"]), cell["against_best_half_width_95"]) == (0, "")


def test_curves_are_written_as_csv_and_png(report, make_recalls, tmp_path):
    make_recalls("paper/voc07")
    report(TABLES["table1"])
    lines = list(csv.DictReader((tmp_path / "out/paper/table1.curve.csv").open()))
    assert len(lines) == (4 + 1 + 1) * 5  # K by W̃, by W_agg and without duplicates; variants
    found = {line["metric"]: (line["ours_mean"], line["trials"]) for line in lines if line["variant"] == "fan-sup"}
    assert [found[f"recall@{k}"] for k in (10, 100, 1000)] == [("5.0", "2"), ("50.0", "2"), ("80.0", "2")]
    assert (tmp_path / "out/paper/table1.curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def with_points(monkeypatch, capsys, tmp_path):
    """Reports a table over points that lie in points.csv, and returns the exit code and what was printed."""
    monkeypatch.chdir(tmp_path)

    def run(table: str, points: str) -> tuple[int, str, str]:
        (tmp_path / "points.csv").write_text(points)
        monkeypatch.setattr(sys, "argv", ["report", table, "--overlay", "points.csv"])
        try:
            run_command(main)
        except SystemExit as exit:
            return exit.code, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return run


def test_overlays_are_only_drawn(with_points, make_recalls, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("scripts.report.draw_curves", lambda *arguments: drawn.append(arguments[-1]))
    make_recalls("paper/voc07")
    code, printed, _ = with_points("table1", "label,k,recall\nothers,100,20\nothers,5000,60\n")
    ((line,),) = drawn
    assert (line.label, line.x.tolist(), line.y.tolist()) == ("others", [100, 5000], [20, 60])
    assert code == 0 and "others" not in printed + (tmp_path / "results/paper/table1.curve.csv").read_text()


@pytest.mark.parametrize(
    ("table", "points", "named"),
    [
        ("table1", "label,k\nRPN,100\n", "points.csv"),
        ("table1", "label,k,recall\nmat,1,2\n", "points.csv"),
        ("table4", "label,k,recall\nRPN,1,2\n", "--overlay"),
    ],
)
def test_invalid_overlays_get_one_line_and_write_nothing(with_points, make_recalls, tmp_path, table, points, named):
    make_recalls("paper/voc07")
    code, _, errors = with_points(table, points)
    assert (code, errors.count("\n")) == (2, 1) and errors.startswith(f"error: {named}: ")
    assert not (tmp_path / "results").exists()


def test_base_does_not_shorten_the_curve(report, make_run, make_recalls):
    make_recalls("small/bccd")
    make_run("small/bccd/base/seed0", {"map": 0.5, "voc_map_50": 0.6, **reference_recalls()})
    lines = lines_after(report(TABLES["bccd"], "small"), "K ")
    assert lines[0][:5] == ["K", "un-sup", "row", "mat", "mat-focal"]
    assert [line[0] for line in lines[2:6]] == ["10", "100", "1,000", "5,000"]


def test_studies_need_all_trials_and_have_one_preset(report, make_recalls, tmp_path):
    make_recalls("small/bccd")
    markdown = report(TABLES["bccd"], "small")
    assert "miniature" not in markdown
    lines = lines_after(markdown, "**BCCD, recall@5k (%)**")
    assert lines[1] == ["ours", "–", "35.0 ± 7.1", "–", "–", "80.0 ± 14.1"]
    assert lines[7] == ["trials of 3", "0", "2", "0", "0", "2"]
    assert f"\nscripts/bccd.sh --seeds 0,1,2 --runs {tmp_path}/runs\n" in markdown


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["table6", "--preset", "small"], "--preset small"),
        (["bccd", "--preset", "mini"], "--preset mini"),
        (["bccd"], "runs/small"),
        (["table8", "--preset", "mini"], "runs/mini"),
    ],
)
def test_unknown_presets_and_missing_runs_get_one_line(monkeypatch, capsys, tmp_path, arguments, named):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["report", *arguments])
    with pytest.raises(SystemExit) as exit:
        run_command(main)
    error = capsys.readouterr().err
    assert exit.value.code == 2 and error.startswith(f"error: {named}: ") and error.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_tables_with_two_metrics(report, make_run, tmp_path):
    metrics = [Metric("avg_map", "avg mAP", 100, 1), Metric("center_mass", "center-mass", 1, 3)]
    cells = [{"base": Number(47.0, None), "sup": Number(48.2, 0.2)}, {"sup": Number(0.459, None)}]
    rows = [Row("VOC07", "voc07", metric, 3, numbers) for metric, numbers in zip(metrics, cells, strict=True)]
    table = Table("table4", "Detection", "", {"base": "F-RCNN", "sup": "FAN"}, rows)
    make_run("paper/voc07/sup/seed0", {"avg_map": 0.481, "center_mass": 0.45})
    markdown = report(table)
    assert lines_after(markdown, "paper")[0] == ["paper", "47.0", "48.2 ± 0.2"]
    assert lines_after(markdown, "**VOC07, center-mass**")[1:4] == [
        ["paper", "", "0.459"],
        ["ours", "", "0.450 (one trial)"],
        ["difference", "", "-0.009"],
    ]
    assert "No two variants have a seed in common yet." in markdown
    assert (tmp_path / "out/paper/table4.png").exists()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("metrics.json", "{"),
        ("metrics.json", "[]"),
        ("metrics.json", '{"accuracy": "high"}'),
        ("metrics.json", '{"accuracy": NaN}'),
        ("run.json", '{"commit": "c0ffee"}'),
        ("run.json", "null"),
        ("run.json", '{"commit": "", "versions": {}, "device": "", "machine": "", "seconds": "long"}'),
        ("run.json", ""),
        ("config.yaml", "a: ["),
        ("config.yaml", ""),
        ("config.yaml", "{preset: paper, dataset: 20news, variant: fan-sup}"),
    ],
)
def test_damaged_files_of_a_run_are_named(report, make_run, file, content):
    run = make_run("paper/20news/hatt/seed0", {"accuracy": 0.6})
    (run / file).write_text(content)
    with pytest.raises(UserError, match=f"^{run / file}: "):
        report()


def test_runs_with_different_configs_are_not_averaged(report, make_run):
    make_run("paper/20news/hatt/seed0", {"accuracy": 0.6}, epochs=15)
    make_run("paper/20news/hatt/seed1", {"accuracy": 0.6}, epochs=3)
    with pytest.raises(UserError, match="seed0 and seed1 .*config"):
        report()


def test_published_runs_complete_the_run_folders(make_run, make_row, tmp_path):
    make_row(seeds=2)
    write_report(TABLE6, "paper", tmp_path / "runs", tmp_path / "published")
    published = tmp_path / "published" / "paper"
    shutil.rmtree(tmp_path / "runs" / "paper" / "20news")
    make_run("paper/20news/hatt/seed1", {"accuracy": 0.7})  # a run folder takes precedence
    make_run("paper/20news/fan-sup/seed1")  # not evaluated
    (published / "other.runs.jsonl").write_text('{"setting": "hatt", "epochs": []}\n')  # not runs of a table
    markdown = write_report(TABLE6, "paper", tmp_path / "runs", tmp_path / "out", published=published)
    lines = lines_after(markdown, "**20 Newsgroups, test accuracy (%)**")
    assert lines[2] == ["ours", "67.0 ± 4.2", "64.7 ± 0.1", "65.9 ± 0.1"]
    assert lines[4] == ["trials of 5", "2", "2", "2"]


@pytest.mark.parametrize("content", [None, "{}\n", "[1]\n", "no JSON\n"])
def test_invalid_published_runs_are_refused(make_row, tmp_path, content):
    make_row()
    if content:
        (tmp_path / "table6.runs.jsonl").write_text(content)
    with pytest.raises(UserError, match=str(tmp_path)):
        write_report(TABLE6, "paper", tmp_path / "runs", tmp_path / "out", published=tmp_path)


def test_command_prints_table_and_paths(monkeypatch, capsys, make_row, tmp_path):
    make_row()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["report", "table6"])
    main()
    printed = capsys.readouterr().out
    assert printed.startswith("# Table 6: document classification\n")
    assert printed.endswith("written: results/paper/table6.md, .csv, .png, .runs.jsonl\n")
    assert "scripts/table6.sh --preset paper --datasets 20news --seeds 2,3,4\n" in printed


@pytest.mark.parametrize("name", ["table5", "table9"])
def test_published_tables_are_reproduced_byte_for_byte(name, tmp_path):
    published = Path(__file__).parents[3] / "results" / "mini"
    write_report(TABLES[name], "mini", tmp_path / "runs", tmp_path, published=published)
    for suffix in (".md", ".csv", ".runs.jsonl"):
        assert (tmp_path / "mini" / f"{name}{suffix}").read_bytes() == (published / f"{name}{suffix}").read_bytes()
