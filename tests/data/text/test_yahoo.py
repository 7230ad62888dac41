import csv
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from data.common.errors import UserError
from data.text import yahoo

CLASSES = "Health\nSports\n"
ROWS = ['"1","a","b","c"', '"2","d","e","f"', '"1","g","h","i"', '"2","j","k","l"']


@pytest.fixture
def write(tmp_path):
    """Writes the files, given the text of `train.csv`, and returns the data folder."""

    def write(train: str | list[str], test: str | list[str] = ROWS[:2], classes: str = CLASSES) -> Path:
        folder = tmp_path / yahoo.FOLDER
        folder.mkdir(exist_ok=True)
        for name, content in (("train.csv", train), ("test.csv", test), ("classes.txt", classes)):
            text = content if isinstance(content, str) else "".join(f"{row}\n" for row in content)
            (folder / name).write_bytes(text.encode(errors="surrogateescape"))
        return tmp_path

    return write


def refusal(root: Path, recipe) -> str:
    with pytest.raises(UserError) as error:
        yahoo.read(root, recipe)
    return str(error.value)


# --- documents ------------------------------------------------------------------------------------------------------


def test_documents_are_title_question_and_answer(write, recipe):
    corpus = yahoo.read(write(ROWS), recipe)
    assert corpus.classes == ("Health", "Sports")
    assert [(document.id, document.label, document.text) for document in corpus.train] == [
        ("1", 0, "a\n\nb\n\nc"),
        ("2", 1, "d\n\ne\n\nf"),
        ("3", 0, "g\n\nh\n\ni"),
        ("4", 1, "j\n\nk\n\nl"),
    ]
    assert [document.text for document in corpus.test] == ["a\n\nb\n\nc", "d\n\ne\n\nf"]
    windows = yahoo.read(write("\r\n".join(ROWS), classes=CLASSES.replace("\n", "\r\n")), recipe)
    assert windows.classes == corpus.classes
    assert list(windows.train) == list(corpus.train)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ('"a, b","c","d"', "a, b\n\nc\n\nd"),
        ('"say ""no""","c","d"', 'say "no"\n\nc\n\nd'),
        ('"a","",""', "a"),
        ('"","",""', ""),
        ('"","","d"', "d"),
        (r'"a\nb","c","d\n\ne"', "a\nb\n\nc\n\nd\n\ne"),
        ('"a<br />b<br>c<br/>d","",""', "a\nb\nc\nd"),
        ('"a&#xd;b","",""', "a\nb"),
        ('"a\nb","c\r\nd","e\rf"', "a\nb\n\nc\nd\n\ne\nf"),
        ("a,b c,d", "a\n\nb c\n\nd"),
        ('"caf\udce9","",""', "caf\ufffd"),  # A byte that is not UTF-8.
        ('"a\0b","",""', "a\ufffdb"),
        ('"caf\u00e9 \u2028 \x85","",""', "caf\u00e9 \u2028 \x85"),
    ],
)
def test_fields_are_read_as_in_the_official_files(write, recipe, fields, text):
    root = write([f'"1",{fields}', ROWS[1]])
    documents = list(yahoo.read(root, replace(recipe, train_documents=2)).train)
    assert [document.text for document in documents] == [text, "d\n\ne\n\nf"]
    assert [document.id for document in documents] == ["1", "2"]


def test_fields_may_exceed_the_default_limit_of_csv(write, recipe):
    csv.field_size_limit(131_072)
    long = "word " * 50_000
    root = write([f'"1","a","b","{long}"', *ROWS[1:]])
    assert next(iter(yahoo.read(root, recipe).train)).text == f"a\n\nb\n\n{long}"


# --- the draw -------------------------------------------------------------------------------------------------------


@pytest.fixture
def many(write) -> Path:
    """20 documents of the first class and 30 of the second."""
    return write([f'"{1 + (row % 5 > 1)}","title {row + 1}","",""' for row in range(50)])


def drawn(root: Path, recipe, **changes) -> list[int]:
    return [int(document.id) for document in yahoo.read(root, replace(recipe, **changes)).train]


def test_the_draw_is_balanced_and_keeps_the_order(many, recipe):
    train = yahoo.read(many, replace(recipe, train_documents=20)).train
    documents = list(train)
    assert len(train) == len(documents) == 20
    assert [document.label for document in documents].count(0) == 10
    numbers = [int(document.id) for document in documents]
    assert numbers == sorted(set(numbers))
    assert [document.text for document in documents] == [f"title {number}" for number in numbers]


def test_the_draw_depends_on_seed_and_size(many, recipe):
    first = drawn(many, recipe, train_documents=20)
    assert drawn(many, recipe, train_documents=20) == first
    assert drawn(many, recipe, train_documents=20, sample_seed=1) != first
    assert drawn(many, recipe, train_documents=10) == [3, 7, 10, 11, 19, 21, 23, 26, 28, 37]  # On every machine.
    larger = drawn(many, recipe, train_documents=30)
    assert not set(first) <= set(larger)


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["train.csv", "test.csv", "classes.txt"])
def test_a_missing_file_is_named(write, recipe, name):
    root = write(ROWS)
    path = root / yahoo.FOLDER / name
    path.unlink()
    refused = refusal(root, recipe)
    assert refused.startswith(f"{path}: ") and f"scripts/get_data.sh yahoo --data {root}" in refused


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        *(
            ([*ROWS[:2], row, *ROWS[2:]], "1 malformed rows, ending at lines 3;")
            for row in (
                '"1","three","fields"',
                '"1","five","fields","in","all"',
                '"0","no","such","class"',
                '"3","no","such","class"',
                '"one","no","such","class"',
                '"","no","","class"',
                '"01","no","such","class"',
                '"1","a" b,"c","d"',
                "",
                "class,title,question,answer",
            )
        ),
        (['"1","two\nlines","carriage\rreturn","\r\n"', '"9","a","b","c"', *ROWS, '"1","a"'], "ending at lines 4, 9;"),
        (['"1","a" b,"c","d"', *['"7","a","b","c"'] * 6, *ROWS], "7 malformed rows, ending at lines 1, 2, 3, 4, 5, …;"),
        ("\n".join(ROWS)[:-2], "1 malformed rows, ending at lines 4;"),
    ],
)
def test_malformed_rows_are_reported_with_their_lines(write, recipe, rows, lines):
    """Lines are counted as in editors."""
    root = write(rows)
    refused = refusal(root, recipe)
    assert refused.startswith(f"{root}/{yahoo.FOLDER}/train.csv: ") and lines in refused


@pytest.mark.parametrize(
    ("files", "changes", "message"),
    [
        ({"train": ROWS, "test": [ROWS[0], '"1"']}, {}, "test.csv: 1 malformed rows, ending at lines 2;"),
        ({"train": ROWS, "test": ROWS[:1]}, {}, "test.csv: has 1 rows, expected 2;"),
        ({"train": ROWS[:3]}, {}, "train.csv: class 2 has 1 rows, but 2 "),
        ({"train": []}, {}, "train.csv: class 1 has 0 rows, but 2 "),
        ({"train": ROWS}, {"train_documents": 3}, "train.csv: text.train_documents is 3; "),
        ({"train": ROWS, "classes": "\n"}, {}, "classes.txt: "),
    ],
)
def test_files_that_do_not_fit_the_recipe_are_refused(write, recipe, files, changes, message):
    root = write(**files)
    assert refusal(root, replace(recipe, **changes)).startswith(f"{root}/{yahoo.FOLDER}/{message}")


def test_a_missing_quote_stops_at_the_longest_field(write, recipe, monkeypatch):
    monkeypatch.setattr(yahoo, "LONGEST_FIELD", 100)
    rows = [f'"1","title {number}' for number in range(3)]
    assert "malformed rows" in refusal(write(['"1","open', *["no quote in here"] * 20, *ROWS, *rows]), recipe)


def test_memory_does_not_grow_with_the_file(write, recipe):
    rows = 20_000
    text = "a question of some length, " * 20
    root = write(f'"{1 + row % 2}","{text}","",""' for row in range(rows))
    size = (root / yahoo.FOLDER / "train.csv").stat().st_size
    recipe = replace(recipe, train_documents=rows)
    tracemalloc.start()
    documents = sum(1 for _ in yahoo.read(root, recipe).train)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert documents == rows
    assert size > 10e6
    assert peak < 2e6
