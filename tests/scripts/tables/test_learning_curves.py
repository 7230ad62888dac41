import json

import pytest

from data.common.errors import UserError
from scripts.tables.learning_curves import curves_table, main, read_setting


def write_log(folder, held_out, center_mass=None):
    lines = [
        {
            "epoch": epoch,
            "seconds": 1.0,
            "accuracy": 0.9,
            "held_out_accuracy": value,
            **({"center_mass": 0.5} if center_mass else {}),
        }
        for epoch, value in enumerate(held_out, start=1)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def setting(make_run, tmp_path, name, curves, center_mass=False):
    """Writes and reads a setting with one curve of held-out accuracy per seed; another preset is next to it."""
    for preset, seeds in (("paper", curves), ("mini", [[0.5] * 7])):
        for seed, held_out in enumerate(seeds):
            write_log(make_run(f"{preset}/20news/{name}/seed{seed}"), held_out, center_mass)
    (tmp_path / "study").mkdir(exist_ok=True)
    (tmp_path / "runs").rename(tmp_path / "study" / name)
    return read_setting(name, tmp_path / "study", "paper")


def test_table_has_mean_and_spread_at_thirds_and_best_epoch(make_run, tmp_path):
    hatt = setting(make_run, tmp_path, "hatt", [[0.1, 0.5, 0.3], [0.3, 0.7, 0.3]])
    fan = setting(make_run, tmp_path, "fan", [[0.2, 0.3, 0.4, 0.45]], center_mass=True)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in curves_table([hatt, fan]).splitlines()]
    header = ["", "seeds", "epoch 1", "epoch 2", "last (epoch)", "best (epoch)", "training", "center-mass"]
    assert rows[2] == header
    expected = ["hatt", "2", "20.0 ± 14.1", "60.0 ± 14.1", "30.0 ± 0.0 (3)", "60.0 ± 14.1 (2)", "90.0 ± 0.0", "–"]
    assert rows[4] == expected
    assert rows[5] == ["fan", "1", "20.0", "30.0", "45.0 (4)", "45.0 (4)", "90.0", "0.500"]


@pytest.mark.parametrize("curves", [[], [[]]])
def test_settings_without_runs_or_hold_out_are_refused(make_run, tmp_path, curves):
    with pytest.raises(UserError, match=str(tmp_path / "study" / "hatt")):
        setting(make_run, tmp_path, "hatt", curves)


def test_runs_with_different_configs_are_refused(make_run, tmp_path):
    setting(make_run, tmp_path, "hatt", [[0.1], [0.2]])
    config = tmp_path / "study/hatt/paper/20news/hatt/seed1/config.yaml"
    config.write_text(config.read_text() + "\nother: 1\n")
    with pytest.raises(UserError, match="hatt/paper: .*config"):
        read_setting("hatt", tmp_path / "study", "paper")


def test_command_writes_table_chart_and_runs(make_run, tmp_path, monkeypatch):
    setting(make_run, tmp_path, "hatt", [[0.1, 0.5], [0.2, 0.4]])
    options = ["--runs", str(tmp_path / "study"), "--out", str(tmp_path / "results")]
    monkeypatch.setattr("sys.argv", ["learning_curves", "hatt", *options])
    main()
    lines = (tmp_path / "results/paper/learning_curves.runs.jsonl").read_text().splitlines()
    runs = [json.loads(line) for line in lines]
    assert [(run["setting"], run["seed"], run["epochs"][1]["held_out_accuracy"]) for run in runs] == [
        ("hatt", 0, 0.5),
        ("hatt", 1, 0.4),
    ]
    assert (tmp_path / "results/paper/learning_curves.png").read_bytes().startswith(b"\x89PNG")
