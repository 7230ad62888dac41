"""The shipped configs: each complete, and different from its neighbours in nothing but what its name says."""

import dataclasses
from pathlib import Path

import pytest

from data.common.config import read_config
from data.common.errors import UserError
from language.config import Config

FOLDER = Path(__file__).parents[2] / "language" / "configs"
PATHS = sorted(FOLDER.glob("*/*/*.yaml"))
TABLE_6 = {"hatt", "fan-unsup", "fan-sup"}
TABLE_8 = {"fan-sup-different-word", "fan-sup-same-category", "fan-sup-different-category"}


def read(path):
    return read_config(Config, path)


def test_every_experiment_of_tables_6_and_8_has_its_config():
    for preset in ("paper", "mini"):
        for dataset in ("20news", "yahoo-mini", "yahoo-half"):
            names = {path.stem for path in (FOLDER / preset / dataset).iterdir()}
            assert names == (TABLE_6 | TABLE_8 if dataset == "20news" else TABLE_6)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_config_stands_where_its_runs_will(path):
    config = read(path)
    assert (config.preset, config.dataset, config.variant) == (*path.parts[-3:-1], path.stem)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(FOLDER)))
def test_variants_differ_in_what_their_name_says_alone(path):
    config, supervised = read(path), read(path.with_name("fan-sup.yaml"))
    weight = 0.1 if config.variant.startswith("fan-sup") else 0.0
    rule = config.variant.removeprefix("fan-sup").lstrip("-").replace("-", "_") if weight else ""
    expected = dataclasses.replace(
        supervised,
        variant=config.variant,
        model=dataclasses.replace(supervised.model, focused_attention=config.variant != "hatt"),
        relation_loss=dataclasses.replace(supervised.relation_loss, weight=weight, rule=rule or "semantic"),
    )
    assert config == expected


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(FOLDER)))
def test_data_sets_of_a_preset_share_network_and_schedule(path):
    config, newsgroups = read(path), read(path.parents[1] / "20news" / path.name)
    assert (config.model, config.relation_loss, config.training) == (
        newsgroups.model,
        newsgroups.relation_loss,
        newsgroups.training,
    )


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
    ],
)
def test_what_contradicts_the_variant_or_makes_no_sense_is_refused(name, change):
    with pytest.raises(UserError, match=change.partition("=")[0]):
        read_config(Config, FOLDER / "paper" / "20news" / name, [change])


def test_the_paper_preset_has_the_papers_sizes():
    config = read(FOLDER / "paper" / "20news" / "fan-sup.yaml")
    assert (config.text.train_documents, config.text.test_documents) == (11314, 7532)
    assert (config.text.max_sentences, config.text.max_words, config.text.holdout) == (15, 30, 0)
    model = config.model
    assert (model.embedding_size, model.lstm_units, model.attention_size, model.d_k) == (100, 100, 100, 100)
    assert (config.training.epochs, config.training.batch_size, config.training.learning_rate) == (15, 256, 1e-3)
    loss = config.relation_loss
    assert (loss.weight, loss.rule, loss.mode, loss.penalty, loss.gamma) == (0.1, "semantic", "matrix", "focal", 2.0)
