"""The miniature documents: 20 Newsgroups, Yahoo Answers and a lexicon, in the formats of the official files.

Made-up posts and answers (see `data.mini.text`) with all that a reader of the official files must cope with:
headers, quotations, signatures and latin-1 in posts; quotation marks, empty fields, HTML and several kinds
of line break in answers.
"""

import csv
import textwrap
from itertools import count
from pathlib import Path
from random import Random

from data.mini.text import (
    QUESTIONS,
    REMARKS,
    STATEMENTS,
    Topic,
    capitalised,
    draw_sentence,
    draw_topic,
    lexicon,
)
from data.text import newsgroups, yahoo

# Documents of each class. The splits hold 600 + 400 posts of 20 groups and 2,000 + 400 answers of 10 classes.
POSTS = {newsgroups.TRAIN: 30, newsgroups.TEST: 20}
ROWS = {"train.csv": 200, "test.csv": 40}

GROUPS = tuple(newsgroups.OFFICIAL)
YAHOO_CLASSES = (
    "Society & Culture",
    "Science & Mathematics",
    "Health",
    "Education & Reference",
    "Computers & Internet",
    "Sports",
    "Business & Finance",
    "Entertainment & Music",
    "Family & Relationships",
    "Politics & Government",
)
LEXICON = "lexicon.tsv"
PIECES = (newsgroups.TRAIN, newsgroups.TEST, yahoo.FOLDER, LEXICON)

FIRST_NAMES = ("Anna", "Boris", "Carol", "Dinesh", "Emil", "Fatima")
SURNAMES = ("Berg", "García", "Ito", "Müller", "Novak", "Sørensen")
HOSTS = ("hill.example", "lake.example", "moor.example")
ORGANISATIONS = ("Lake District College", "Université Nouvelle", "Hill Street Software")
FIRST_NUMBER = 10_001
LINE_WIDTH = 68

SUBJECTS = ("JJ NNS IN DT NN", "DT RB JJ NN", "NNS CC JJ NNS")
CLOSING = "Greetings from Łódź!"
# Between two sentences of an answer; `\n` is written as a backslash and an n.
BREAKS = (" ", " ", " ", r"\n", r" \n\n", "<br />", "&#xd;<br />")

# Words of headers, quotations and closings; hosts keep their dot when NLTK cuts words.
FRAME_WORDS = {
    "NN": ["subject", "organization", "article", "re"],
    "NNS": ["lines", "greetings"],
    "VBZ": ["writes"],
    "NNP": " ".join(FIRST_NAMES + SURNAMES + HOSTS + ORGANISATIONS + ("Łódź",)).split(),
}


def write_documents(folder: Path, seed: int) -> None:
    """Writes `PIECES` below `folder`, which must not hold them yet. The same seed writes the same bytes."""
    _write_newsgroups(folder, seed)
    _write_yahoo(folder / yahoo.FOLDER, seed)
    _write_lexicon(folder / LEXICON)


def _write_newsgroups(folder: Path, seed: int) -> None:
    for group in GROUPS:
        generator = Random(f"{seed} {group}")
        topic = draw_topic(generator)
        numbers = count(FIRST_NUMBER)
        for split, posts in POSTS.items():
            (folder / split / group).mkdir(parents=True)
            for _ in range(posts):
                post = _draw_post(topic, generator)
                (folder / split / group / str(next(numbers))).write_bytes(post.encode("latin-1"))


def _draw_post(topic: Topic, generator: Random) -> str:
    """A post with its headers, at times a quoted passage before the paragraphs and a signature after them."""
    author = _draw_author(generator)
    organisation = generator.choice(ORGANISATIONS)
    paragraphs = [_draw_paragraph(topic, generator) for _ in range(generator.randint(1, 3))]
    is_reply = generator.random() < 0.4
    if is_reply:
        paragraphs.insert(0, _draw_quotation(topic, generator))
    if generator.random() < 0.5:
        paragraphs.append(f"-- \n{author}\n{organisation}")
    body = "\n\n".join(paragraphs)
    subject = ("Re: " if is_reply else "") + draw_sentence(SUBJECTS, topic, generator)
    headers = (
        f"From: {author}",
        f"Subject: {subject}",
        f"Organization: {organisation}",
        f"Lines: {len(body.splitlines())}",
    )
    return "\n".join(headers) + "\n\n" + body + "\n"


def _draw_author(generator: Random) -> str:
    name = generator.choice(FIRST_NAMES)
    return f"{name.lower()}@{generator.choice(HOSTS)} ({name} {generator.choice(SURNAMES)})"


def _draw_quotation(topic: Topic, generator: Random) -> str:
    article = f"<{generator.uniform(930_000, 940_000):.4f}@{generator.choice(HOSTS)}>"
    quoted = textwrap.indent(_draw_paragraph(topic, generator), "> ")
    return f"In article {article} {_draw_author(generator)} writes:\n{quoted}"


def _draw_paragraph(topic: Topic, generator: Random) -> str:
    return textwrap.fill(" ".join(_draw_sentences(generator.randint(2, 4), topic, generator)), LINE_WIDTH)


def _draw_sentences(number: int, topic: Topic, generator: Random) -> list[str]:
    """Statements for the most part, some questions, and some remarks that say nothing of the topic."""
    patterns = generator.choices((STATEMENTS, QUESTIONS, REMARKS), (70, 15, 15), k=number)
    return [draw_sentence(chosen, topic, generator) for chosen in patterns]


def _write_yahoo(folder: Path, seed: int) -> None:
    folder.mkdir(parents=True)
    (folder / "classes.txt").write_text("\n".join(YAHOO_CLASSES) + "\n", encoding="utf-8")
    generator = Random(f"{seed} {yahoo.FOLDER}")
    topics = [draw_topic(generator) for _ in YAHOO_CLASSES]
    for name, rows_per_class in ROWS.items():
        labels = [label for label in range(len(topics)) for _ in range(rows_per_class)]
        generator.shuffle(labels)
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerows([label + 1, *_draw_answer(topics[label], generator)] for label in labels)


def _draw_answer(topic: Topic, generator: Random) -> tuple[str, str, str]:
    """Title, question and best answer; a third of the questions and a few of the answers are empty."""
    title = draw_sentence(QUESTIONS, topic, generator)
    question, answer = "", ""
    if generator.random() > 0.35:
        question = _draw_field(generator.randint(1, 2), topic, generator)
    if generator.random() > 0.03:
        answer = _draw_field(generator.randint(1, 4), topic, generator)
    return title, question, answer


def _draw_field(number: int, topic: Topic, generator: Random) -> str:
    """Sentences with a break after each but the last."""
    sentences = _draw_sentences(number, topic, generator)
    if generator.random() < 0.1:
        sentences.append(CLOSING)
    parts = [part for sentence in sentences for part in (sentence, generator.choice(BREAKS))]
    return "".join(parts[:-1])


def _write_lexicon(path: Path) -> None:
    """Writes a line `word<TAB>Penn tag` for every word of the miniature, cased as it is in the text."""
    frame = {form: tag for tag in FRAME_WORDS for word in FRAME_WORDS[tag] for form in (word, word.lower())}
    frame |= {capitalised(word): tag for word, tag in frame.items()}
    lines = [f"{word}\t{tag}\n" for word, tag in sorted((lexicon() | frame).items())]
    path.write_text("".join(lines), encoding="utf-8")
