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
from data.mini.__main__ import write_miniature
from language.attention import FocusedAttention, focused_importance
from language.checkpoint import build_model
from language.config import Config
from language.han import Attention
from language.word_importance import main, word_importance

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


def test_beta_worked_by_hand():
    """Rows 1 : 3 and 1 : 1 of the softmax are (1/4, 3/4) and (1/2, 1/2), columns of it 3/4 and 5/4."""
    weights = np.log(np.array([[[1, 3], [1, 1]]], np.float32))
    np.testing.assert_allclose(beta(weights, np.ones((1, 2), bool)), [[0.75, 1.25]], rtol=1e-6)


def test_beta_is_the_sum_over_the_column_of_the_row_wise_softmax_without_padding():
    weights, mask = padded_weights()
    actual = beta(weights, mask)
    for sentence, length in enumerate((5, 3, 1)):
        exponentials = np.exp(weights[sentence, :length, :length].astype(np.float64))
        expected = (exponentials / exponentials.sum(axis=1, keepdims=True)).sum(axis=0)
        np.testing.assert_allclose(actual[sentence, :length], expected, rtol=1e-6)
        assert not actual[sentence, length:].any()


def test_beta_sums_to_the_number_of_words():
    np.testing.assert_allclose(beta(*padded_weights()).sum(axis=1), [5, 3, 1], rtol=1e-6)


def test_what_stands_in_padded_slots_changes_no_bit_of_beta():
    weights, mask = padded_weights()
    real = mask[:, :, None] & mask[:, None, :]
    np.testing.assert_array_equal(beta(weights, mask), beta(np.where(real, weights, 1e6).astype(np.float32), mask))


def test_beta_over_the_number_of_words_is_the_share_of_each_word_in_fans_descriptor():
    _, mask = padded_weights()
    features = np.random.default_rng(1).normal(size=(3, 5, 4)).astype(np.float32)
    context, weights = FocusedAttention(8)(features, mask=tf.constant(mask))
    count = mask.sum(axis=1, keepdims=True)
    descriptor = context.numpy().sum(axis=1) / count
    shares = beta(weights.numpy(), mask) / count
    np.testing.assert_allclose(descriptor, np.einsum("rw,rwc->rc", shares, features), rtol=1e-4, atol=1e-6)


def test_without_fan_the_importance_is_that_of_the_word_attention():
    weights, mask = padded_weights()
    attention = Attention(rows=None, mask=mask, words=weights[:, 0], sentences=None, relations=None)
    assert word_importance(attention) is attention.words


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """The miniature in `data/`, and a run with FAN and one without, as training leaves them, of initial weights."""
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
    """What the command writes."""
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
def test_a_sentence_of_a_document_is_written_with_words_categories_and_importance(root, variant, measure, total):
    content = write_importance(root, variant, "--document", DOCUMENT, "--sentence", "5")
    assert (content["run"], content["variant"]) == (f"mini/20news/{variant}/seed0", variant)
    assert content["measure"] == measure
    (sentence,) = content["sentences"]
    assert sentence["source"] == f"{DOCUMENT}, sentence 5"
    assert sentence["words"] == WORDS
    assert sentence["categories"] == CATEGORIES
    assert len(sentence["importance"]) == len(WORDS)
    assert sum(sentence["importance"]) == pytest.approx(total)


def test_pairs_are_the_semantic_ones_each_once(root):
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


def test_a_sentence_counts_its_words_alike_wherever_it_stands(root):
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
        (
            ["--document", DOCUMENT, "--sentence", "8"],
            f"--sentence 8: --document '{DOCUMENT}' has the sentences 1 to 7",
        ),
        (
            ["--document", DOCUMENT, "--sentence", "0"],
            f"--sentence 0: --document '{DOCUMENT}' has the sentences 1 to 7",
        ),
        (["--text", "One. Two.", "--sentence", "-1"], "--sentence -1: --text 'One. Two.' has the sentences 1 to 2"),
        (
            ["--document", "rec.autos/1"],
            "--document rec.autos/1: not in the test set of 20news; its ids are such as alt.atheism/10031",
        ),
        (["--text", "?!"], "--text '?!': holds no word"),
        (["--text", ""], "--text '': holds no word"),
    ],
)
def test_a_sentence_that_is_not_there_gets_one_line(root, options, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        run_command(lambda: write_importance(root, "hatt", *options))
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give a sentence: --document ID or --text TEXT"),
        (["--sentence", "2", "--text", "One."], "--sentence: belongs after its --document or --text"),
    ],
)
def test_options_that_name_no_sentence_are_refused(root, options, message, capsys):
    with pytest.raises(SystemExit):
        write_importance(root, "hatt", *options)
    assert message in capsys.readouterr().err
