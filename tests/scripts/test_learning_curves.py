"""Learning curves from the logs of runs trained with a hold-out."""

import json

import pytest

from data.errors import UserError
from scripts.learning_curves import curves_table, draw_curves, read_setting


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
    """Writes and reads a setting, a curve of held-out accuracy a seed."""
    for seed, held_out in enumerate(curves):
        folder = make_run(f"paper/20news/{name}/seed{seed}")
        write_log(folder, held_out, center_mass)
    (tmp_path / "study").mkdir(exist_ok=True)
    (tmp_path / "runs").rename(tmp_path / "study" / name)
    return read_setting(name, tmp_path / "study")


def test_the_table_has_the_mean_and_spread_at_thirds_and_the_best_epoch(make_run, tmp_path):
    hatt = setting(make_run, tmp_path, "hatt", [[0.1, 0.5, 0.3], [0.3, 0.7, 0.3]])
    fan = setting(make_run, tmp_path, "fan", [[0.2, 0.3, 0.4, 0.45]], center_mass=True)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in curves_table([hatt, fan]).splitlines()]
    header = ["", "seeds", "epoch 1", "epoch 2", "last (epoch)", "best (epoch)", "training", "center-mass"]
    assert rows[2] == header
    expected = ["hatt", "2", "20.0 ± 14.1", "60.0 ± 14.1", "30.0 ± 0.0 (3)", "60.0 ± 14.1 (2)", "90.0 ± 0.0", "–"]
    assert rows[4] == expected
    assert rows[5] == ["fan", "1", "20.0", "30.0", "45.0 (4)", "45.0 (4)", "90.0", "0.500"]


def test_the_figure_is_a_png(make_run, tmp_path):
    draw_curves(tmp_path / "curves.png", [setting(make_run, tmp_path, "hatt", [[0.1, 0.5], [0.2, 0.4]])])
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("curves", "line"),
    [
        ([], "holds no finished run"),
        ([[0.1], [0.1, 0.2]], "different numbers of epochs"),
        ([[]], "trained with a hold-out"),
    ],
)
def test_runs_that_make_no_curve_are_refused(make_run, tmp_path, curves, line):
    (tmp_path / "runs").mkdir()
    with pytest.raises(UserError, match=line):
        setting(make_run, tmp_path, "hatt", curves)
