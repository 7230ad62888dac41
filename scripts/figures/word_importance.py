"""Figures 2 and 6: the importance of a sentence's words as rings, and the pair labels of the sentence.

python -m scripts.figures.word_importance SUP.json UNSUP.json HATT.json --out FILE.png

The files are those of `language.word_importance`, the outermost ring first; each row of the figure is a sentence.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.common.errors import UserError, run_command
from data.common.files import read_json
from scripts.figures.rings import CATEGORY_COLORS, Ring, Sentence, draw_sentences

REMEDY = "write it with: python -m language.word_importance"


class Importance(NamedTuple):
    """One file: the run, its sentences, and a ring for each of them."""

    run: str
    sentences: list[Sentence]
    rings: list[Ring]


def draw_figure(paths: list[Path], out: Path) -> None:
    """Draws the files `paths` of the same sentences, the outermost ring first, into the PNG `out`.

    Raises:
        UserError: a file is not what it should be, or they are not of the same sentences.
    """
    files = [read_importance(path) for path in paths]
    for path, file in zip(paths, files, strict=True):
        if file.sentences != files[0].sentences:
            raise UserError(f"{path}: its sentences are not those of {paths[0]}; write both for the same ones")
    rings = list(zip(*(file.rings for file in files), strict=True))  # by sentence
    draw_sentences(out, files[0].sentences, rings, remark="runs: " + ", ".join(file.run for file in files))


def read_importance(path: Path) -> Importance:
    """Reads and checks a file of `language.word_importance`.

    Raises:
        UserError: it is absent, not JSON, or does not hold what that command writes.
    """
    content = read_json(path, "word importance file", REMEDY)
    try:
        label = "$a_{it}$" if content["measure"] == "a_it" else content["variant"].removeprefix("fan-")
        sentences = [_sentence(entry) for entry in content["sentences"]]
        rings = [Ring(label, _relative_to_mean(entry)) for entry in content["sentences"]]
        if not sentences:
            raise ValueError("holds no sentence")
        return Importance(str(content["run"]), sentences, rings)
    except KeyError as error:
        reason = f"lacks {error}"
    except (AttributeError, TypeError, ValueError) as error:
        reason = str(error)
    raise UserError(f"{path}: not a word importance file ({reason}); {REMEDY}")


def _sentence(entry: dict[str, Any]) -> Sentence:
    words, categories = tuple(map(str, entry["words"])), tuple(entry["categories"])
    pairs = tuple((int(first), int(second)) for first, second in entry["pairs"])
    if not words or len(categories) != len(words):
        raise ValueError(f"{len(words)} words with {len(categories)} categories")
    if unknown := set(categories) - CATEGORY_COLORS.keys():
        raise ValueError(f"unknown category {unknown.pop()}")
    if not all(0 <= word < len(words) for pair in pairs for word in pair):
        raise ValueError(f"a pair beyond the {len(words)} words")
    return Sentence(str(entry["source"]), words, categories, pairs)


def _relative_to_mean(entry: dict[str, Any]) -> np.ndarray:
    """Importance [n] with mean 1, which makes the rings comparable: that is β itself, and a_it times n."""
    importance = np.array(entry["importance"], float)
    if importance.shape != (len(entry["words"]),):
        raise ValueError(f"{len(entry['words'])} words with {importance.size} values of importance")
    if not (np.isfinite(importance).all() and (importance >= 0).all() and importance.any()):
        raise ValueError("importance is negative or 0 throughout, or no number")
    return importance / importance.mean()


def main() -> None:
    """Command line of `python -m scripts.figures.word_importance`."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.figures.word_importance",
        description="Draws the importance of the words of sentences as rings, clockwise from twelve o'clock, beside "
        "the pairs of words that are related in the supervision target T.",
        epilog="example: python -m scripts.figures.word_importance sup.json unsup.json hatt.json --out figure2.png",
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="of language.word_importance, the outermost ring first"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="PNG", help="the file to write")
    arguments = parser.parse_args()
    draw_figure(arguments.files, arguments.out)
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    run_command(main)
