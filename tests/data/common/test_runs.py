import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from data.common.errors import UserError
from data.common.runs import RunFolder


@dataclass(frozen=True)
class Config:
    preset: str
    dataset: str
    variant: str
    rate: float


CONFIG = Config("mini", "20news", "hatt", 0.5)
LINES = [{"epoch": epoch, "loss": 1 / epoch, "seconds": 1.25} for epoch in (1, 2, 3)]


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder.claim(tmp_path, CONFIG, seed=3)


@pytest.fixture
def logged(run) -> RunFolder:
    for line in LINES:
        run.log_epoch(line)
    return run


def test_run_folders_are_named_after_config_and_seed(tmp_path, run):
    assert run.path == tmp_path / "mini/20news/hatt/seed3"
    assert run.config_path.read_text() == "preset: mini\ndataset: 20news\nvariant: hatt\nrate: 0.5\n"
    assert RunFolder(run.path).runs == tmp_path


def test_the_same_config_reopens_its_folder(tmp_path):
    RunFolder.claim(tmp_path, CONFIG, 0).log_epoch(LINES[0])
    assert RunFolder.claim(tmp_path, CONFIG, 0).epochs() == LINES[:1]


def test_other_configs_are_refused_with_the_first_difference(tmp_path):
    path = RunFolder.claim(tmp_path, CONFIG, 0).config_path
    with pytest.raises(UserError, match=r"hatt/seed0: .*rate: 0\.5.*rate: 0\.25"):
        RunFolder.claim(tmp_path, replace(CONFIG, rate=0.25), 0)
    path.write_text(path.read_text() + "more: 1\n")
    with pytest.raises(UserError, match="hatt/seed0: "):
        RunFolder.claim(tmp_path, CONFIG, 0)


def test_a_killed_process_leaves_no_lock(tmp_path):
    code = """
import sys, time
from dataclasses import make_dataclass
from pathlib import Path
from data.common.runs import RunFolder
Config = make_dataclass("Config", ["preset", "dataset", "variant", "rate"])
run = RunFolder.claim(Path(sys.argv[1]), Config("mini", "20news", "hatt", 0.5), seed=0)
print("claimed", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "claimed\n"
        with pytest.raises(UserError, match="seed0: another process"):
            RunFolder.claim(tmp_path, CONFIG, seed=0)
        process.kill()
        process.wait()
    assert RunFolder.claim(tmp_path, CONFIG, seed=0).epochs() == []


def test_require_finished_refuses_other_folders(tmp_path, run):
    for path in (run.path, tmp_path / "nothing", Path("/")):
        with pytest.raises(UserError, match=f"^{path}: "):
            RunFolder(path).require_finished()


def test_epochs_are_logged_and_printed(run, capsys):
    for line in LINES:
        run.log_epoch(line)
    assert run.epochs() == LINES
    assert run.epochs(first=2) == LINES[:2]
    assert capsys.readouterr().out.splitlines()[2] == "epoch 3  loss 0.3333  seconds 1.25"


def test_epochs_without_a_checkpoint_are_dropped(run):
    run.keep_epochs(0)
    assert run.epochs() == []
    for line in LINES:
        run.log_epoch(line)
    run.keep_epochs(2)
    run.log_epoch(LINES[2])
    assert run.epochs() == LINES


def test_a_line_cut_off_by_a_crash_is_ignored(run):
    run.log_epoch(LINES[0])
    run.log_epoch(LINES[1])
    log = run.path / "log.jsonl"
    log.write_text(log.read_text()[:-10])
    assert run.epochs() == LINES[:1]
    run.keep_epochs(1)
    run.log_epoch(LINES[1])
    assert run.epochs() == LINES[:2]


@pytest.mark.parametrize("damaged", ['{"epoch" 2}', "[1]", "null", "{}"])
def test_damaged_lines_are_named_unless_dropped(logged, damaged):
    log = logged.path / "log.jsonl"
    first, _, third = log.read_text().splitlines()
    log.write_text("\n".join([first, damaged, third, ""]))
    with pytest.raises(UserError, match="log.jsonl: line 2 "):
        logged.epochs()
    logged.keep_epochs(1)
    assert logged.epochs() == LINES[:1]


def test_a_log_shorter_than_the_checkpoint_is_refused(run):
    run.log_epoch(LINES[0])
    with pytest.raises(UserError, match="log.jsonl: has 1 of the 2 epochs"):
        run.keep_epochs(2)


def test_tensorboard_has_every_number_at_its_epoch(logged):
    events = [
        event
        for path in sorted((logged.path / "tensorboard").iterdir())
        for event in EventFileLoader(str(path)).Load()
        if event.HasField("summary")
    ]
    written = {(event.step, value.tag): value.tensor.float_val[0] for event in events for value in event.summary.value}
    assert written == {(line["epoch"], tag): pytest.approx(line[tag]) for line in LINES for tag in ("loss", "seconds")}


def test_finished_runs_have_a_record(logged):
    assert not logged.finished
    logged.finish("CPU")
    assert logged.finished
    logged.require_finished()
    record = RunFolder(logged.path).record()
    assert list(record) == ["command", "commit", "versions", "device", "machine", "seconds", "finished"]
    assert record["command"].startswith("python ")
    assert record["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"numpy", "nltk"} <= set(record["versions"])
    assert record["device"] == "CPU"
    assert " cores of " in record["machine"]
    assert record["seconds"] == 3.8
    assert record["finished"].endswith("+00:00")


def test_missing_and_damaged_records_are_named(run):
    with pytest.raises(UserError, match="run.json: "):
        run.record()
    (run.path / "run.json").write_text(json.dumps({"device": "CPU"})[:-1])
    with pytest.raises(UserError, match="run.json: "):
        run.record()
