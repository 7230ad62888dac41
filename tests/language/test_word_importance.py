import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from data.common.config import read_config
from data.common.errors import run_command
from data.common.runs import RunFolder
from data.mini.write import write_miniature
from language.attention import FocusedAttention, focused_importance
from language.checkpoint import build_model
from language.config import Config
from language.word_importance import main

CONFIGS = Path(__file__).parents[2] / "language/configs/mini/20news"
DOCUMENT = "rec.autos/10034"  # a post of the miniature's test set
WORDS = ["the", "helmet", "explained", "my", "season", "while", "you", "boldly", "orbited", "the", "distant", "engine"]
CATEGORIES = [
    "other",
    "noun",
    "verb",
    "other",
    "noun",
    "other",
    "other",
    "adverb",
    "verb",
    "other",
    "adjective",
    "noun",
]


def padded_weights() -> tuple[np.ndarray, np.ndarray]:
    """Weights [3, 5, 5] of sentences of 5, 3 and 1 words, and their mask [3, 5]."""
    weights = np.random.default_rng(0).normal(size=(3, 5, 5)).astype(np.float32)
    return weights, np.arange(5) < np.array([[5], [3], [1]])


def beta(weights: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return focused_importance(tf.constant(weights), tf.constant(mask)).numpy()


def test_beta_sums_the_columns_of_the_softmax_of_the_rows():
    weights, mask = padded_weights()
    actual = beta(weights, mask)
    for sentence, length in enumerate((5, 3, 1)):
        exponentials = np.exp(weights[sentence, :length, :length].astype(np.float64))
        expected = (exponentials / exponentials.sum(axis=1, keepdims=True)).sum(axis=0)
        np.testing.assert_allclose(actual[sentence, :length], expected, rtol=1e-6)
        assert not actual[sentence, length:].any()
    np.testing.assert_allclose(actual.sum(axis=1), [5, 3, 1], rtol=1e-6)


def test_padding_changes_no_bit_of_beta():
    weights, mask = padded_weights()
    real = mask[:, :, None] & mask[:, None, :]
    np.testing.assert_array_equal(beta(weights, mask), beta(np.where(real, weights, 1e6).astype(np.float32), mask))


def test_beta_gives_the_shares_in_the_descriptor_of_fan():
    _, mask = padded_weights()
    features = np.random.default_rng(1).normal(size=(3, 5, 4)).astype(np.float32)
    context, weights = FocusedAttention(8)(features, mask=tf.constant(mask))
    count = mask.sum(axis=1, keepdims=True)
    descriptor = context.numpy().sum(axis=1) / count
    shares = beta(weights.numpy(), mask) / count
    np.testing.assert_allclose(descriptor, np.einsum("rw,rwc->rc", shares, features), rtol=1e-4, atol=1e-6)


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """The miniature in `data/`, and runs with and without FAN with initial weights."""
    root = tmp_path_factory.mktemp("root")
    write_miniature(root / "data", seed=0)
    for variant in ("hatt", "fan-sup"):
        run = RunFolder(root / f"runs/mini/20news/{variant}/seed0")
        run.path.mkdir(parents=True)
        shutil.copy(CONFIGS / f"{variant}.yaml", run.config_path)
        vocabulary = ("", "<unk>", *sorted(set(WORDS)))
        (run.path / "vocabulary.txt").write_text("\n".join(vocabulary))
        (run.path / "classes.txt").write_text("one\ntwo")
        tf.keras.utils.set_random_seed(0)
        model = build_model(read_config(Config, run.config_path), len(vocabulary), 2)
        tf.train.Checkpoint(model=model).save(str(run.checkpoints / "ckpt"))
        (run.path / "run.json").write_text("{}")
    return root


def write_importance(root: Path, variant: str, *options: str) -> dict:
    """Runs the command and returns what it writes."""
    out = root / "importance.json"
    arguments = [str(root / f"runs/mini/20news/{variant}/seed0"), *options, "--data", str(root / "data")]
    sys.argv = ["word_importance", *arguments, "--out", str(out)]
    main()
    return json.loads(out.read_text())


def related(words: list[str], pairs: list[list[int]]) -> set[str]:
    return {f"{words[first]} {words[second]}" for first, second in pairs}


@pytest.fixture(autouse=True)
def command_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", sys.argv)


@pytest.mark.parametrize(("variant", "measure", "total"), [("hatt", "a_it", 1), ("fan-sup", "beta", len(WORDS))])
def test_a_sentence_of_a_document_is_described(root, variant, measure, total):
    content = write_importance(root, variant, "--document", DOCUMENT, "--sentence", "5")
    assert (content["run"], content["variant"]) == (f"mini/20news/{variant}/seed0", variant)
    assert content["measure"] == measure
    (sentence,) = content["sentences"]
    assert sentence["source"] == f"{DOCUMENT}, sentence 5"
    assert sentence["words"] == WORDS
    assert sentence["categories"] == CATEGORIES
    assert len(sentence["importance"]) == len(WORDS)
    assert sum(sentence["importance"]) == pytest.approx(total)


def test_semantic_pairs_are_listed_once(root):
    content = write_importance(root, "hatt", "--text", "The cold helmet boldly orbited an engine.")
    (sentence,) = content["sentences"]
    assert related(sentence["words"], sentence["pairs"]) == {
        "cold helmet",
        "cold boldly",
        "cold engine",
        "helmet orbited",
        "helmet engine",
        "boldly orbited",
        "orbited engine",
    }
    assert len(sentence["pairs"]) == 7


def test_importance_does_not_depend_on_other_sentences(root):
    options = ["--document", DOCUMENT, "--sentence", "5", "--text", " ".join(WORDS)]
    options += ["--text", f"It is fast. {' '.join(WORDS)}.".capitalize(), "--sentence", "2"]
    sentences = write_importance(root, "fan-sup", *options)["sentences"]
    assert [sentence["source"] for sentence in sentences[1:]] == ["text, sentence 1", "text, sentence 2"]
    for sentence in sentences[1:]:
        assert sentence["words"] == WORDS
        np.testing.assert_allclose(sentence["importance"], sentences[0]["importance"], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--document", DOCUMENT, "--sentence", "8"], "--sentence 8: "),
        (["--document", DOCUMENT, "--sentence", "0"], "--sentence 0: "),
        (["--text", "One. Two.", "--sentence", "-1"], "--sentence -1: "),
        (["--document", "rec.autos/1"], "--document rec.autos/1: "),
        (["--text", "?!"], "--text '?!': "),
        (["--text", ""], "--text '': "),
    ],
)
def test_missing_sentences_get_one_line(root, options, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        run_command(lambda: write_importance(root, "hatt", *options))
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"), [([], "--document"), (["--sentence", "2", "--text", "One."], "--sentence")]
)
def test_options_without_a_sentence_are_refused(root, options, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        write_importance(root, "hatt", *options)
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
