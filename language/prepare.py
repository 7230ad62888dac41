"""Encodes a data set and trains its skip-gram vectors once for all runs: `python -m language.prepare CONFIG`."""

import argparse
from pathlib import Path

import numpy as np

from data.common.config import read_config
from data.common.errors import run_command
from data.common.options import add_data_option
from data.text.encoding import encode_corpus
from data.text.word_vectors import word_vectors
from language.config import Config

EPILOG = """\
Run it before starting several trainings in parallel; otherwise each of them does this work.

examples:
  python -m language.prepare language/configs/paper/20news/hatt.yaml
  python -m language.prepare language/configs/paper/20news/fan-sup.yaml --center-mass
"""


def main() -> None:
    """Command line of `python -m language.prepare`."""
    parser = argparse.ArgumentParser(
        prog="python -m language.prepare",
        description="Encodes the data set of a config and trains its skip-gram vectors, unless <runs>/cache has them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="a file of language/configs/")
    add_data_option(parser)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder whose cache/ is filled (default: runs)")
    parser.add_argument("--set", action="append", metavar="SECTION.KEY=VALUE", help="replaces a value of the config")
    parser.add_argument(
        "--center-mass",
        action="store_true",
        help="also print the center-mass of equal weights on the test documents, by the config's rule",
    )
    options = parser.parse_args()
    config = read_config(Config, options.config, options.set)
    corpus = encode_corpus(config.dataset, options.data, config.text, options.runs / "cache")
    if config.model.word_vectors == "skipgram":  # Others are not cached.
        word_vectors("skipgram", corpus, config.model.embedding_size, seed=0)
    print(f"{corpus.folder}: {len(corpus.train):,} training and {len(corpus.test):,} test documents encoded")
    if options.center_mass:
        from language.inference import uniform_center_mass  # Imports TensorFlow, which encoding does not need.

        masses = uniform_center_mass(corpus.test, config.relation_loss)
        masses = masses[~np.isnan(masses)]
        print(f"center-mass of equal weights: {masses.mean():.4f} over {len(masses):,} test documents with a pair")


if __name__ == "__main__":
    run_command(main)
