"""Yahoo Answers topic classification (Zhang et al., 2015): `yahoo_answers_csv/{train.csv,test.csv,classes.txt}`.

Rows without a header: class from 1, title, question, best answer. The training set is drawn from `train.csv`, the same
number per class (paper, appendix A.1); `test.csv` is the test set. Files are streamed.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from data.common.errors import UserError
from data.common.files import lines_with_progress, read_text
from data.records import Corpus, Document, Documents
from data.text.recipe import TextRecipe

FOLDER, CLASSES_FILE = "yahoo_answers_csv", "classes.txt"
ROWS = {"train.csv": 1_400_000, "test.csv": 60_000}  # Official number of rows.
CLASSES = 10  # Official number of classes.
FIELDS = 4
GET = "get it with: scripts/get_data.sh yahoo --data {root}, or the miniature with: python -m data.mini --out {root}"
REPORTED_ROWS = 5

# Only "\n" ends a line, as in editors; fields may contain "\r", which Python would count as a line end.
TEXT = {"errors": "replace", "newline": "\n"}
LONGEST_FIELD = 10_000_000  # Characters. Answers exceed csv's default; a limit stops after a missing quote.

# Line breaks inside fields; the answers contain some HTML.
LINE_BREAK = re.compile(r"\\n|<br\s*/?>|&#xd;|\r\n?")


def files(root: Path) -> list[Path]:
    """The files of the data set below `root`; caches depend on their names, sizes and times."""
    paths = [root / FOLDER / name for name in (*ROWS, CLASSES_FILE)]
    for path in paths:
        if not path.is_file():
            raise UserError(f"{path}: no such file; {GET.format(root=root)}")
    return paths


def read(root: Path, recipe: TextRecipe) -> Corpus:
    """Reads the data set below `root`, with `recipe.train_documents` training documents drawn equally from all classes.

    Document ids are row numbers of the file, from 1. The draw depends only on `sample_seed`, `train_documents` and the
    classes of the rows. Each file is checked in a first pass (about 100,000 rows per second).

    Raises:
        UserError: a file is missing, has malformed rows, or too few rows.
    """
    train_file, test_file, classes_file = files(root)
    get = GET.format(root=root)
    classes = tuple(read_text(classes_file, "list of classes", get).split("\n"))
    classes = tuple(name.strip() for name in classes if name.strip())
    if not classes:
        raise UserError(f"{classes_file}: contains no class; {get}")
    train_labels = _labels(train_file, len(classes))
    test_labels = _labels(test_file, len(classes))
    if len(test_labels) != recipe.test_documents:
        raise UserError(f"{test_file}: has {len(test_labels):,} rows, expected {recipe.test_documents:,}; {get}")
    drawn = _draw(train_labels, recipe, len(classes), train_file)
    return Corpus(
        classes,
        train=Documents(len(drawn), partial(_documents, train_file, drawn)),
        test=Documents(len(test_labels), partial(_documents, test_file, np.arange(len(test_labels)))),
    )


def _draw(labels: np.ndarray, recipe: TextRecipe, classes: int, path: Path) -> np.ndarray:
    """Row indices [train_documents], ascending, the same number per class, without replacement."""
    per_class, remainder = divmod(recipe.train_documents, classes)
    if remainder:
        raise UserError(
            f"{path}: text.train_documents is {recipe.train_documents}; it must be a multiple of {classes} (classes)"
        )
    generator = np.random.default_rng([recipe.sample_seed, recipe.train_documents])
    drawn = []
    for label in range(classes):
        rows = np.flatnonzero(labels == label)
        if len(rows) < per_class:
            raise UserError(
                f"{path}: class {label + 1} has {len(rows):,} rows, but {per_class:,} must be drawn; "
                f"{GET.format(root=path.parents[1])}"
            )
        drawn.append(generator.choice(rows, per_class, replace=False))
    return np.sort(np.concatenate(drawn))


def _labels(path: Path, classes: int) -> np.ndarray:
    """Checks all rows and returns their labels [rows], from 0."""
    labels = bytearray()
    malformed = []
    valid = {str(number): number - 1 for number in range(1, classes + 1)}
    for line, row in _rows(lines_with_progress(path, f"checking {path.name}", **TEXT)):
        if len(row) == FIELDS and row[0] in valid:
            labels.append(valid[row[0]])
        else:
            malformed.append(line)
    if malformed:
        shown = ", ".join(map(str, malformed[:REPORTED_ROWS])) + (", …" if len(malformed) > REPORTED_ROWS else "")
        raise UserError(
            f"{path}: {len(malformed)} malformed rows, ending at lines {shown}; each must be a class from 1 to "
            f"{classes}, title, question and answer, in quotes; {GET.format(root=path.parents[1])}"
        )
    return np.frombuffer(labels, np.uint8)


def _documents(path: Path, rows: np.ndarray) -> Iterator[Document]:
    """Yields the documents at ascending row indices."""
    wanted = map(int, rows)
    following = next(wanted, None)
    with path.open(encoding="utf-8", **TEXT) as file:
        for index, (_, row) in enumerate(_rows(file)):
            if index != following:
                continue
            text = "\n\n".join(LINE_BREAK.sub("\n", field) for field in row[1:] if field)
            yield Document(str(index + 1), int(row[0]) - 1, text)
            following = next(wanted, None)


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yields (line number of the row's end, fields); malformed CSV yields no fields."""
    csv.field_size_limit(LONGEST_FIELD)
    # Python 3.10 rejects NUL characters.
    reader = csv.reader((line.replace("\0", "\ufffd") for line in lines), strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            row = []
        yield reader.line_num, row
