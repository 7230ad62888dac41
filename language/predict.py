"""Predictions of a trained run: for its test set, or for texts: `python -m language.predict RUN [TEXT]`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

from data.common.config import read_config
from data.common.errors import UserError, run_command
from data.common.files import read_text, write_arrays
from data.common.options import add_data_option, add_gpus_option, choose_gpus
from data.common.runs import RunFolder
from data.text.encoding import EncodedDocuments, encode_corpus, encode_texts
from data.text.sentences import TextAnalyser
from language.config import Config
from language.options import add_cache_option, require_gpus

if TYPE_CHECKING:
    import tensorflow as tf

    from language.checkpoint import TrainedRun
    from language.packed.han import Forward

BATCH = 256

EXAMPLES = """\
examples:
  python -m language.predict runs/paper/20news/fan-sup/seed0            the test set, into the run folder
  python -m language.predict runs/paper/20news/fan-sup/seed0 post.txt   classes of a text file
  echo "The goalie saved it." | python -m language.predict runs/paper/20news/fan-sup/seed0 - --attention
"""


class Predictions(NamedTuple):
    """Predictions for D documents.

    Args:
        probabilities: [D, classes].
        center_mass: [D] mean center-mass over the sentences with a target pair; NaN where a document has none.
            None in a network without FAN.
        uniform: [D] the same if all pair weights were equal: |T| / N² of the sentence's N words in mode "matrix".
    """

    probabilities: np.ndarray
    center_mass: np.ndarray | None = None
    uniform: np.ndarray | None = None


PredictStep = Callable[[np.ndarray, np.ndarray], list["tf.Tensor"]]


def make_predict_step(forward: "Forward", config: Config) -> PredictStep:
    """Compiles the prediction of a batch: words and categories [B, S, W] -> what `Predictions` holds, of the batch."""
    import tensorflow as tf

    from language.criterion import sentence_relations

    shape = (None, config.text.max_sentences, config.text.max_words)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.int32), tf.TensorSpec(shape, tf.int32)])
    def predict_batch(words: tf.Tensor, categories: tf.Tensor) -> list[tf.Tensor]:
        logits, attention = forward(words)
        probabilities = tf.nn.softmax(logits)  # [B, classes]
        if attention.relations is None:
            return [probabilities]
        equal = attention._replace(relations=tf.zeros_like(attention.relations))
        of_network, of_equal = (
            sentence_relations(each, words, categories, config.relation_loss) for each in (attention, equal)
        )
        document, documents = attention.rows[:, 0], tf.shape(words)[0]  # [R]
        counts = tf.math.unsorted_segment_sum(of_network.related, document, documents)
        center_mass, uniform = (
            tf.math.unsorted_segment_sum(each.center_mass * each.related, document, documents) / counts
            for each in (of_network, of_equal)
        )
        return [probabilities, center_mass, uniform]  # [B], 0 / 0 = NaN where no sentence has a pair

    return predict_batch


def predict_documents(step: PredictStep, documents: EncodedDocuments) -> Predictions:
    """Predicts a split, batch by batch."""
    outputs = []
    for start in tqdm(range(0, len(documents), BATCH), desc="predicting", unit="batch", mininterval=1, leave=False):
        rows = slice(start, start + BATCH)
        words, categories = documents.words[rows].astype(np.int32), documents.categories[rows].astype(np.int32)
        outputs.append([output.numpy() for output in step(words, categories)])
    columns = [np.concatenate(column) for column in zip(*outputs, strict=True)]
    return Predictions(*columns)


def predict_test_set(folder: Path, data: Path, cache: Path | None, gpus: str | None = None) -> None:
    """Writes `predictions.npz`, and with FAN `center_mass.npz`, of a finished run's test set into its folder."""
    run = RunFolder(folder)
    run.require_finished()
    fan = read_config(Config, run.config_path).model.focused_attention
    if run.predictions.exists() and (not fan or run.has_center_mass()):
        print(f"{run.predictions}: is there already")
        return
    require_gpus(gpus)
    from language.checkpoint import TrainedRun
    from language.packed.han import quickest_forward

    trained = TrainedRun(folder)
    corpus = encode_corpus(trained.config.dataset, data, trained.config.text, cache or run.runs / "cache")
    if (corpus.classes, corpus.vocabulary) != (trained.classes, trained.vocabulary):
        raise UserError(f"{data}: its documents are not those that {folder} was trained on; give its --data")
    predictions = predict_documents(make_predict_step(quickest_forward(trained.model), trained.config), corpus.test)
    if predictions.center_mass is not None:
        masses = {"center_mass": predictions.center_mass, "uniform": predictions.uniform}
        write_arrays(run.center_mass, ids=corpus.test.ids, **masses)
    write_arrays(
        run.predictions,
        ids=corpus.test.ids,
        labels=corpus.test.labels,
        probabilities=predictions.probabilities,
    )
    print(f"{run.predictions}: {len(corpus.test):,} documents")


def predict_text(trained: "TrainedRun", text: str, data: Path, with_attention: bool) -> None:
    """Prints the classes of one text with their probabilities, the likeliest first."""
    analyser = TextAnalyser(trained.config.text, data)
    words, _ = encode_texts([text], trained.vocabulary, analyser, trained.config.text)
    if not words.any():
        print("the text holds no word; these are the classes of any text without one", file=sys.stderr)
    logits, attention = trained.model(words)
    logits = logits.numpy()[0].astype(np.float64)
    probabilities = np.exp(logits - np.logaddexp.reduce(logits))
    for label in np.argsort(-probabilities):
        print(f"{probabilities[label]:7.2%}  {trained.classes[label]}")
    if with_attention:
        _print_attention(analyser.analyse(text), attention.sentences.numpy()[0], attention.words.numpy())


def _print_attention(sentences: list, sentence_weights: np.ndarray, word_weights: np.ndarray) -> None:
    for number, sentence in enumerate(sentences):
        weighted = "  ".join(
            f"{word.text} {weight:.3f}" for word, weight in zip(sentence, word_weights[number], strict=False)
        )
        print(f"\nsentence {number + 1}, weight {sentence_weights[number]:.3f}\n  {weighted}")


def main() -> None:
    """Command line of `python -m language.predict`."""
    parser = argparse.ArgumentParser(
        prog="python -m language.predict",
        description="Predicts with a finished run: its test set, into the run folder, or the classes of a text.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="run folder: <runs>/<preset>/<data set>/<variant>/seed<k>")
    parser.add_argument("text", nargs="?", help="a text file, or - for standard input; without it, the test set")
    parser.add_argument("--attention", action="store_true", help="also print the sentence and word weights of the text")
    add_data_option(parser)
    add_gpus_option(parser)
    add_cache_option(parser)
    arguments = parser.parse_args()
    choose_gpus(arguments.gpus)
    if arguments.text is None:
        if arguments.attention:
            parser.error("--attention shows the weights of a text; give a text file, or - for standard input")
        predict_test_set(arguments.run, arguments.data, arguments.cache, arguments.gpus)
        return
    from language.checkpoint import TrainedRun

    require_gpus(arguments.gpus)
    trained = TrainedRun(arguments.run)
    path = Path("/dev/stdin" if arguments.text == "-" else arguments.text)
    predict_text(trained, read_text(path, "text file", "give a UTF-8 file"), arguments.data, arguments.attention)


if __name__ == "__main__":
    run_command(main)
