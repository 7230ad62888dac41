"""Any number of made-up rows in the format of Yahoo Answers, for `scripts.bench.growth`."""

import csv
from pathlib import Path
from random import Random

from tqdm import tqdm

from data.common.files import replaced_on_success, write_text
from data.mini.text import QUESTIONS, STATEMENTS, Topic, draw_sentence, draw_topic, lexicon
from data.text import yahoo
from data.text.sentences import LEXICON

CLASSES = 10

# Rare words per sentence; their numbers follow a Pareto distribution, so that the vocabulary grows like a real one: to
# 1.5 million words in 1.4 million rows, close to the 1,554,607 of Yang et al. (2016), table 1.
RARE_WORDS, RARE_SCALE, RARE_SHAPE = 6, 1000, 0.6


def write_rows(root: Path, rows: dict[str, int]) -> None:
    """Writes the files of `data.text.yahoo` and the lexicon below `root`, row by row.

    A row has 6.5 sentences on average (6.4 in Yang et al.). Each ten rows contain each class once, in random order.

    Args:
        root: data folder.
        rows: number of rows of "train.csv" and "test.csv", multiples of ten.
    """
    generator = Random(0)
    topics = [draw_topic(generator) for _ in range(CLASSES)]
    write_text(root / LEXICON, "".join(f"{word}\t{tag}\n" for word, tag in lexicon().items()))
    write_text(root / yahoo.FOLDER / "classes.txt", "".join(f"class {number + 1}\n" for number in range(CLASSES)))
    for name, count in rows.items():
        with (
            replaced_on_success(root / yahoo.FOLDER / name) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
            tqdm(total=count, desc=f"writing {name}", unit="row", mininterval=1, leave=False) as progress,
        ):
            writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
            for _ in range(count // CLASSES):
                labels = generator.sample(range(CLASSES), CLASSES)
                writer.writerows([label + 1, *_draw_row(topics[label], generator)] for label in labels)
                progress.update(CLASSES)


def _draw_row(topic: Topic, generator: Random) -> list[str]:
    """Title, question and answer."""
    counts = (1, generator.randint(0, 2), generator.randint(1, 8))
    return [" ".join(_draw_sentence(topic, generator) for _ in range(count)) for count in counts]


def _draw_sentence(topic: Topic, generator: Random) -> str:
    sentence = draw_sentence(generator.choice((STATEMENTS, QUESTIONS)), topic, generator)
    numbers = [int(RARE_SCALE * (generator.paretovariate(RARE_SHAPE) - 1)) for _ in range(RARE_WORDS)]
    return f"{sentence[:-1]} {' '.join(f'w{number}' for number in numbers)}{sentence[-1]}"
