"""A corpus of 60 + 20 short posts in the 20 Newsgroups layout, and the config of a tiny network for it."""

import dataclasses
from pathlib import Path

import pytest

from data.common.config import read_config
from language.config import Config

CONFIGS = Path(__file__).parents[2] / "language" / "configs"
WORDS = {
    "goalie": "NN",
    "saves": "VB",
    "quick": "JJ",
    "slowly": "RB",
    "rocket": "NN",
    "burns": "VB",
    "loud": "JJ",
    "the": "DT",
}


def _write_posts(folder: Path, each: int) -> None:
    words = list(WORDS)
    for label, group in enumerate(("rec.sport.hockey", "sci.space")):
        (folder / group).mkdir(parents=True)
        for number in range(each):
            picked = [words[4 * label + number % 4], words[(number // 4) % 8], words[4 * label + (number + 1) % 4]]
            body = f"the {picked[0]} {picked[1]}. the {picked[2]} {picked[0]} slowly.\n"
            (folder / group / str(1000 + number)).write_text(f"Subject: {picked[1]}\n\n{body}")


@pytest.fixture(scope="session")
def posts(tmp_path_factory) -> Path:
    """A data folder."""
    root = tmp_path_factory.mktemp("datasets")
    _write_posts(root / "20news-bydate-train", each=30)
    _write_posts(root / "20news-bydate-test", each=10)
    (root / "lexicon.tsv").write_text("\n".join(f"{word}\t{tag}" for word, tag in WORDS.items()))
    return root


@pytest.fixture(scope="session")
def config() -> Config:
    """The miniature's supervised config, reduced further."""
    config = read_config(Config, CONFIGS / "mini" / "20news" / "fan-sup.yaml")
    text = dataclasses.replace(config.text, train_documents=60, test_documents=20, max_sentences=4, max_words=6)
    model = dataclasses.replace(config.model, embedding_size=6, lstm_units=5, attention_size=4, d_k=4)
    training = dataclasses.replace(config.training, epochs=3, batch_size=16)
    return dataclasses.replace(config, text=text, model=model, training=training)
