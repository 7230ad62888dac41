"""Training on tiny scenes: frozen layers and resumed runs are exact to the bit; what stops a run is named."""

import dataclasses
import shutil
import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon, nd

from data.common.config import write_config
from data.common.errors import UserError
from data.common.runs import RunFolder
from data.images.mit67 import read_mit67
from vision import scene
from vision.checkpoint import TrainedRun
from vision.scenes import detector as scene_detector
from vision.scenes import train as scene_train
from vision.scenes.detector import detector_folder as find_detector
from vision.scenes.detector import read_detector, read_detector_record
from vision.scenes.features import FeatureCache, extract, frozen_features, scene_order
from vision.scenes.predict import TrainedScenes
from vision.scenes.train import make_learner, train, train_epoch, train_step

CPU, CPUS = [mx.cpu()], [mx.cpu(0), mx.cpu(1)]
PLENTY = 10**9

pytestmark = pytest.mark.usefixtures("without_tensorboard")


def variant(scenes, name):
    """The config of another column of Table 5 with the same detector."""
    model = {
        "cnn": {"pretrained": "none", "roi_features": "none"},
        "cnn-coco": {"roi_features": "none"},
        "cnn-rois": {"roi_features": "features"},
        "fan-sup": {},
    }
    return dataclasses.replace(scenes, variant=name, model=dataclasses.replace(scenes.model, **model[name]))


def run_training(config, data, detector, runs, seed=0, devices=CPU, workers=0, memory=PLENTY):
    run = RunFolder.claim(runs, config, seed)
    detector = None if config.variant == "cnn" else detector
    train(config, read_mit67(data, "train"), run, seed, detector, devices, workers, memory)
    return run


@pytest.fixture(scope="module")
def trained(scenes, scene_data, detector_folder, without_tensorboard, tmp_path_factory):
    """A finished run of fan-sup, not to be changed."""
    return run_training(scenes, scene_data, detector_folder, tmp_path_factory.mktemp("runs"))


@pytest.fixture
def interrupted(trained, tmp_path):
    """The folder of all runs, with an unfinished copy of `trained`, and this copy."""
    folder = Path(shutil.copytree(trained.path, tmp_path / trained.path.relative_to(trained.runs)))
    (folder / "run.json").unlink()
    return tmp_path, folder


def arrays(network):
    return {name: each.data().asnumpy() for name, each in network._collect_params_with_prefix().items()}


def weights(run):
    return arrays(TrainedScenes(run.path, mx.cpu()).network)


def measured(run):
    timing = ("seconds", "images_per_second")
    return [{key: value for key, value in line.items() if key not in timing} for line in run.epochs()]


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def learner_of(config, data, detector, devices=CPU):
    mx.random.seed(0)
    return make_learner(config, read_mit67(data, "train"), detector and TrainedRun(detector, CPU[0]), devices, seed=0)


def features_by(learner, images):
    turns = zip(images, learner.devices * len(images), strict=False)
    return [extract(learner.network, image, device) for image, device in turns]


@pytest.fixture
def images():
    return [np.random.default_rng(k).normal(0, 50, (3, 48, 64)).astype(np.float32) for k in range(4)]


# --- frozen layers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cnn-coco", "cnn-rois", "fan-sup"])
def test_backbone_rpn_and_fan_keep_their_bits_in_training(name, trained, scenes, scene_data, detector_folder, tmp_path):
    run = trained if name == "fan-sup" else run_training(variant(scenes, name), scene_data, detector_folder, tmp_path)
    detector, after = arrays(TrainedRun(detector_folder, CPU[0]).detector), weights(run)
    before = {f"body.{key}": value for key, value in detector.items()}
    if name == "cnn-coco":
        before = {f"body.{key.removeprefix('backbone.')}": each for key, each in detector.items() if "backbone" in key}
    fixed = {key for key in before if not key.startswith(("body.conv_new_1", "body.fc_new"))}
    parts = {"focused_attention", "rpn", "running_mean", "running_var"} if name != "cnn-coco" else {"running_mean"}
    assert all(any(part in key for key in fixed) for part in parts)
    for key in fixed:
        np.testing.assert_array_equal(after[key], before[key], err_msg=key)
    for key in before.keys() - fixed:
        assert (after[key] != before[key]).any(), key


# --- runs -----------------------------------------------------------------------------------------------------------


def test_a_seed_reproduces_a_run_to_the_bit_for_any_memory(trained, scenes, scene_data, detector_folder, tmp_path):
    for number, memory in enumerate((0, 60_000)):  # for no views, and for some
        again = run_training(scenes, scene_data, detector_folder, tmp_path / str(number), workers=2, memory=memory)
        assert measured(trained) == measured(again)
        assert_same(weights(trained), weights(again))
    other = run_training(scenes, scene_data, detector_folder, tmp_path, seed=1)
    assert measured(trained) != measured(other)


@pytest.mark.parametrize(
    ("place", "name", "call"),
    [
        (scene_train, "train_step", 2),
        (scene_train, "train_epoch", 2),
        (scene_train, "train_step", 8),
        (gluon.Block, "save_parameters", 2),
    ],
    ids=["in the first epoch", "between epochs", "in an epoch", "in a checkpoint"],
)
def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    place, name, call, trained, scenes, scene_data, detector_folder, tmp_path
):
    interrupt(place, name, call, scenes, scene_data, detector_folder, tmp_path)
    resumed = run_training(scenes, scene_data, detector_folder, tmp_path)
    assert measured(trained) == measured(resumed)
    assert_same(weights(trained), weights(resumed))


def test_random_features_are_frozen_and_survive_interruption(scenes, scene_data, tmp_path):
    config = variant(scenes, "cnn")
    initial = arrays(learner_of(config, scene_data, None).network)
    whole = run_training(config, scene_data, None, tmp_path / "whole")
    for key, value in initial.items():
        assert (weights(whole)[key] == value).all() == key.startswith("body."), key
    interrupt(scene_train, "train_epoch", 2, config, scene_data, None, tmp_path)
    resumed = run_training(config, scene_data, None, tmp_path)
    assert measured(whole) == measured(resumed)
    assert_same(weights(whole), weights(resumed))


def interrupt(place, name, call, config, data, detector, runs):
    """Starts a run and interrupts it in the `call`-th call of `place.name`."""
    calls, real = count(1), getattr(place, name)

    def interrupted(*arguments, **keywords):
        if next(calls) == call:
            raise KeyboardInterrupt
        return real(*arguments, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_training(config, data, detector, runs)


def test_a_run_has_a_log_and_a_record_of_its_detector(trained, detector_folder):
    lines = trained.epochs()
    assert [list(line) for line in lines] == 2 * [["epoch", "loss", "accuracy", "seconds", "images_per_second"]]
    assert lines[1]["loss"] < lines[0]["loss"]
    record = read_detector_record(trained)
    assert (record.run, record.classes) == ("mini/tiny/fan-sup/seed0", 8)
    assert str(detector_folder.parent) not in (trained.path / "detector.yaml").read_text()


def test_a_run_is_not_resumed_with_other_images_or_detector(interrupted, scenes, scene_data, detector_folder, tmp_path):
    runs, _ = interrupted
    run = RunFolder.claim(runs, scenes, seed=0)
    with pytest.raises(UserError, match="seed0: .*images"):
        train(scenes, read_mit67(scene_data, "test"), run, 0, detector_folder, CPU, 0, PLENTY)
    other = Path(shutil.copytree(detector_folder, tmp_path / "other" / "seed1"))
    detector = TrainedRun(other, CPU[0]).detector
    detector.cls_score.bias.data()[:] += 1
    detector.save_parameters(str(other / "checkpoints" / "epoch-2.params"))
    with pytest.raises(UserError, match=r"seed0: .*detector mini/tiny/fan-sup/seed0 \(weights \w{8}\).* mini/"):
        train(scenes, read_mit67(scene_data, "train"), run, 0, other, CPU, 0, PLENTY)


def test_a_finished_run_is_not_repeated(trained, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(trained.path, tmp_path / trained.path.relative_to(trained.runs)))
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != ".lock"}
    command = ["scene", str(folder / "config.yaml"), "--runs", str(tmp_path), "--data", "nowhere"]
    monkeypatch.setattr(sys, "argv", command)
    scene.main()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != ".lock"} == files


def test_the_command_finds_the_detector_in_the_runs_folder(scenes, scene_data, detector_folder, tmp_path, monkeypatch):
    runs, config = tmp_path / "runs", tmp_path / "config.yaml"
    config.write_text(write_config(scenes))
    command = ["scene", str(config), "--runs", str(runs), "--data", str(scene_data), "--memory", "0.5"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(UserError, match="mini/tiny/fan-sup/seed0: .*python -m vision.train"):
        scene.main()
    shutil.copytree(detector_folder, runs / "mini/tiny/fan-sup/seed0")
    scene.main()
    assert RunFolder(runs / "mini/mit67/fan-sup/seed0").finished


@pytest.mark.parametrize("amount", ["-1", "much", "1e3", ""])
def test_an_invalid_memory_is_refused(amount, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["scene", "config.yaml", f"--memory={amount}"])
    with pytest.raises(SystemExit) as ended:
        scene.main()
    assert ended.value.code == 2 and "--memory" in capsys.readouterr().err


# --- the detector ---------------------------------------------------------------------------------------------------


def test_a_detector_that_does_not_fit_is_refused(scenes, detector_folder, tmp_path):
    copied = Path(shutil.copytree(detector_folder, tmp_path / "seed0"))
    other = dataclasses.replace(scenes, model=dataclasses.replace(scenes.model, pretrained="minicoco/fan-sup"))
    with pytest.raises(UserError, match="seed0: .*mini/tiny/fan-sup.*mini/minicoco/fan-sup"):
        find_detector(other, copied, tmp_path, 0)
    with pytest.raises(UserError, match="--detector .*: cnn"):
        find_detector(variant(scenes, "cnn"), copied, tmp_path, 0)
    assert find_detector(variant(scenes, "cnn"), None, tmp_path, 0) is None
    assert find_detector(scenes, copied, tmp_path, 0) == copied

    larger = dataclasses.replace(scenes, model=dataclasses.replace(scenes.model, backbone="resnet18"))
    with pytest.raises(UserError, match="seed0: .*resnet10.*resnet18"):
        read_detector(larger, copied)
    (copied / "run.json").unlink()
    with pytest.raises(UserError, match="seed0: "):
        find_detector(scenes, copied, tmp_path, 0)
    copied.joinpath("config.yaml").write_text("[]")
    with pytest.raises(UserError, match="config.yaml: "):
        find_detector(scenes, copied, tmp_path, 0)


def test_fan_variants_need_a_detector_with_attention(scenes, detector_folder, tmp_path):
    copied = Path(shutil.copytree(detector_folder, tmp_path / "seed0"))
    trained = TrainedRun(copied, CPU[0])
    base = dataclasses.replace(
        trained.config,
        variant="base",
        model=dataclasses.replace(trained.config.model, focused_attention=False),
        relation_loss=dataclasses.replace(trained.config.relation_loss, weight=0.0),
    )
    (copied / "config.yaml").write_text(write_config(base))
    path = copied / "checkpoints" / "epoch-2.params"
    kept = {name: value for name, value in nd.load(str(path)).items() if "focused_attention" not in name}
    nd.save(str(path), kept)
    with pytest.raises(UserError, match="seed0: has no focused attention"):
        read_detector(scenes, copied)
    read_detector(variant(scenes, "cnn-rois"), copied)


def test_a_detector_with_relation_modules_is_refused(scenes, tiny_modules, monkeypatch, tmp_path):
    run = RunFolder.claim(tmp_path, tiny_modules, seed=0)
    trained = SimpleNamespace(run=run, config=tiny_modules)
    monkeypatch.setattr(scene_detector, "TrainedRun", lambda *_: trained)
    with pytest.raises(UserError, match="seed0: has relation modules"):
        read_detector(variant(scenes, "cnn-rois"), run.path)


# --- steps ---------------------------------------------------------------------------------------------------------


def test_a_step_is_sgd_on_the_summed_cross_entropies(scenes, scene_data, detector_folder, images):
    learner, start = (learner_of(scenes, scene_data, detector_folder) for _ in range(2))
    labels = [2, 0]
    features = []
    for image in images[:2]:  # Records the input of the classifier.
        frozen = extract(start.network, image, CPU[0])
        start.network.classifier.register_forward_pre_hook(lambda _, given: features.append(given[0][0].asnumpy()))
        logits = start.network(*frozen)[0].asnumpy().astype(np.float64)
        start.network.classifier._forward_pre_hooks.clear()
        features[-1] = np.exp(logits - np.logaddexp.reduce(logits)), features[-1]
    gradient, losses = 0, []
    for (probabilities, given), label in zip(features, labels, strict=True):
        losses.append(-np.log(probabilities[label]))
        gradient = gradient + np.outer(probabilities - np.eye(3)[label], given)
    result = train_step(learner, features_by(learner, images[:2]), labels)
    np.testing.assert_allclose(result.losses, losses, rtol=1e-4)
    assert result.correct == sum(int(each[0].argmax()) == label for each, label in zip(features, labels, strict=True))
    before = start.network.classifier.weight.data().asnumpy()
    settings = scenes.training
    expected = before - settings.learning_rate * (gradient + settings.weight_decay * before)
    np.testing.assert_allclose(learner.network.classifier.weight.data().asnumpy(), expected, rtol=1e-3, atol=1e-6)


def test_two_devices_equal_one_even_if_one_is_idle(scenes, scene_data, detector_folder, images):
    one, two = (learner_of(scenes, scene_data, detector_folder, devices) for devices in (CPU, CPUS))
    for first, labels in [(0, [2, 0]), (2, [1])]:
        for learner in (one, two):
            train_step(learner, features_by(learner, images[first : first + len(labels)]), labels)
    ours, theirs = (
        arrays(one.network),
        {name: each.data(CPUS[1]).asnumpy() for name, each in two.network._collect_params_with_prefix().items()},
    )
    for name in ours:
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_diverged_loss_stops_the_run_and_names_the_images(scenes, scene_data, detector_folder, tmp_path):
    wild = dataclasses.replace(scenes, training=dataclasses.replace(scenes.training, learning_rate=1e38))
    with pytest.raises(UserError, match=r"^epoch 1, images \w+/\w+.jpg, \w+/\w+.jpg: .*training.learning_rate"):
        run_training(wild, scene_data, detector_folder, tmp_path)
    run = RunFolder(tmp_path / "mini/mit67/fan-sup/seed0")
    assert not run.epochs() and not run.checkpoints.exists()


def test_diverged_weights_are_not_saved(scenes, scene_data, detector_folder, monkeypatch):
    def step(learner, frozen, labels):
        result = train_step(learner, frozen, labels)
        learner.network.classifier.bias.data()[2] = np.inf
        return result

    monkeypatch.setattr(scene_train, "train_step", step)
    records = read_mit67(scene_data, "train").records[:2]
    learner = learner_of(scenes, scene_data, detector_folder)
    with pytest.raises(UserError, match="epoch 1: .*training.learning_rate"):
        train_epoch(learner, records, scenes, 0, 1, FeatureCache(PLENTY), 0)


# --- data and features ----------------------------------------------------------------------------------------------


def test_an_epoch_has_each_image_and_its_mirror_image_once():
    order = scene_order(5, True, 2, seed=0, epoch=1)
    assert [len(views) for views in order] == 5 * [2]
    views = [view for views in order for view in views]
    assert sorted(views) == [(index, flipped) for index in range(5) for flipped in (False, True)]
    assert order != scene_order(5, True, 2, seed=0, epoch=2)
    assert order != scene_order(5, True, 2, seed=1, epoch=1)
    assert sorted(view for views in scene_order(5, False, 2, 0, 1) for view in views) == [(k, False) for k in range(5)]


def test_cached_features_are_not_recomputed(scenes, scene_data, detector_folder, monkeypatch):
    learner = learner_of(scenes, scene_data, detector_folder)
    records = read_mit67(scene_data, "train").records
    calls, real = [], learner.network.extract
    monkeypatch.setattr(learner.network, "extract", lambda *given: calls.append(1) or real(*given))

    def epoch(cache, number):
        order = scene_order(len(records), True, 2, seed=0, epoch=number)
        batches = frozen_features(learner.network, records, scenes.images, order, CPU, cache, 2)
        return {view: frozen for views, of_views in batches for view, frozen in zip(views, of_views, strict=True)}

    fresh = epoch(FeatureCache(0), 1)
    for limit, recomputed in [(0, 24), (PLENTY, 0), (115_000, 14)]:
        cache = FeatureCache(limit)
        epoch(cache, 1)
        calls.clear()
        again = epoch(cache, 2)
        assert len(calls) == recomputed, limit
        for view, frozen in again.items():
            for array, same in zip(frozen, fresh[view], strict=True):
                np.testing.assert_array_equal(array.asnumpy(), same.asnumpy())
