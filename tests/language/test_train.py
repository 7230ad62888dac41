"""Training and prediction on a tiny corpus: reproducible, resumable, and refused for damaged runs."""

import dataclasses
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from data.common.errors import UserError, run_command
from data.common.files import array_names, read_arrays
from data.common.runs import RunFolder
from data.text.encoding import encode_corpus
from language import engine, predict
from language.checkpoint import TrainedRun
from language.engine import train
from language.inference import (
    make_predict_step,
    predict_documents,
    predict_test_set,
    predict_text,
    require_gpus,
    uniform_center_mass,
)
from language.packed.han import quickest_forward
from language.targets import category_pairs


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def run_training(config, posts, runs, cache, seed=0):
    run = RunFolder.claim(runs, config, seed)
    train(config, encode_corpus(config.dataset, posts, config.text, cache), run, seed)
    return run


@pytest.fixture(scope="session")
def trained(config, posts, cache, tmp_path_factory):
    """A finished run, which tests must not change."""
    return run_training(config, posts, tmp_path_factory.mktemp("runs"), cache)


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of the finished run."""
    return RunFolder(Path(shutil.copytree(trained.path, tmp_path / "mini" / "20news" / "fan-sup" / "seed0")))


def weights(run):
    return TrainedRun(run.path).model.get_weights()


# --- training ---------------------------------------------------------------------------------------------------------


def measured(run):
    """The log without times."""
    timing = ("seconds", "documents_per_second")
    return [{key: value for key, value in line.items() if key not in timing} for line in run.epochs()]


def test_a_seed_reproduces_a_run_to_the_bit(trained, config, posts, cache, tmp_path):
    again = run_training(config, posts, tmp_path, cache)
    other = run_training(config, posts, tmp_path, cache, seed=1)
    assert measured(trained) == measured(again) != measured(other)
    for one, same in zip(weights(trained), weights(again), strict=True):
        np.testing.assert_array_equal(one, same)


def test_a_finished_run_has_its_log_and_inputs(trained):
    lines = trained.epochs()
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert {"loss", "accuracy", "relation_loss", "center_mass", "seconds"} <= lines[0].keys()
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[-1]["center_mass"] > lines[0]["center_mass"]
    assert list((trained.path / "tensorboard").iterdir())
    assert (trained.path / "classes.txt").read_text().split() == ["rec.sport.hockey", "sci.space"]
    assert len(read_arrays(trained.path / "train_documents.npz", ["ids"], "documents", "")["ids"]) == 60
    assert trained.record()["device"] == "CPU" and trained.record()["versions"]["keras"]


def interrupt(monkeypatch, place, name, call):
    """Interrupts the `call`-th call of `place.name`."""
    calls, real = iter(range(1, 100)), getattr(place, name)

    def interrupted(*arguments, **keywords):
        if next(calls) == call:
            raise KeyboardInterrupt
        return real(*arguments, **keywords)

    monkeypatch.setattr(place, name, interrupted)


@pytest.mark.parametrize(
    ("place", "name", "call"),
    [(engine, "train_epoch", 3), (tf.train.CheckpointManager, "save", 2), (RunFolder, "finish", 1)],
    ids=["in an epoch", "after its log line", "at the end"],
)
def test_a_resumed_run_equals_an_uninterrupted_one(place, name, call, trained, config, posts, cache, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, place, name, call)
        with pytest.raises(KeyboardInterrupt):
            run_training(config, posts, tmp_path, cache)
    resumed = run_training(config, posts, tmp_path, cache)
    assert measured(trained) == measured(resumed)
    for one, same in zip(weights(trained), weights(resumed), strict=True):
        np.testing.assert_array_equal(one, same)


def test_a_holdout_is_measured_every_epoch(config, posts, cache, tmp_path):
    held = dataclasses.replace(config, text=dataclasses.replace(config.text, holdout=0.2))
    run = run_training(held, posts, tmp_path, cache)
    assert all(0 <= line["held_out_accuracy"] <= 1 for line in run.epochs())


def test_a_loss_that_is_not_finite_names_the_batch(config, posts, cache, tmp_path):
    wild = dataclasses.replace(config, training=dataclasses.replace(config.training, learning_rate=1e38))
    with pytest.raises(UserError, match=r"epoch 1, batch \d+ \(documents .*(sci|hockey)"):
        run_training(wild, posts, tmp_path, cache)


def test_tensorflow_errors_get_one_line(config, posts, cache, tmp_path, monkeypatch):
    def full_disk(*arguments):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device\nmore")

    monkeypatch.setattr(engine, "train", full_disk)
    run = RunFolder.claim(tmp_path, config, 0)
    with pytest.raises(UserError, match=f"{run.path}: .*No space left on device\\)"):
        engine.run_training(config, run, 0, posts, cache)


# --- damaged runs -----------------------------------------------------------------------------------------------------


@pytest.fixture
def interrupted(trained, tmp_path):
    """The folder of all runs and a copy of the finished run in it, made unfinished."""
    folder = Path(shutil.copytree(trained.path, tmp_path / "mini" / "20news" / "fan-sup" / "seed0"))
    (folder / "run.json").unlink()
    return tmp_path, folder


def change_vocabulary(folder):
    path = folder / "vocabulary.txt"
    path.write_text(path.read_text() + "other")


def remove_list_of_checkpoints(folder):
    (folder / "checkpoints" / "checkpoint").unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [(change_vocabulary, "started on other documents"), (remove_list_of_checkpoints, "checkpoints: .*is missing")],
)
def test_a_changed_run_is_not_resumed(interrupted, config, posts, cache, change, message):
    runs, folder = interrupted
    change(folder)
    with pytest.raises(UserError, match=f"{folder}.*{message}"):
        run_training(config, posts, runs, cache)
    assert len(RunFolder(folder).epochs()) == 3


def test_a_checkpoint_without_optimizer_is_not_resumed(interrupted, config, posts, cache):
    runs, folder = interrupted
    checkpoint = tf.train.Checkpoint(model=read_unfinished(folder).model, epochs_done=tf.Variable(2))
    shutil.rmtree(folder / "checkpoints")
    tf.train.CheckpointManager(checkpoint, str(folder / "checkpoints"), max_to_keep=1).save()
    with pytest.raises(UserError, match="damaged, or not a checkpoint of this config"):
        run_training(config, posts, runs, cache)


def read_unfinished(folder):
    (folder / "run.json").write_text("{}")
    trained = TrainedRun(folder)
    (folder / "run.json").unlink()
    return trained


def other_network(run):
    run.config_path.write_text(run.config_path.read_text().replace("lstm_units: 5", "lstm_units: 7"))


def truncate(pattern):
    def change(run):
        (file,) = run.path.glob(pattern)
        file.write_bytes(file.read_bytes()[:50])

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_network, "checkpoints/ckpt-3: "),
        (truncate("checkpoints/ckpt-*.data-*"), "checkpoints/ckpt-3: "),
        (truncate("checkpoints/ckpt-*.index"), "checkpoints/ckpt-3: "),
        (lambda run: (run.checkpoints / "checkpoint").write_bytes(b""), "checkpoints/checkpoint: "),
        (lambda run: (run.checkpoints / "checkpoint").write_bytes(b"\xff\xfe"), "checkpoints/checkpoint: "),
        (lambda run: shutil.rmtree(run.checkpoints), "checkpoints: "),
        (lambda run: (run.path / "vocabulary.txt").write_text(""), "vocabulary.txt: "),
        (lambda run: (run.path / "run.json").unlink(), ""),
    ],
)
def test_damaged_runs_are_refused(copied, change, message):
    change(copied)
    with pytest.raises(UserError) as error:
        TrainedRun(copied.path)
    assert str(error.value).startswith(f"{copied.path}{'/' if message else ''}{message}")


# --- prediction -------------------------------------------------------------------------------------------------------


def test_predictions_are_those_of_the_last_epoch(copied, config, posts, cache):
    predict_test_set(TrainedRun(copied.path), posts, cache)
    corpus = encode_corpus(config.dataset, posts, config.text, cache)
    forward = quickest_forward(TrainedRun(copied.path).model)
    expected = predict_documents(make_predict_step(forward, config), corpus.test)
    kept = read_arrays(copied.predictions, ["ids", "labels", "probabilities"], "predictions", "")
    np.testing.assert_array_equal(kept["probabilities"], expected.probabilities)
    np.testing.assert_allclose(kept["probabilities"].sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(kept["labels"], np.repeat([0, 1], 10))
    kept = read_arrays(copied.center_mass, ["ids", "center_mass", "uniform"], "center-mass", "")
    assert kept["ids"][0] == "rec.sport.hockey/1000"
    np.testing.assert_array_equal(kept["center_mass"], expected.center_mass)
    uniform = uniform_center_mass(corpus.test, config.relation_loss)
    np.testing.assert_allclose(kept["uniform"], uniform, rtol=1e-5)
    np.testing.assert_allclose(uniform, uniform_by_hand(corpus.test, config.relation_loss.rule), rtol=1e-5)
    assert 0 <= np.nanmin(kept["center_mass"]) <= np.nanmax(kept["center_mass"]) <= 1


def uniform_by_hand(documents, rule):
    """For each document, the mean of |T| / N² over its sentences with a target pair."""
    related, masses = category_pairs(rule), []
    for words, categories in zip(documents.words, documents.categories, strict=True):
        shares = []
        for sentence, kinds in zip(words, categories, strict=True):
            count = int((sentence > 0).sum())
            pairs = sum(related[kinds[m], kinds[n]] for m in range(count) for n in range(count) if m != n)
            shares += [pairs / count**2] if pairs else []
        masses.append(np.mean(shares) if shares else np.nan)
    return masses


def test_hatt_has_no_relation_loss(config, posts, cache, tmp_path):
    plain = dataclasses.replace(config.model, focused_attention=False)
    without = dataclasses.replace(config.relation_loss, weight=0.0)
    config = dataclasses.replace(config, variant="hatt", model=plain, relation_loss=without)
    run = run_training(config, posts, tmp_path, cache)
    assert "relation_loss" not in run.epochs()[0]
    predict_test_set(TrainedRun(run.path), posts, cache)
    assert run.predictions.exists() and not run.center_mass.exists()


def test_predict_keeps_finished_predictions(copied, posts, cache, monkeypatch):
    def call(*options) -> int:
        """Runs the command and returns when the predictions were written."""
        arguments = [str(copied.path), "--data", str(posts), "--cache", str(cache), *options]
        monkeypatch.setattr(sys, "argv", ["predict", *arguments])
        predict.main()
        return copied.predictions.stat().st_mtime_ns

    first = call()
    assert call() == first
    arrays = read_arrays(copied.center_mass, ["ids", "center_mass"], "center-mass", "")
    np.savez(copied.center_mass, **arrays)  # As an older version wrote it.
    assert call() > first
    assert "uniform" in array_names(copied.center_mass, "center-mass", "")


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="this machine has a GPU")
def test_gpus_that_do_not_exist_are_refused(capsys):
    with pytest.raises(SystemExit) as exit_:
        run_command(lambda: require_gpus("0"))
    assert exit_.value.code == 2
    assert capsys.readouterr().err.startswith("error: --gpus 0: ")


@pytest.mark.parametrize(("text", "shown"), [("The quick goalie saves.", "goalie"), ("...", "")])
def test_a_text_gets_classes_and_attention(trained, posts, capsys, text, shown):
    predict_text(TrainedRun(trained.path), text, posts, with_attention=True)
    said = capsys.readouterr()
    assert "rec.sport.hockey" in said.out and "sci.space" in said.out
    assert ("sentence 1, weight 1.000" in said.out) == bool(shown) and shown in said.out
    assert bool(said.err) != bool(shown)  # A note that there are no words.
