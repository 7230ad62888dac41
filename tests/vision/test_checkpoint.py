"""Checkpoints that are damaged, missing or of another network, and full disks."""

import dataclasses
import errno
import pickle
import shutil
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from data.common.config import write_config
from data.common.errors import UserError
from data.common.runs import RunFolder
from data.images.datasets import read_images
from vision.checkpoint import TrainedRun, keep_inputs, newest_epoch, require_same_inputs, restore, save
from vision.engine import make_learner
from vision.models.detector import Detector

CPU = [mx.cpu()]


@pytest.fixture(scope="module")
def dataset(data):
    return read_images("tiny", data, "trainval")


@pytest.fixture(scope="module")
def learner(tiny):
    return make_learner(tiny, 8, CPU)


@pytest.fixture(scope="module")
def kept(tiny, learner, dataset, tmp_path_factory):
    """The files of a finished run, without its training."""
    run = RunFolder(tmp_path_factory.mktemp("runs") / "mini" / "tiny" / "fan-sup" / "seed0")
    run.path.mkdir(parents=True)
    run.config_path.write_text(write_config(tiny))
    keep_inputs(run, dataset)
    save(run, 2, learner.detector, learner.trainer)
    run.finish("CPU")
    return run


@pytest.fixture
def run(kept, tmp_path):
    """A copy to damage."""
    return RunFolder(Path(shutil.copytree(kept.path, tmp_path / "seed0")))


def files(run):
    return sorted(path.name for path in run.checkpoints.iterdir())


# --- writing --------------------------------------------------------------------------------------------------------


def test_a_checkpoint_replaces_the_previous_one(run, learner):
    (run.checkpoints / ".epoch-2.params.abcd.params").write_text("of a killed process")
    (run.checkpoints / "epoch-9 (copy).params").write_text("no checkpoint")
    assert newest_epoch(run) == 2
    save(run, 3, learner.detector, learner.trainer)
    assert files(run) == ["epoch-3.params", "epoch-3.states"]
    assert newest_epoch(run) == 3


@pytest.mark.parametrize("kept_bytes", [0, -1])
def test_weights_on_a_full_disk_keep_the_old_checkpoint(run, learner, kept_bytes, monkeypatch):
    """MXNet reports no error for the last bytes, which it writes when it closes the file."""
    write = Detector.save_parameters

    def cut(detector, filename):
        write(detector, filename)
        Path(filename).write_bytes(Path(filename).read_bytes()[:kept_bytes])

    monkeypatch.setattr(Detector, "save_parameters", cut)
    with pytest.raises(UserError, match=r"epoch-3.params: cannot be written \(.*\)"):
        save(run, 3, learner.detector, learner.trainer)
    assert newest_epoch(run) == 2
    assert not any("params" in name for name in files(run) if name != "epoch-2.params")
    TrainedRun(run.path, mx.cpu())


def test_states_on_a_full_disk_keep_the_old_checkpoint(run, learner, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(learner.trainer, "save_states", full)
    with pytest.raises(OSError, match="No space left on device: .*epoch-3.states"):
        save(run, 3, learner.detector, learner.trainer)
    assert files(run) == ["epoch-2.params", "epoch-2.states"]


# --- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: whole[:-1], lambda whole: b"PNG" + whole[3:]])
def test_damaged_weights_are_rejected(run, learner, damage):
    path = run.checkpoints / "epoch-2.params"
    path.write_bytes(damage(path.read_bytes()))
    rejected = r"epoch-2.params: damaged, or not a checkpoint of this run's config \((?!Traceback).+\); "
    with pytest.raises(UserError, match=rejected):
        TrainedRun(run.path, mx.cpu())
    with pytest.raises(UserError, match=rejected):
        restore(run, learner.detector, learner.trainer, CPU)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: b"hello\n",
        lambda whole: pickle.dumps([1, 2]),
        lambda whole: whole.replace(b"mxnet", b"mxnot"),
        None,
    ],
)
def test_damaged_states_are_rejected(run, learner, damage):
    path = run.checkpoints / "epoch-2.states"
    if damage:
        path.write_bytes(damage(path.read_bytes()))
    else:
        path.unlink()
    with pytest.raises(UserError, match=r"epoch-2.states: .* \(.+\); "):
        restore(run, learner.detector, learner.trainer, CPU)


@pytest.mark.parametrize(("key", "other"), [("fc_units: 16", "fc_units: 17"), ("d_k: 8", "d_k: 9")])
def test_weights_of_another_network_are_rejected(run, key, other):
    run.config_path.write_text(run.config_path.read_text().replace(key, other))
    with pytest.raises(UserError, match=r"epoch-2.params: .* \(.*weight.*\)"):
        TrainedRun(run.path, mx.cpu())


def test_a_run_without_checkpoint_is_rejected(run):
    shutil.rmtree(run.checkpoints)
    with pytest.raises(UserError, match="checkpoints: contains no checkpoint"):
        TrainedRun(run.path, mx.cpu())


def test_a_trained_run_has_its_classes_and_weights(kept, learner, dataset):
    trained = TrainedRun(kept.path, mx.cpu())
    assert trained.classes == dataset.classes
    expected = learner.detector._collect_params_with_prefix()
    for name, parameter in trained.detector._collect_params_with_prefix().items():
        np.testing.assert_array_equal(parameter.data().asnumpy(), expected[name].data().asnumpy(), err_msg=name)


# --- what a run was trained on --------------------------------------------------------------------------------------


def test_a_run_resumes_only_with_the_same_images(run, dataset):
    require_same_inputs(run, dataset)
    first, *others = dataset.records
    moved = dataclasses.replace(first, boxes=first.boxes + 1)
    renamed = dataclasses.replace(first, labels=first.labels - 1)
    for records in ([moved, *others], [renamed, *others], others, [*others, first]):
        with pytest.raises(UserError, match=f"{run.path}: .*other images or annotations"):
            require_same_inputs(run, dataclasses.replace(dataset, records=records))
    with pytest.raises(UserError, match="other images or annotations"):
        require_same_inputs(run, dataclasses.replace(dataset, classes=dataset.classes[::-1]))


def test_damaged_lists_are_rejected(run, dataset):
    path = run.path / "train_images.npz"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match="train_images.npz: "):
        require_same_inputs(run, dataset)
    for text in ("", "cat\n\ndog", "cat\ndog\n"):
        (run.path / "classes.txt").write_text(text)
        with pytest.raises(UserError, match="classes.txt: damaged"):
            TrainedRun(run.path, mx.cpu())
