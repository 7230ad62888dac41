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
            (folder / name).write_bytes(text.encode())
        return tmp_path

    return write


def refusal(root: Path, recipe) -> str:
    with pytest.raises(UserError) as error:
        yahoo.read(root, recipe)
    return str(error.value)


# --- documents ------------------------------------------------------------------------------------------------------


def test_a_document_is_title_question_and_answer_with_its_row_number(write, recipe):
    corpus = yahoo.read(write(ROWS), recipe)
    assert corpus.classes == ("Health", "Sports")
    assert [(document.id, document.label, document.text) for document in corpus.train] == [
        ("1", 0, "a\n\nb\n\nc"),
        ("2", 1, "d\n\ne\n\nf"),
        ("3", 0, "g\n\nh\n\ni"),
        ("4", 1, "j\n\nk\n\nl"),
    ]
    assert [document.id for document in corpus.test] == ["1", "2"]


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
        ('"a\0b","",""', "a\ufffdb"),
        ('"caf\u00e9 \u2028 \x85","",""', "caf\u00e9 \u2028 \x85"),
    ],
)
def test_fields_are_read_as_the_official_files_write_them(write, recipe, fields, text):
    root = write([f'"1",{fields}', ROWS[1]])
    documents = list(yahoo.read(root, replace(recipe, train_documents=2)).train)
    assert [document.text for document in documents] == [text, "d\n\ne\n\nf"]
    assert [document.id for document in documents] == ["1", "2"]


def test_windows_line_ends_change_nothing(write, recipe):
    unix = list(yahoo.read(write(ROWS), recipe).train)
    windows = yahoo.read(write("\r\n".join(ROWS), classes=CLASSES.replace("\n", "\r\n")), recipe)
    assert windows.classes == ("Health", "Sports")
    assert list(windows.train) == unix


def test_bytes_that_are_not_utf8_are_replaced(write, recipe):
    root = write(ROWS)
    path = root / yahoo.FOLDER / "train.csv"
    path.write_bytes(path.read_bytes().replace(b'"a"', b'"caf\xe9"'))
    assert next(iter(yahoo.read(root, recipe).train)).text == "caf\ufffd\n\nb\n\nc"


def test_a_field_may_be_longer_than_csv_s_default_limit(write, recipe):
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


def test_the_draw_takes_as_many_of_each_class_and_keeps_the_file_s_order(many, recipe):
    train = yahoo.read(many, replace(recipe, train_documents=20)).train
    documents = list(train)
    assert len(train) == len(documents) == 20
    assert [document.label for document in documents].count(0) == 10
    numbers = [int(document.id) for document in documents]
    assert numbers == sorted(set(numbers))
    assert [document.text for document in documents] == [f"title {number}" for number in numbers]


def test_the_draw_is_the_seed_s_and_the_size_s(many, recipe):
    first = drawn(many, recipe, train_documents=20)
    assert drawn(many, recipe, train_documents=20) == first
    assert drawn(many, recipe, train_documents=20, sample_seed=1) != first
    larger = drawn(many, recipe, train_documents=30)
    assert not set(first) <= set(larger)


def test_the_draw_is_the_same_everywhere(many, recipe):
    assert drawn(many, recipe, train_documents=10) == [3, 7, 10, 11, 19, 21, 23, 26, 28, 37]


def test_a_negative_seed_is_refused(recipe):
    with pytest.raises(ValueError, match="sample_seed is -1; it must not be negative"):
        replace(recipe, sample_seed=-1)


def test_all_rows_can_be_drawn(write, recipe):
    assert drawn(write(ROWS), recipe) == [1, 2, 3, 4]


def test_the_test_set_is_all_of_its_file(many, recipe):
    assert [document.text for document in yahoo.read(many, recipe).test] == ["a\n\nb\n\nc", "d\n\ne\n\nf"]


def get(root) -> str:
    return (
        f"get it with: scripts/get_data.sh yahoo --data {root}, or the miniature with: python -m data.mini --out {root}"
    )


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["train.csv", "test.csv", "classes.txt"])
def test_a_missing_file_is_named_with_the_command_that_gets_it(write, recipe, name):
    root = write(ROWS)
    path = root / yahoo.FOLDER / name
    path.unlink()
    assert refusal(root, recipe) == (f"{path}: no such file; {get(root)}")


@pytest.mark.parametrize(
    "row",
    [
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
    ],
)
def test_a_malformed_row_is_reported_with_its_line(write, recipe, row):
    root = write([*ROWS[:2], row, *ROWS[2:]])
    assert refusal(root, recipe) == (
        f"{root}/{yahoo.FOLDER}/train.csv: 1 malformed rows, ending at lines 3; each must hold a class from 1 to 2, "
        f"title, question and answer, quoted; {get(root)}"
    )


def test_lines_are_counted_as_editors_count_them(write, recipe):
    root = write(['"1","two\nlines","carriage\rreturn","\r\n"', '"9","a","b","c"', *ROWS, '"1","a"'])
    assert "2 malformed rows, ending at lines 4, 9;" in refusal(root, recipe)


def test_rows_after_a_malformed_one_are_checked_too_and_the_first_are_shown(write, recipe):
    root = write(['"1","a" b,"c","d"', *['"7","a","b","c"'] * 6, *ROWS])
    assert "7 malformed rows, ending at lines 1, 2, 3, 4, 5, …;" in refusal(root, recipe)


def test_a_file_cut_inside_a_row_is_refused(write, recipe):
    assert "1 malformed rows, ending at lines 4;" in refusal(write("\n".join(ROWS)[:-2]), recipe)


def test_a_missing_quote_does_not_swallow_the_file(write, recipe, monkeypatch):
    monkeypatch.setattr(yahoo, "LONGEST_FIELD", 100)
    rows = [f'"1","title {number}' for number in range(3)]
    assert "malformed rows" in refusal(write(['"1","open', *["no quote in here"] * 20, *ROWS, *rows]), recipe)


def test_malformed_test_rows_are_reported(write, recipe):
    assert "test.csv: 1 malformed rows, ending at lines 2;" in refusal(write(ROWS, [ROWS[0], '"1"']), recipe)


def test_too_few_test_rows_are_counted(write, recipe):
    root = write(ROWS, ROWS[:1])
    assert refusal(root, recipe) == (f"{root}/{yahoo.FOLDER}/test.csv: 1 rows where 2 are expected; {get(root)}")


@pytest.mark.parametrize(("train", "label", "rows"), [(ROWS[:3], 2, 1), ([], 1, 0)])
def test_too_few_rows_of_a_class_are_counted(write, recipe, train, label, rows):
    root = write(train)
    assert refusal(root, recipe) == (
        f"{root}/{yahoo.FOLDER}/train.csv: class {label} has {rows} rows, 2 are to be drawn; {get(root)}"
    )


def test_a_draw_that_classes_cannot_share_is_refused(write, recipe):
    assert refusal(write(ROWS), replace(recipe, train_documents=3)).endswith(
        "train.csv: text.train_documents is 3; it must be a multiple of the 2 classes"
    )


def test_a_list_of_no_classes_is_refused(write, recipe):
    root = write(ROWS, classes="\n")
    assert refusal(root, recipe).endswith(f"classes.txt: names no class; {get(root)}")


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
