"""Training on a small dataset: reproducible, resumable, as in the paper, and stopped by errors."""

import dataclasses
import shutil
import signal
import sys
from functools import partial
from itertools import count, islice
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, nd

from data.common.config import read_config
from data.common.errors import UserError
from data.common.runs import RunFolder
from data.images.datasets import read_images
from vision import criterion
from vision import engine as training
from vision import train as command_line
from vision.checkpoint import TrainedRun
from vision.config import Config
from vision.engine import make_learner, train, train_epoch, train_step
from vision.loader import Batch, View, load_batches, training_order
from vision.models.detector import Detector
from vision.targets import relation_targets

CONFIGS = Path(training.__file__).parent / "configs"
CPU, CPUS = [mx.cpu()], [mx.cpu(0), mx.cpu(1)]

pytestmark = pytest.mark.usefixtures("without_tensorboard")


def run_training(config, data, runs, seed=0, devices=CPU, workers=0):
    run = RunFolder.claim(runs, config, seed)
    train(config, read_images(config.dataset, data, "trainval"), run, seed, devices, workers)
    return run


@pytest.fixture(scope="module")
def trained(tiny, data, tmp_path_factory):
    """A finished run. Tests must not change it."""
    return run_training(tiny, data, tmp_path_factory.mktemp("runs"))


@pytest.fixture
def copied(trained, tmp_path):
    """A folder of runs, and a copy of the finished run in it."""
    return tmp_path, Path(shutil.copytree(trained.path, tmp_path / trained.path.relative_to(trained.runs)))


@pytest.fixture
def interrupted(copied):
    """The same, with a run that is not finished."""
    (copied[1] / "run.json").unlink()
    return copied


@pytest.fixture(scope="module")
def frozen(tiny, without_tensorboard, tmp_path_factory):
    """A config in which images are independent: BatchNorm is frozen, and the few anchors are all learned from."""
    path = tmp_path_factory.mktemp("weights") / "backbone.params"
    learner_of(tiny).detector.backbone.save_parameters(str(path))
    return changed(tiny, model={"pretrained": str(path)}, images={"short_side": 48, "long_side": 64})


def changed(config, variant="fan-sup", **sections):
    """The config with another variant, and other values in its sections, as `training={"epochs": 1}`."""
    replaced = {name: dataclasses.replace(getattr(config, name), **values) for name, values in sections.items()}
    return dataclasses.replace(config, variant=variant, **replaced)


def records(data):
    return read_images("tiny", data, "trainval").records


def learner_of(config, devices=CPU):
    mx.random.seed(0)
    return make_learner(config, 8, devices)


def batches_of(data, config, sizes):
    """Batches of the images in order, with `sizes` images each."""
    of_split = records(data)
    views = (View(number % len(of_split), flipped=False) for number in count())
    order = [list(islice(views, size)) for size in sizes]
    return [batch for _, batch in load_batches(of_split, config.images, order, workers=0)]


def measured(run):
    """The log without times."""
    timing = ("seconds", "images_per_second")
    return [{key: value for key, value in line.items() if key not in timing} for line in run.epochs()]


def weights(run):
    return arrays(TrainedRun(run.path, mx.cpu()).detector)


def parameters(detector):
    """Parameters by the names in checkpoints, which are the same in every network."""
    return detector._collect_params_with_prefix()


def arrays(detector, device=None):
    return {name: each.data(device).asnumpy() for name, each in parameters(detector).items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def assert_close(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-4, atol=1e-7, err_msg=name)


# --- runs -----------------------------------------------------------------------------------------------------------


def test_a_seed_reproduces_a_run_to_the_bit(trained, tiny, data, tmp_path):
    again = run_training(tiny, data, tmp_path, workers=2)
    other = run_training(tiny, data, tmp_path, seed=1)
    assert measured(trained) == measured(again) != measured(other)
    assert_same(weights(trained), weights(again))


def interrupt(monkeypatch, place, name, call, error=KeyboardInterrupt):
    """Interrupts the `call`-th call of `place.name`."""
    calls, real = iter(range(1, 100)), getattr(place, name)

    def interrupted(*arguments, **keywords):
        if next(calls) == call:
            raise error
        return real(*arguments, **keywords)

    monkeypatch.setattr(place, name, interrupted)


@pytest.mark.parametrize(
    ("place", "name", "call"),
    [
        (training, "train_step", 2),
        (training, "train_epoch", 2),
        (training, "train_step", 5),
        (Detector, "save_parameters", 2),
        (RunFolder, "finish", 1),
    ],
    ids=["in the first epoch", "between epochs", "in an epoch", "in a checkpoint", "at the end"],
)
def test_an_interrupted_run_ends_like_an_uninterrupted_one(place, name, call, trained, tiny, data, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, place, name, call)
        with pytest.raises(KeyboardInterrupt):
            run_training(tiny, data, tmp_path)
    resumed = run_training(tiny, data, tmp_path)
    assert measured(trained) == measured(resumed)
    assert_same(weights(trained), weights(resumed))
    assert sorted(path.name for path in resumed.checkpoints.iterdir()) == ["epoch-2.params", "epoch-2.states"]


def test_ctrl_c_waits_for_the_end_of_a_step(tiny, data, monkeypatch):
    """During a step MXNet calls back into Python, where an exception would crash it."""
    steps = []

    def step(learner, batch):
        signal.raise_signal(signal.SIGINT)
        steps.append(train_step(learner, batch))
        return steps[-1]

    monkeypatch.setattr(training, "train_step", step)
    with pytest.raises(KeyboardInterrupt):
        train_epoch(learner_of(tiny), records(data), tiny, seed=0, epoch=1, workers=2)
    assert len(steps) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_finished_run_is_not_repeated(copied, monkeypatch, capsys):
    runs, folder = copied
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    command = ["train", str(folder / "config.yaml"), "--runs", str(runs), "--data", "nowhere"]
    monkeypatch.setattr(sys, "argv", command)
    command_line.main()
    assert capsys.readouterr().out == f"{folder}: training has ended already\n"
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert {path for path in after if after[path] != before.get(path)} <= {folder / ".lock"}


def test_a_run_does_not_resume_with_other_images(interrupted, tiny, data):
    runs, _ = interrupted
    with pytest.raises(UserError, match="on other images or annotations"):
        run = RunFolder.claim(runs, tiny, seed=0)
        train(tiny, read_images("tiny", data, "test"), run, 0, CPU, 0)


def test_a_run_does_not_restart_without_its_checkpoint(interrupted, tiny, data):
    runs, folder = interrupted
    (folder / "checkpoints" / "epoch-2.params").unlink()
    with pytest.raises(UserError, match="checkpoints: "):
        run_training(tiny, data, runs)
    assert len(RunFolder(folder).epochs()) == 2


# --- what an epoch says, and what stops it --------------------------------------------------------------------------


def test_the_log_has_one_line_per_epoch(trained):
    lines = trained.epochs()
    assert [line["epoch"] for line in lines] == [1, 2]
    assert len((trained.path / "classes.txt").read_text().split()) == 8
    assert trained.record()["device"] == "CPU" and trained.record()["versions"]["mxnet"]
    losses = ["loss", "rpn_classification", "rpn_boxes", "classification", "boxes", "relation_loss", "center_mass"]
    assert list(lines[0]) == ["epoch", *losses, "seconds", "images_per_second"]
    assert lines[1]["loss"] < lines[0]["loss"]


def test_the_log_has_means_over_images_or_related_images(tiny, data, monkeypatch):
    parts = []

    def step(learner, batch):
        parts.extend(losses := train_step(learner, batch))
        return losses

    monkeypatch.setattr(training, "train_step", step)
    line = train_epoch(learner_of(tiny, CPUS), records(data), tiny, seed=0, epoch=1, workers=0)

    related = column(part.relations.related for part in parts) > 0
    expected = {name: column(getattr(part, name) for part in parts).mean() for name in parts[0]._fields[:5]}
    for key, name in {"relation_loss": "loss", "center_mass": "center_mass"}.items():
        expected[key] = column(getattr(part.relations, name) for part in parts)[related].mean()
    assert (len(parts), len(related), related.sum()) == (5, 5, 3)
    assert line.pop("images_per_second") == pytest.approx(5 / line.pop("seconds"), rel=0.1)
    assert line == pytest.approx(expected, rel=1e-6)


def column(arrays):
    return np.concatenate([array.asnumpy() for array in arrays])


def test_a_loss_that_is_not_finite_stops_the_run(trained, tiny, data, tmp_path):
    steps = count(1)

    def step(learner, batch):
        factor = np.nan if next(steps) == 5 else 1
        return [part._replace(boxes=part.boxes * factor) for part in train_step(learner, batch)]

    of_split = records(data)
    views = training_order(of_split, tiny.images, batch_size=2, seed=0, epoch=2)[1]
    names = ", ".join(of_split[view.index].id for view in views)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "train_step", step)
        with pytest.raises(UserError, match=rf"^epoch 2, images {names}: a loss is not finite \(.*'boxes': nan"):
            run_training(tiny, data, tmp_path)
    resumed = run_training(tiny, data, tmp_path)
    assert_same(weights(trained), weights(resumed))


def test_weights_that_are_not_finite_stop_the_run(tiny, data, tmp_path, monkeypatch):
    def step(learner, batch):
        losses = train_step(learner, batch)
        learner.detector.rpn.conv_3x3.bias.data()[3] = np.inf  # only the losses of a next step would show it
        return losses

    monkeypatch.setattr(training, "train_step", step)
    single_step = changed(tiny, training={"batch_size": 5})
    with pytest.raises(UserError, match="epoch 1: the weights are not finite"):
        train_epoch(learner_of(single_step), records(data)[:2], single_step, seed=0, epoch=1, workers=0)


# --- what is trained, and how ---------------------------------------------------------------------------------------


def test_the_optimizer_is_that_of_the_paper(tiny, data):
    paper = read_config(Config, CONFIGS / "paper" / "voc07" / "fan-sup.yaml").training
    learner = learner_of(dataclasses.replace(tiny, training=paper))
    train_step(learner, *batches_of(data, tiny, [2]))
    optimizer = learner.trainer.optimizer
    assert type(optimizer) is mx.optimizer.SGD
    assert (optimizer.learning_rate, optimizer.momentum, optimizer.wd) == (0.0005, 0.9, 0.0005)
    assert optimizer.rescale_grad == 1


def test_the_learning_rate_decays_also_after_resuming(tiny, data, tmp_path, monkeypatch):
    rates, seconds = [], iter([1, 1, KeyboardInterrupt, 1, 1])

    def epoch(learner, *_):
        rates.append(learner.trainer.learning_rate)
        if (ends := next(seconds)) is KeyboardInterrupt:
            raise ends
        return {"seconds": ends}

    monkeypatch.setattr(training, "train_epoch", epoch)
    config = changed(tiny, training={"epochs": 4, "decay_after": 2, "learning_rate": 0.01})
    with pytest.raises(KeyboardInterrupt):
        run_training(config, data, tmp_path)
    run_training(config, data, tmp_path)
    assert rates == pytest.approx([0.01, 0.01, 0.001, 0.001, 0.001])


def test_a_step_is_sgd_with_gradients_summed_over_images(frozen, data):
    learner, start = learner_of(frozen), arrays(learner_of(frozen).detector)
    by_hand = learner_of(frozen)
    learned = {name: each for name, each in parameters(by_hand.detector).items() if each.grad_req != "null"}
    velocity = dict.fromkeys(learned, 0)
    for batch in batches_of(data, frozen, [3, 1]):  # the second step has momentum
        train_step(learner, batch)
        gradients = [gradients_of(by_hand, batch, image, learned) for image in range(len(batch.images))]
        for name, parameter in learned.items():
            weight = parameter.data().asnumpy()
            decay = 0 if name.endswith(".bias") else 0.0005 * weight
            velocity[name] = 0.9 * velocity[name] - 0.005 * (sum(each[name] for each in gradients) + decay)
            parameter.set_data(nd.array(weight + velocity[name]))
    ends = arrays(learner.detector)
    assert_close(ends, arrays(by_hand.detector))
    assert {name for name in ends if (ends[name] != start[name]).any()} == set(learned)
    assert "backbone.features.0.weight" not in learned and "backbone.features.6.0.body.0.weight" in learned


def gradients_of(learner, batch, image, learned):
    """The gradients of the loss of one image of a batch."""
    one = Batch(*(array[image : image + 1] for array in batch))
    with autograd.record():
        output = learner.detector(one.images, one.sizes, one.boxes, one.labels)
        loss = learner.criterion(output, one.boxes, one.labels, one.sizes).loss
    loss.backward()
    return {name: parameter.grad().asnumpy() for name, parameter in learned.items()}


def test_two_devices_give_the_weights_of_one(frozen, data):
    one, two = learner_of(frozen), learner_of(frozen, CPUS)
    for batch in batches_of(data, frozen, [1, 2, 1, 3]):
        together, parts = train_step(one, batch), train_step(two, batch)
        assert len(parts) == min(2, len(batch.images))
        assert column(part.loss for part in parts) == pytest.approx(column(part.loss for part in together), rel=1e-4)
    for device in CPUS:
        assert_close(arrays(two.detector, device), arrays(one.detector))


@pytest.mark.parametrize("append_objects", [True, False])
def test_annotated_boxes_can_be_appended_to_the_rois(tiny, data, append_objects):
    learner = learner_of(changed(tiny, training={"append_objects": append_objects}))
    outputs = []

    def criterion(output, *objects):
        outputs.append(output)
        return learner.criterion(output, *objects)

    (batch,) = batches_of(data, tiny, [2])
    train_step(learner._replace(criterion=criterion), batch)
    objects = batch.boxes.shape[1] if append_objects else 0
    assert outputs[0].rois.shape == (2, 256 + objects, 4)
    np.testing.assert_array_equal(outputs[0].rois.asnumpy()[:, 256:], batch.boxes.asnumpy()[:, :objects])


def test_the_relation_loss_reaches_the_modules_attention(tiny_modules, data, monkeypatch):
    """With annotated boxes among the ROIs, as in Relation Networks."""
    monkeypatch.setattr(criterion, "relation_targets", partial(relation_targets, iou_thresh=0.2))
    assert tiny_modules.training.append_objects
    measuring = changed(tiny_modules, variant="rn", relation_loss={"weight": 0.0})
    steep = changed(tiny_modules, variant="rn-sup", relation_loss={"weight": 10.0})
    weights = []
    for config in (measuring, steep):
        learner = learner_of(config)
        line = train_epoch(learner, records(data), config, seed=0, epoch=1, workers=0)
        assert line["relation_loss"] > 0 and 0 < line["center_mass"] < 1
        weights.append(arrays(learner.detector))
    for name in ("relation_2.key.weight", "relation_2.pair_pos_fc1.weight", "relation_1.linear_out.weight"):
        assert (weights[0][name] != weights[1][name]).any()


def annotated(config, variant="fan-sup-gt", weight=0.01):
    return changed(config, variant=variant, relation_loss={"rule": "annotated", "weight": weight})


def test_annotated_relations_reach_the_loss(tiny, data):
    supervised = annotated(tiny)
    images = [record for record in records(data) if len(record.labels) > 1]
    related = [dataclasses.replace(record, relations=np.array([[1, 0]])) for record in images]
    turned = [dataclasses.replace(record, relations=np.array([[0, 1]])) for record in images]
    unrelated = [dataclasses.replace(record, relations=np.empty((0, 2), np.int64)) for record in images]
    lines = [
        train_epoch(learner_of(supervised), of_split, supervised, seed=0, epoch=1, workers=0)
        for of_split in (related, turned, unrelated)
    ]
    assert lines[0]["relation_loss"] > 0 and lines[0]["relation_loss"] != lines[1]["relation_loss"] > 0
    assert (lines[2]["relation_loss"], lines[2]["center_mass"]) == (0, 0)


@pytest.mark.parametrize(("variant", "weight"), [("fan-sup-gt", 0.01), ("fan-unsup", 0.0)])
def test_missing_relation_annotations_are_rejected(tiny, data, tmp_path, variant, weight):
    with pytest.raises(UserError, match="^tiny: the dataset has no relation annotations"):
        run_training(annotated(tiny, variant, weight), data, tmp_path)
    run = RunFolder(tmp_path / "mini/tiny" / variant / "seed0")
    assert not run.epochs() and sorted(path.name for path in run.path.iterdir()) == [".lock", "config.yaml"]
