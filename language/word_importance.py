"""Writes how much each word counts in its sentence's descriptor (paper, appendix A.3).

`python -m language.word_importance RUN --document ID --sentence N --out FILE.json`; Figures 2 and 6 are drawn from
these files. Fields of FILE.json:

    run, variant    the run, as `<preset>/<data set>/<variant>/seed<k>`, and its variant
    measure         "a_it" for a network without FAN, else "beta"
    sentences       list of {source, words, categories, importance, pairs}; `pairs` are the semantic pairs [m, n] of
                    the target matrix T, m < n, counted from 0; T is symmetric
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import tensorflow as tf

from data.common.errors import UserError, run_command
from data.common.files import write_json
from data.common.options import add_data_option, add_gpus_option, choose_gpus
from data.text.encoding import READERS, encode_texts
from data.text.sentences import CATEGORIES, TextAnalyser
from language.attention import focused_importance
from language.checkpoint import TrainedRun
from language.config import Config
from language.han import Attention
from language.inference import require_gpus
from language.targets import relation_targets

EXAMPLES = """\
examples:
  python -m language.word_importance runs/paper/20news/fan-sup/seed0 --document sci.med/59562 --out sup.json
  python -m language.word_importance runs/paper/20news/hatt/seed0 --text "The goalie saved it." --out hatt.json
"""


class Pick(NamedTuple):
    """A requested sentence, numbered from 1 in a test document or a text."""

    kind: Literal["document", "text"]
    value: str
    sentence: int = 1

    @property
    def name(self) -> str:
        """Its source, as shown in figures and messages."""
        return f"{self.value if self.kind == 'document' else 'text'}, sentence {self.sentence}"


def word_importance(attention: Attention) -> tf.Tensor:
    """Importance [R, W] of the words of each sentence, 0 at padding: β with FAN, else HAN's a_it."""
    if attention.relations is None:
        return attention.words
    return focused_importance(attention.relations, attention.mask)


def find_texts(picks: list[Pick], data: Path, config: Config) -> list[str]:
    """The text that contains each pick's sentence, as the run's recipe reads it.

    Raises:
        UserError: the test set is missing or has no such document.
    """
    wanted = {pick.value for pick in picks if pick.kind == "document"}
    documents: dict[str, str] = {}
    if wanted:
        test = READERS[config.dataset].read(data, config.text).test
        documents = {document.id: document.text for document in test if document.id in wanted}
        if unknown := sorted(wanted - documents.keys()):
            example = next(iter(test)).id
            raise UserError(
                f"--document {unknown[0]}: not in the test set of {config.dataset}; give an id like {example}"
            )
    return [documents[pick.value] if pick.kind == "document" else pick.value for pick in picks]


def describe_sentence(trained: TrainedRun, analyser: TextAnalyser, text: str, pick: Pick) -> dict[str, Any]:
    """One entry of the file's `sentences`.

    Args:
        trained: the run.
        analyser: cuts the text by the run's recipe.
        text: the text that contains the sentence; its other sentences do not affect the result.
        pick: which sentence.

    Raises:
        UserError: the text has no such sentence.
    """
    sentences = analyser.analyse(text)
    if not sentences:
        raise UserError(f"--{pick.kind} {pick.value!r}: contains no words; a word has a letter or a digit")
    if not 1 <= pick.sentence <= len(sentences):
        raise UserError(
            f"--sentence {pick.sentence}: must be from 1 to {len(sentences)} for --{pick.kind} {pick.value!r}"
        )
    row = pick.sentence - 1  # `sentences` and the rows of the attention both skip sentences without a word.
    words, categories = encode_texts([text], trained.vocabulary, analyser, trained.config.text)  # [1, S, W]
    _, attention = trained.model(words)
    targets = relation_targets(words[0, [row]], categories[0, [row]], "semantic")[0].numpy()  # [W, W]
    sentence = sentences[row]
    return {
        "source": pick.name,
        "words": [word.text for word in sentence],
        "categories": [CATEGORIES[word.category] for word in sentence],
        "importance": word_importance(attention).numpy()[row, : len(sentence)].tolist(),
        "pairs": np.argwhere(np.triu(targets)).tolist(),
    }


class _ChooseSentence(argparse.Action):
    """Applies --sentence to the --document or --text before it."""

    def __call__(self, parser, namespace, values, option_string=None):
        if not namespace.picks:
            parser.error("--sentence: give it after its --document or --text")
        namespace.picks[-1] = namespace.picks[-1]._replace(sentence=values)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m language.word_importance",
        description="Writes how much each word counts in its sentence: a_it of the word attention, or β of "
        "focused attention if the run has it. Repeat the options for several sentences.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="run folder: <runs>/<preset>/<data set>/<variant>/seed<k>")
    for kind, metavar, what in (
        ("document", "ID", "a test document: sci.med/59562 (20 Newsgroups) or its row number (Yahoo Answers)"),
        ("text", "TEXT", "a text of one or more sentences"),
    ):
        parser.add_argument(
            f"--{kind}", dest="picks", action="append", type=partial(Pick, kind), metavar=metavar, help=what
        )
    parser.add_argument(
        "--sentence",
        dest="picks",
        action=_ChooseSentence,
        type=int,
        metavar="N",
        help="which sentence of the preceding --document or --text, from 1 (default: 1)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the JSON file to write")
    add_data_option(parser)
    add_gpus_option(parser)
    return parser


def main() -> None:
    """Command line of `python -m language.word_importance`."""
    parser = build_parser()
    arguments = parser.parse_args()
    if not arguments.picks:
        parser.error("give a sentence: --document ID or --text TEXT")
    choose_gpus(arguments.gpus)
    require_gpus(arguments.gpus)
    trained = TrainedRun(arguments.run)
    analyser = TextAnalyser(trained.config.text, arguments.data)
    texts = find_texts(arguments.picks, arguments.data, trained.config)
    sentences = [describe_sentence(trained, analyser, *pair) for pair in zip(texts, arguments.picks, strict=True)]
    content = {
        "run": "/".join(arguments.run.resolve().parts[-4:]),
        "variant": trained.config.variant,
        "measure": "beta" if trained.config.model.focused_attention else "a_it",
        "sentences": sentences,
    }
    write_json(arguments.out, content)
    for sentence in sentences:
        print(f"{arguments.out}: {sentence['source']}: {' '.join(sentence['words'])}")


if __name__ == "__main__":
    run_command(main)
