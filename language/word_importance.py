"""How much each word counts in the descriptor of its sentence (paper, appendix A.3), by a trained run.

`python -m language.word_importance RUN --document ID --sentence N --out FILE.json`; Figures 2 and 6 are drawn from
such files. FILE.json holds

    run, variant    the run, as `<preset>/<data set>/<variant>/seed<k>`, and its variant
    measure         "a_it" for a network without FAN, else "beta"
    sentences       a list of {source, words, categories, importance, pairs}; `pairs` are the semantic pairs [m, n] of
                    the supervision target T, m < n, counted from 0; T is symmetric
"""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from data.common.errors import UserError, run_command
from data.common.files import write_json
from data.common.options import add_data_option, add_gpus_option, choose_gpus
from data.text.encoding import encode_texts, reader_of
from data.text.sentences import CATEGORIES, TextAnalyser
from language.config import Config
from language.options import require_gpus

if TYPE_CHECKING:
    import tensorflow as tf

    from language.checkpoint import TrainedRun
    from language.han import Attention

EXAMPLES = """\
examples:
  python -m language.word_importance runs/paper/20news/fan-sup/seed0 --document sci.med/59562 --out sup.json
  python -m language.word_importance runs/paper/20news/hatt/seed0 --text "The goalie saved it." --out hatt.json
"""


class Pick(NamedTuple):
    """A sentence that was asked for, numbered from 1 in a document of the test set or in a text."""

    kind: Literal["document", "text"]
    value: str
    sentence: int = 1

    @property
    def name(self) -> str:
        """Where the sentence stands, as the figure and the messages say it."""
        return f"{self.value if self.kind == 'document' else 'text'}, sentence {self.sentence}"


def word_importance(attention: "Attention") -> "tf.Tensor":
    """Importance [R, W] of the words of each sentence, 0 at padding: β with FAN, else HAN's a_it."""
    if attention.relations is None:
        return attention.words
    from language.attention import focused_importance

    return focused_importance(attention.relations, attention.mask)


def find_texts(picks: list[Pick], data: Path, config: Config) -> list[str]:
    """The text that each pick's sentence stands in, as the run's recipe reads it.

    Raises:
        UserError: the test set is absent or has no such document.
    """
    wanted = {pick.value for pick in picks if pick.kind == "document"}
    documents: dict[str, str] = {}
    if wanted:
        test = reader_of(config.dataset).read(data, config.text).test
        documents = {document.id: document.text for document in test if document.id in wanted}
        for unknown in sorted(wanted - documents.keys()):
            example = next(iter(test)).id
            raise UserError(
                f"--document {unknown}: not in the test set of {config.dataset}; its ids are such as {example}"
            )
    return [documents[pick.value] if pick.kind == "document" else pick.value for pick in picks]


def describe_sentence(trained: "TrainedRun", analyser: TextAnalyser, text: str, pick: Pick) -> dict[str, Any]:
    """One entry of the file's `sentences`.

    Args:
        trained: the run.
        analyser: of the run's recipe, which cuts long sentences and documents.
        text: the document or text that holds the sentence; what words weigh does not depend on its other sentences.
        pick: which sentence.

    Raises:
        UserError: the text has no such sentence.
    """
    from language.targets import relation_targets

    sentences = analyser.analyse(text)
    if not sentences:
        raise UserError(f"--{pick.kind} {pick.value!r}: holds no word; a word has a letter or a digit")
    if not 1 <= pick.sentence <= len(sentences):
        raise UserError(
            f"--sentence {pick.sentence}: --{pick.kind} {pick.value!r} has the sentences 1 to {len(sentences)}"
        )
    row = pick.sentence - 1  # Sentences without a word are in neither list.
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
    """Gives the --document or --text before it its sentence number."""

    def __call__(self, parser, namespace, values, option_string=None):
        if not namespace.picks:
            parser.error("--sentence: belongs after its --document or --text")
        namespace.picks[-1] = namespace.picks[-1]._replace(sentence=values)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m language.word_importance",
        description="Writes how much each word counts in its sentence's descriptor: a_it of hierarchical attention, or "
        "β of focused attention where the run has it. Several sentences may be asked for, with repeated options.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="run folder: <runs>/<preset>/<data set>/<variant>/seed<k>")
    for kind, metavar, what in (
        ("document", "ID", "a document of the test set, as sci.med/59562 (20 Newsgroups) or its row (Yahoo Answers)"),
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
        help="which sentence of the --document or --text before it, from 1 (default: 1)",
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
    from language.checkpoint import TrainedRun

    trained = TrainedRun(arguments.run)
    analyser = TextAnalyser(trained.config.text, arguments.data)
    texts = find_texts(arguments.picks, arguments.data, trained.config)
    sentences = [
        describe_sentence(trained, analyser, text, pick) for text, pick in zip(texts, arguments.picks, strict=True)
    ]
    write_json(
        arguments.out,
        {
            "run": "/".join(arguments.run.resolve().parts[-4:]),
            "variant": trained.config.variant,
            "measure": "beta" if trained.config.model.focused_attention else "a_it",
            "sentences": sentences,
        },
    )
    for sentence in sentences:
        print(f"{arguments.out}: {sentence['source']}: {' '.join(sentence['words'])}")


if __name__ == "__main__":
    run_command(main)
