"""Training and prediction on a tiny corpus: reproducible, resumable, and stopped by what is wrong."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from data.common.errors import UserError
from data.common.files import array_names, read_arrays
from data.common.runs import RunFolder
from data.text.encoding import encode_corpus
from language import train as training
from language.checkpoint import TrainedRun
from language.packed.han import quickest_forward
from language.predict import make_predict_step, predict_documents, predict_test_set, predict_text
from language.prepare import uniform_center_mass
from language.targets import category_pairs
from language.train import train


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def run_training(config, posts, runs, cache, seed=0):
    run = RunFolder.claim(runs, config, seed)
    train(config, encode_corpus(config.dataset, posts, config.text, cache), run, seed)
    return run


@pytest.fixture(scope="session")
def trained(config, posts, cache, tmp_path_factory):
    """A finished run, for tests that change nothing in it."""
    return run_training(config, posts, tmp_path_factory.mktemp("runs"), cache)


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of the finished run."""
    return RunFolder(Path(shutil.copytree(trained.path, tmp_path / "mini" / "20news" / "fan-sup" / "seed0")))


def measured(run):
    """The log without the times."""
    timing = ("seconds", "documents_per_second")
    return [{key: value for key, value in line.items() if key not in timing} for line in run.epochs()]


def weights(run):
    return TrainedRun(run.path).model.get_weights()


def test_a_seed_reproduces_a_run_bit_for_bit_and_another_does_not(trained, config, posts, cache, tmp_path):
    again = run_training(config, posts, tmp_path, cache)
    other = run_training(config, posts, tmp_path, cache, seed=1)
    assert measured(trained) == measured(again) != measured(other)
    for one, same in zip(weights(trained), weights(again), strict=True):
        np.testing.assert_array_equal(one, same)


def interrupt(monkeypatch, place, name, call):
    """Makes the `call`-th call of `place.name` an interruption."""
    calls, real = iter(range(1, 100)), getattr(place, name)

    def interrupted(*arguments, **keywords):
        if next(calls) == call:
            raise KeyboardInterrupt
        return real(*arguments, **keywords)

    monkeypatch.setattr(place, name, interrupted)


@pytest.mark.parametrize(
    ("place", "name", "call"),
    [(training, "train_epoch", 3), (tf.train.CheckpointManager, "save", 2), (RunFolder, "finish", 1)],
    ids=["in an epoch", "after its log line", "at the end"],
)
def test_an_interrupted_run_ends_like_an_uninterrupted_one(place, name, call, trained, config, posts, cache, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, place, name, call)
        with pytest.raises(KeyboardInterrupt):
            run_training(config, posts, tmp_path, cache)
    resumed = run_training(config, posts, tmp_path, cache)
    assert measured(trained) == measured(resumed)
    for one, same in zip(weights(trained), weights(resumed), strict=True):
        np.testing.assert_array_equal(one, same)


@pytest.fixture
def interrupted(trained, tmp_path):
    """The folder of all runs, among them a copy of the finished one that has still to end."""
    folder = Path(shutil.copytree(trained.path, tmp_path / "mini" / "20news" / "fan-sup" / "seed0"))
    (folder / "run.json").unlink()
    return tmp_path, folder


def test_a_run_does_not_go_on_with_other_documents(interrupted, config, posts, cache):
    runs, folder = interrupted
    names = (folder / "vocabulary.txt").read_text().split("\n")
    (folder / "vocabulary.txt").write_text("\n".join([*names[:-1], "other"]))
    with pytest.raises(UserError, match="begun on other documents"):
        run_training(config, posts, runs, cache)


def test_a_run_does_not_begin_anew_where_its_checkpoint_is_gone(interrupted, config, posts, cache):
    runs, folder = interrupted
    (folder / "checkpoints" / "checkpoint").unlink()
    with pytest.raises(UserError, match="checkpoint of its last epoch is missing"):
        run_training(config, posts, runs, cache)
    assert len(RunFolder(folder).epochs()) == 3


def test_a_checkpoint_without_the_optimizer_is_refused(interrupted, config, posts, cache):
    runs, folder = interrupted
    checkpoint = tf.train.Checkpoint(model=read_unfinished(folder).model, epochs_done=tf.Variable(2))
    shutil.rmtree(folder / "checkpoints")
    tf.train.CheckpointManager(checkpoint, str(folder / "checkpoints"), max_to_keep=1).save()
    with pytest.raises(UserError, match="not a whole checkpoint"):
        run_training(config, posts, runs, cache)


def read_unfinished(folder):
    (folder / "run.json").write_text("{}")
    trained = TrainedRun(folder)
    (folder / "run.json").unlink()
    return trained


def test_an_epoch_line_holds_what_was_trained(trained):
    lines = trained.epochs()
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert {"loss", "accuracy", "relation_loss", "center_mass", "seconds"} <= lines[0].keys()
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[-1]["center_mass"] > lines[0]["center_mass"]
    assert list((trained.path / "tensorboard").iterdir())


def test_the_run_keeps_what_it_was_trained_on(trained):
    assert (trained.path / "classes.txt").read_text().split() == ["rec.sport.hockey", "sci.space"]
    assert len(read_arrays(trained.path / "train_documents.npz", ["ids"], "documents", "")["ids"]) == 60
    record = json.loads((trained.path / "run.json").read_text())
    assert record["device"] == "CPU" and record["versions"]["keras"]


def test_predictions_are_those_of_the_last_epoch(copied, config, posts, cache):
    predict_test_set(copied.path, posts, cache)
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
    """Of each document the mean of |T| / N² over its sentences with a pair of categories that the rule relates."""
    related, masses = category_pairs(rule), []
    for words, categories in zip(documents.words, documents.categories, strict=True):
        shares = []
        for sentence, kinds in zip(words, categories, strict=True):
            count = int((sentence > 0).sum())
            pairs = sum(related[kinds[m], kinds[n]] for m in range(count) for n in range(count) if m != n)
            shares += [pairs / count**2] if pairs else []
        masses.append(np.mean(shares) if shares else np.nan)
    return masses


def test_predictions_of_an_older_version_are_made_again(copied, posts, cache):
    predict_test_set(copied.path, posts, cache)
    arrays = read_arrays(copied.center_mass, ["ids", "center_mass"], "center-mass", "")
    np.savez(copied.center_mass, **arrays)
    predict_test_set(copied.path, posts, cache)
    assert "uniform" in array_names(copied.center_mass, "center-mass", "")


def test_hatt_has_no_relation_loss(config, posts, cache, tmp_path):
    plain = dataclasses.replace(config.model, focused_attention=False)
    without = dataclasses.replace(config.relation_loss, weight=0.0)
    config = dataclasses.replace(config, variant="hatt", model=plain, relation_loss=without)
    run = run_training(config, posts, tmp_path, cache)
    assert "relation_loss" not in run.epochs()[0]
    predict_test_set(run.path, posts, cache)
    assert run.predictions.exists() and not run.center_mass.exists()


def test_a_hold_out_is_measured_every_epoch(config, posts, cache, tmp_path):
    held = dataclasses.replace(config, text=dataclasses.replace(config.text, holdout=0.2))
    run = run_training(held, posts, tmp_path, cache)
    assert all(0 <= line["held_out_accuracy"] <= 1 for line in run.epochs())


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_batch(config, posts, cache, tmp_path):
    wild = dataclasses.replace(config, training=dataclasses.replace(config.training, learning_rate=1e38))
    with pytest.raises(UserError, match=r"epoch 1, batch \d+ \(documents .*(sci|hockey).*not finite"):
        run_training(wild, posts, tmp_path, cache)


def test_a_checkpoint_of_another_network_is_refused(copied):
    copied.config_path.write_text(copied.config_path.read_text().replace("lstm_units: 5", "lstm_units: 7"))
    with pytest.raises(UserError, match="not a whole checkpoint of this run's config"):
        TrainedRun(copied.path)


@pytest.mark.parametrize("pattern", ["ckpt-*.data-*", "ckpt-*.index"])
def test_a_damaged_checkpoint_is_refused(copied, pattern):
    (file,) = copied.checkpoints.glob(pattern)
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(UserError, match="not a whole checkpoint of this run's config"):
        TrainedRun(copied.path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe"])
def test_a_damaged_list_of_checkpoints_is_refused(copied, content):
    (copied.checkpoints / "checkpoint").write_bytes(content)
    with pytest.raises(UserError, match=r"checkpoints/checkpoint: damaged \(.*remove the run folder and train again"):
        TrainedRun(copied.path)


def test_a_vocabulary_cut_to_nothing_is_refused(copied):
    (copied.path / "vocabulary.txt").write_text("")
    with pytest.raises(UserError, match="vocabulary.txt: damaged, .*remove the run folder and train again"):
        TrainedRun(copied.path)


def test_a_run_without_its_checkpoint_is_refused(copied):
    shutil.rmtree(copied.checkpoints)
    with pytest.raises(UserError, match="holds no checkpoint"):
        TrainedRun(copied.path)


def test_an_unfinished_run_makes_no_predictions(config, posts, cache, tmp_path):
    run = RunFolder.claim(tmp_path, config, seed=0)
    with pytest.raises(UserError, match="training has not ended"):
        predict_test_set(run.path, posts, cache)


def test_a_gpu_that_is_not_there_is_refused_before_the_test_set_is_predicted(copied, posts, cache):
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    with pytest.raises(UserError, match="--gpus 0: TensorFlow sees no such GPU here"):
        predict_test_set(copied.path, posts, cache, gpus="0")
    assert not copied.predictions.exists()


def test_a_text_gets_its_classes_and_its_attention(trained, posts, capsys):
    predict_text(TrainedRun(trained.path), "The quick goalie saves.", posts, with_attention=True)
    shown = capsys.readouterr().out
    assert "rec.sport.hockey" in shown and "sci.space" in shown
    assert "sentence 1, weight 1.000" in shown and "goalie" in shown


def test_a_text_without_a_word_still_gets_its_classes(trained, posts, capsys):
    predict_text(TrainedRun(trained.path), "...", posts, with_attention=True)
    said = capsys.readouterr()
    assert "rec.sport.hockey" in said.out
    assert said.err.startswith("the text holds no word;")
