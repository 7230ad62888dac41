import json
import subprocess
import sys
from dataclasses import dataclass, replace

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


def test_a_run_lies_under_preset_data_set_variant_and_seed(tmp_path, run):
    assert run.path == tmp_path / "mini/20news/hatt/seed3"
    assert run.config_path.read_text() == "preset: mini\ndataset: 20news\nvariant: hatt\nrate: 0.5\n"
    assert RunFolder(run.path).runs == tmp_path


def test_the_same_config_reopens_its_folder(tmp_path):
    RunFolder.claim(tmp_path, CONFIG, 0).log_epoch(LINES[0])
    assert RunFolder.claim(tmp_path, CONFIG, 0).epochs() == LINES[:1]


def test_another_config_is_refused_and_the_first_difference_named(tmp_path):
    RunFolder.claim(tmp_path, CONFIG, 0)
    with pytest.raises(UserError) as error:
        RunFolder.claim(tmp_path, replace(CONFIG, rate=0.25), 0)
    assert str(error.value) == (
        f"{tmp_path}/mini/20news/hatt/seed0: holds a run of another config (there: rate: 0.5, here: rate: 0.25); "
        "give another --runs folder, or remove this one"
    )


def test_a_config_with_a_key_more_is_refused(tmp_path):
    path = RunFolder.claim(tmp_path, CONFIG, 0).config_path
    path.write_text(path.read_text() + "more: 1\n")
    with pytest.raises(UserError, match="it has other keys"):
        RunFolder.claim(tmp_path, CONFIG, 0)


def test_a_run_is_locked_against_a_second_writer(tmp_path, run):
    with pytest.raises(UserError, match="seed3: another process is writing to this run"):
        RunFolder.claim(tmp_path, CONFIG, seed=3)


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
        with pytest.raises(UserError, match="another process"):
            RunFolder.claim(tmp_path, CONFIG, seed=0)
        process.kill()
        process.wait()
    assert RunFolder.claim(tmp_path, CONFIG, seed=0).epochs() == []


def test_a_folder_that_is_no_finished_run_is_refused(tmp_path, run):
    with pytest.raises(UserError, match="seed3: its training has not ended; run the train command again"):
        run.require_finished()
    for path in (tmp_path / "nothing", type(tmp_path)("/")):
        with pytest.raises(UserError, match="not a run folder"):
            RunFolder(path).require_finished()


def test_epochs_are_logged_printed_and_read_again(run, capsys):
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


def test_a_line_that_a_crash_cut_short_does_not_stand_in_the_way(run):
    run.log_epoch(LINES[0])
    run.log_epoch(LINES[1])
    log = run.path / "log.jsonl"
    log.write_text(log.read_text()[:-10])
    assert run.epochs() == LINES[:1]
    run.keep_epochs(1)
    run.log_epoch(LINES[1])
    assert run.epochs() == LINES[:2]


def test_a_damaged_line_is_named_unless_it_is_dropped(run):
    for line in LINES:
        run.log_epoch(line)
    log = run.path / "log.jsonl"
    log.write_text(log.read_text().replace('"epoch": 2', '"epoch" 2'))
    with pytest.raises(UserError) as error:
        run.epochs()
    assert str(error.value).startswith(f"{log}: line 2 is not JSON (Expecting ':' delimiter")
    run.keep_epochs(1)
    assert run.epochs() == LINES[:1]


@pytest.mark.parametrize("line", ["[1]", "null", "{}"])
def test_a_line_that_is_no_epoch_is_named(run, line):
    (run.path / "log.jsonl").write_text(f"{line}\n")
    with pytest.raises(UserError, match="log.jsonl: line 1 does not hold an epoch's numbers; remove the run folder"):
        run.epochs()


def test_a_log_with_fewer_epochs_than_the_checkpoint_is_refused(run):
    run.log_epoch(LINES[0])
    with pytest.raises(
        UserError, match="log.jsonl: holds 1 of the 2 epochs that the checkpoint has; remove the run folder"
    ):
        run.keep_epochs(2)


def test_tensorboard_gets_every_number_at_its_epoch(run):
    for line in LINES:
        run.log_epoch(line)
    events = [
        event
        for path in sorted((run.path / "tensorboard").iterdir())
        for event in EventFileLoader(str(path)).Load()
        if event.HasField("summary")
    ]
    written = {(event.step, value.tag): value.tensor.float_val[0] for event in events for value in event.summary.value}
    assert written == {(line["epoch"], tag): pytest.approx(line[tag]) for line in LINES for tag in ("loss", "seconds")}


def test_the_record_of_a_finished_run_says_how_it_was_made(run):
    for line in LINES:
        run.log_epoch(line)
    assert not run.finished
    run.finish("CPU")
    assert run.finished
    run.require_finished()
    record = RunFolder(run.path).record()
    assert list(record) == ["command", "commit", "versions", "device", "machine", "seconds", "finished"]
    assert record["command"].startswith("python ")
    assert record["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"numpy", "nltk"} <= set(record["versions"])
    assert record["device"] == "CPU"
    assert " cores of " in record["machine"]
    assert record["seconds"] == 3.8
    assert record["finished"].endswith("+00:00")


def test_a_damaged_record_gets_one_line(run):
    with pytest.raises(UserError, match="run.json: no such run record; .*run the train command again"):
        run.record()
    (run.path / "run.json").write_text(json.dumps({"device": "CPU"})[:-1])
    with pytest.raises(UserError, match="run.json: run record is not valid JSON"):
        run.record()
