"""The announced costs of runs, and when they require --yes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from data.common.errors import UserError
from data.common.runs import RunFolder
from scripts.tables import costs
from scripts.tables.costs import COSTS, announce, estimate, has_gpu, hours_on_cpu
from scripts.tables.job_list import Job

ROOT = Path(__file__).parents[3]


@pytest.fixture
def job(tmp_path):
    """Makes a job of a config; its run folder is in the folder of the test."""

    def make(config: str, seed: int = 0) -> Job:
        run = RunFolder(tmp_path / config.replace("configs/", "") / f"seed{seed}")
        return Job(config, run, ROOT / f"{config}.yaml", [])

    return make


@pytest.fixture
def machine(monkeypatch):
    """Sets the number of cores, and the stacks that can use a GPU."""

    def make(cores: int, *stacks: str) -> None:
        monkeypatch.setattr(costs.os, "sched_getaffinity", lambda process: set(range(cores)))
        monkeypatch.setattr(costs, "has_gpu", lambda stack, gpus: stack in stacks)

    return make


@pytest.mark.parametrize(
    ("config", "steps", "hours"),
    [
        ("vision/configs/paper/voc07/fan-sup", 8 * 5011, 4),
        ("vision/configs/paper/minicoco/base", 8 * 30000, 26),
        ("vision/configs/paper/visual_genome/fan-sup-gt", 8 * 75651, 55),
        ("vision/configs/paper/mit67/cnn", 8 * 67 * 80, 2),
        ("language/configs/paper/20news/hatt", 15 * 45, 0.5),
        ("language/configs/paper/yahoo-half/hatt", 15 * 2735, 0.5 * 700_000 / 11_314),
    ],
)
def test_steps_are_of_the_config_and_hours_of_the_paper(job, config, steps, hours):
    found = estimate(job(config))
    assert (found.steps, found.paper_hours) == (steps, pytest.approx(hours))


def test_every_data_set_of_the_paper_configs_has_a_cost():
    folders = [path for stack in ("vision", "language") for path in (ROOT / stack / "configs/paper").iterdir()]
    assert sorted(COSTS) == sorted(path.name for path in folders)


def test_finished_epochs_and_runs_cost_nothing(job, capsys):
    started, finished = job("vision/configs/paper/voc07/fan-sup", 0), job("vision/configs/paper/voc07/fan-sup", 1)
    for each in (started, finished):
        each.run.path.mkdir(parents=True)
    (started.run.path / "log.jsonl").write_text(
        "".join(json.dumps({"epoch": epoch, "seconds": 1.0}) + "\n" for epoch in (1, 2))
    )
    (finished.run.path / "run.json").write_text("{}")
    found = estimate(started)
    assert (found.steps, found.paper_hours) == (6 * 5011, 3)
    assert estimate(finished) is None
    announce([finished], "scripts/table4.sh", ["mini"], None, yes=False)
    assert capsys.readouterr().err == "1 runs, all already trained\n"


def test_runs_share_the_cores(job):
    estimates = [estimate(job("vision/configs/paper/voc07/fan-sup", seed)) for seed in range(3)]
    alone = 40_088 * 20 / 3600
    assert hours_on_cpu(estimates, cores=2) == pytest.approx(3 * alone)
    assert hours_on_cpu(estimates, cores=64) == pytest.approx(alone)


def test_a_run_on_images_requires_yes_on_any_cpu(job, machine, capsys):
    machine(256)
    with pytest.raises(UserError, match=r"^scripts/table1.sh: .* --yes .*, or --preset small, or --preset mini$"):
        announce([job("vision/configs/paper/voc07/fan-sup")], "scripts/table1.sh", ["small", "mini"], None, yes=False)
    announce([job("vision/configs/paper/voc07/fan-sup")], "scripts/table1.sh", ["mini"], None, yes=True)
    assert "4 h per run" in capsys.readouterr().err


@pytest.mark.parametrize(("dataset", "cores", "asks"), [("20news", 2, False), ("yahoo-half", 2, True)])
def test_runs_on_documents_require_yes_if_they_take_days(job, machine, dataset, cores, asks):
    machine(cores)
    jobs = [job(f"language/configs/paper/{dataset}/hatt", seed) for seed in range(15)]
    if asks:
        with pytest.raises(UserError, match="TensorFlow"):
            announce(jobs, "scripts/table6.sh", ["mini"], None, yes=False)
    else:
        announce(jobs, "scripts/table6.sh", ["mini"], None, yes=False)


def test_a_gpu_for_the_stack_requires_no_yes(job, machine, capsys):
    machine(2, "mxnet")
    announce([job("vision/configs/paper/minicoco/base")], "scripts/table4.sh", ["mini"], None, yes=False)
    assert "CPU" not in capsys.readouterr().err
    machine(2, "tensorflow")
    with pytest.raises(UserError, match="MXNet"):
        announce([job("vision/configs/paper/minicoco/base")], "scripts/table4.sh", ["mini"], None, yes=False)


@pytest.mark.parametrize(
    ("builds", "gpus", "visible", "expected"),
    [
        ("mxnet gpu\ntensorflow gpu\n", None, ["0"], True),
        ("mxnet gpu\ntensorflow gpu\n", "1", [], True),
        ("mxnet gpu\ntensorflow gpu\n", None, [], False),
        ("mxnet cpu\ntensorflow gpu\n", None, ["0"], False),
        (None, None, ["0"], False),
    ],
)
def test_a_gpu_counts_with_the_cuda_build_of_the_stack(tmp_path, monkeypatch, builds, gpus, visible, expected):
    monkeypatch.setattr(costs, "BUILDS", tmp_path / "fan-setup.txt")
    monkeypatch.setattr(costs, "visible_gpus", lambda: visible)
    if builds:
        costs.BUILDS.write_text(builds)
    assert has_gpu("mxnet", gpus) is expected


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("dataset: bccd\ntraining: {epochs: 1, batch_size: 2}\ntext: {train_documents: 5}\n", "dataset bccd"),
        ("dataset: voc07\ntraining: {epochs: 1, batch_size: 2}\n", "'images'"),
        ("dataset: voc07\n", "training.epochs"),
    ],
)
def test_other_configs_are_refused_with_one_line(tmp_path, text, what):
    (tmp_path / "config.yaml").write_text(text)
    listed = f"# a run: {tmp_path}/run {tmp_path}/config.yaml\npython -m vision.train x\n"
    command = [sys.executable, "-m", "scripts.tables.costs", "scripts/some.sh"]
    done = subprocess.run(command, input=listed, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"error: {tmp_path}/config.yaml: ") and what in done.stderr
