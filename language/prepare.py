"""Encodes a data set and trains its skip-gram vectors, for all runs at once: `python -m language.prepare CONFIG`."""

import argparse
from pathlib import Path

import numpy as np

from data.common.config import read_config
from data.common.errors import run_command
from data.common.options import add_data_option
from data.text.encoding import EncodedDocuments, encode_corpus
from data.text.word_vectors import word_vectors
from language.config import Config, RelationLossConfig

BATCH = 256

EPILOG = """\
Run it before trainings that begin side by side, for each of them would do this work itself.

examples:
  python -m language.prepare language/configs/paper/20news/hatt.yaml
  python -m language.prepare language/configs/paper/20news/fan-sup.yaml --center-mass
"""


def prepare(config: Config, data: Path, cache: Path, center_mass: bool = False) -> None:
    """Puts into `cache` what all trainings with the config's text recipe and word vectors share.

    With `center_mass` it also prints the center-mass of equal weights, which needs no network.
    """
    corpus = encode_corpus(config.dataset, data, config.text, cache)
    if config.model.word_vectors == "skipgram":  # Random ones and those of a file are not kept.
        word_vectors("skipgram", corpus, config.model.embedding_size, seed=0)
    print(f"{corpus.folder}: {len(corpus.train):,} documents to train on and {len(corpus.test):,} to test are encoded")
    if center_mass:
        masses = uniform_center_mass(corpus.test, config.relation_loss)
        with_pair = masses[~np.isnan(masses)]
        print(
            f"center-mass of equal weights: {with_pair.mean():.4f} over {len(with_pair):,} test documents with a pair"
        )


def uniform_center_mass(documents: EncodedDocuments, config: RelationLossConfig) -> np.ndarray:
    """[D] the center-mass that weights which are all equal reach, NaN for a document without a target pair.

    In mode "matrix" that is |T| / N² of a sentence of N words, averaged over the sentences with a pair, as for the
    weights of a network.

    Args:
        documents: D encoded documents.
        config: the rule of the targets, and the mode.
    """
    import tensorflow as tf

    from language.center_mass import center_mass_loss
    from language.targets import relation_targets

    masses = []
    for start in range(0, len(documents), BATCH):
        words, categories = (
            array[start : start + BATCH].astype(np.int32).reshape(-1, array.shape[-1])
            for array in (documents.words, documents.categories)
        )  # [R, W] sentences
        targets = relation_targets(tf.constant(words), tf.constant(categories), config.rule)  # [R, W, W]
        _, of_sentences = center_mass_loss(tf.zeros_like(targets), targets, tf.constant(words > 0), config.mode)
        related = tf.reduce_any(targets > 0, axis=[1, 2]).numpy().reshape(-1, documents.words.shape[1])  # [B, S]
        sums = (of_sentences.numpy().reshape(related.shape) * related).sum(axis=1)
        counts = related.sum(axis=1)
        masses.append(np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0))
    return np.concatenate(masses)


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
    parser.add_argument(
        "--center-mass",
        action="store_true",
        help="also print the center-mass that equal weights reach on the test documents, by the config's rule",
    )
    options = parser.parse_args()
    config = read_config(Config, options.config, options.set)
    prepare(config, options.data, options.runs / "cache", options.center_mass)


if __name__ == "__main__":
    run_command(main)
