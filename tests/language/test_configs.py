"""The shipped configs are complete and differ only in what their names say."""

import dataclasses
from pathlib import Path

import pytest

from data.common.config import read_config
from data.common.errors import UserError
from data.text.encoding import READERS
from language.config import Config

FOLDER = Path(__file__).parents[2] / "language" / "configs"
PATHS = sorted(FOLDER.glob("*/*/*.yaml"))
TABLE_6 = {"hatt", "fan-unsup", "fan-sup"}
TABLE_8 = {"fan-sup-different-word", "fan-sup-same-category", "fan-sup-different-category"}


def test_tables_6_and_8_have_a_config_per_experiment():
    for preset in ("paper", "mini"):
        for dataset in READERS:
            names = {path.stem for path in (FOLDER / preset / dataset).iterdir()}
            assert names == (TABLE_6 | TABLE_8 if dataset == "20news" else TABLE_6)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_config_differs_only_in_what_its_name_says(path):
    config = read_config(Config, path)
    assert (config.preset, config.dataset, config.variant) == (*path.parts[-3:-1], path.stem)
    supervised = read_config(Config, path.with_name("fan-sup.yaml"))
    weight = 0.1 if config.variant.startswith("fan-sup") else 0.0
    rule = config.variant.removeprefix("fan-sup").lstrip("-").replace("-", "_") if weight else ""
    expected = dataclasses.replace(
        supervised,
        variant=config.variant,
        model=dataclasses.replace(supervised.model, focused_attention=config.variant != "hatt"),
        relation_loss=dataclasses.replace(supervised.relation_loss, weight=weight, rule=rule or "semantic"),
    )
    assert config == expected
    newsgroups = read_config(Config, path.parents[1] / "20news" / path.name)
    for section in ("model", "relation_loss", "training"):
        assert getattr(config, section) == getattr(newsgroups, section)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("hatt.yaml", "model.focused_attention=true"),
        ("hatt.yaml", "relation_loss.weight=0.1"),
        ("fan-sup.yaml", "model.focused_attention=false"),
        ("fan-sup.yaml", "relation_loss.weight=0"),
        ("fan-sup.yaml", "relation_loss.gamma=.nan"),
        ("fan-sup.yaml", "training.learning_rate=.nan"),
        ("fan-sup.yaml", "model.d_k=0"),
        ("fan-sup.yaml", "relation_loss.rule=different-word"),
        ("fan-sup.yaml", "text.sample_seed=-1"),
        ("fan-sup.yaml", "text.holdout=1.0"),
        ("fan-sup.yaml", "text.max_words=0"),
        ("fan-sup.yaml", "dataset=reuters"),
        ("fan-sup.yaml", "variant=fan-sup/mine"),
        ("fan-sup.yaml", "variant=.."),
        ("fan-sup.yaml", "variant=''"),
    ],
)
def test_contradictory_or_invalid_values_are_refused(name, change):
    with pytest.raises(UserError, match=change.partition("=")[0]):
        read_config(Config, FOLDER / "paper" / "20news" / name, [change])


def test_a_variant_may_have_any_plain_name():
    config = read_config(Config, FOLDER / "paper" / "20news" / "fan-sup.yaml", ["variant=fan-sup-mine"])
    assert config.variant == "fan-sup-mine"


def test_the_paper_preset_has_the_sizes_of_the_paper():
    config = read_config(Config, FOLDER / "paper" / "20news" / "fan-sup.yaml")
    assert (config.text.train_documents, config.text.test_documents) == (11314, 7532)
    assert (config.text.max_sentences, config.text.max_words, config.text.holdout) == (15, 30, 0)
    model = config.model
    assert (model.embedding_size, model.lstm_units, model.attention_size, model.d_k) == (100, 100, 100, 100)
    assert (config.training.epochs, config.training.batch_size, config.training.learning_rate) == (15, 256, 1e-3)
    loss = config.relation_loss
    assert (loss.weight, loss.rule, loss.mode, loss.penalty, loss.gamma) == (0.1, "semantic", "matrix", "focal", 2.0)
