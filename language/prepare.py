"""Encodes a data set and trains its skip-gram vectors, for all runs at once: `python -m language.prepare CONFIG`."""

import argparse
from pathlib import Path

from data.config import read_config
from data.encoding import encode_corpus
from data.errors import run_command
from data.options import add_data_option
from data.word_vectors import word_vectors
from language.config import Config

EPILOG = """\
Run it before trainings that begin side by side, for each of them would do this work itself.

example: python -m language.prepare language/configs/paper/20news/hatt.yaml
"""


def prepare(config: Config, data: Path, cache: Path) -> None:
    """Puts into `cache` what all trainings with the config's text recipe and word vectors share."""
    corpus = encode_corpus(config.dataset, data, config.text, cache)
    if config.model.word_vectors == "skipgram":  # Random ones and those of a file are not kept.
        word_vectors("skipgram", corpus, config.model.embedding_size, seed=0)
    print(f"{corpus.folder}: {len(corpus.train):,} documents to train on and {len(corpus.test):,} to test are encoded")


def main() -> None:
    """Command line of `python -m language.prepare`."""
    parser = argparse.ArgumentParser(
        prog="python -m language.prepare",
        description="Encodes the data set of a config and trains its skip-gram vectors, where the runs lack them yet.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="a file of language/configs/")
    add_data_option(parser)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="their cache/ is filled (default: runs)")
    parser.add_argument("--set", action="append", metavar="SECTION.KEY=VALUE", help="replaces a value of the config")
    options = parser.parse_args()
    prepare(read_config(Config, options.config, options.set), options.data, options.runs / "cache")


if __name__ == "__main__":
    run_command(main)
