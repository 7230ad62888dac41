import io
import tarfile
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from data.common.errors import UserError
from data.records import Document
from data.text import newsgroups
from data.text.newsgroups import ARCHIVE, OFFICIAL, TEST, TRAIN, strip

POSTS = {
    "sci.space/10": "Subject: é\n\nten",
    "sci.space/9": "nine\r\n\r\nlines",
    "rec.autos/77": "a\rb",
    "rec.autos/8": "",
}
TEST_POSTS = {"sci.space/11": "eleven", "rec.autos/78": "last"}

POST = """\
From: ann@hill.example
Subject: Re: skates

In article <1@lake.example> bob@lake.example writes:
> The goalie is slow.
|: And old.

No.  He is quick, as I wrote: see above.

Ann
Hill Street"""


def pack(root: Path, posts: dict[str, str], test_posts: dict[str, str], prefix: str = "") -> Path:
    """Writes the archive with its members in another order."""
    names = {f"{TRAIN}/{name}": text for name, text in posts.items()}
    names |= {f"{TEST}/{name}": text for name, text in test_posts.items()}
    with tarfile.open(root / ARCHIVE, "w:gz") as tar:
        for name, text in sorted(names.items(), key=lambda item: item[0][::-1]):
            content = text.encode("latin-1")
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return root


def refusal(root: Path, recipe) -> str:
    with pytest.raises(UserError) as error:
        newsgroups.files(root)
        newsgroups.read(root, recipe)
    return str(error.value)


# --- stripping, as scikit-learn's `fetch_20newsgroups(remove=…)` ------------------------------------------


@pytest.mark.parametrize(
    ("post", "parts", "left"),
    [
        (POST, "", POST),
        (POST, "headers footers quotes", ""),
        (POST.replace("as I wrote: ", ""), "headers footers quotes", "\nNo.  He is quick, see above."),
        ("Subject: a\n\nb\n\nc", "headers", "b\n\nc"),
        ("Subject: a\nb", "headers", ""),
        ("text\n\nAnn", "footers", "text"),
        ("text\n--\nAnn\nHill Street\n\n\n", "footers", "text"),
        ("text\n-- \nAnn", "footers", "text"),
        ("a\n\nb\n\nAnn", "footers", "a\n\nb"),
        ("a\n - \nb", "footers", "a"),
        ("a\n- -\nb", "footers", "a\n- -\nb"),
        ("one paragraph\nof two lines", "footers", "one paragraph\nof two lines"),
        ("\n\n--\nAnn", "footers", "\n\n--\nAnn"),
        ("", "footers", ""),
        ("a\n\nb\n\n> c", "footers quotes", "a\n\nb"),  # Removing quotes first would make "b" the footer.
    ],
)
def test_parts_of_a_post_are_stripped(post, parts, left):
    assert strip(post, *(part in parts for part in ("headers", "footers", "quotes"))) == left


@pytest.mark.parametrize(
    ("line", "is_quote"),
    [
        ("> quoted", True),
        (">", True),
        ("| quoted", True),
        ("In article <1@hill> ann says", True),
        ("Quoted from a book", True),
        ("ann@hill writes:", True),
        ("Ann writes in a book", True),
        ("Ann wrote: so", True),
        ("Bob says: no", True),
        ("Bob said:", True),
        (" > indented", False),
        ("a > b", False),
        ("He said so", False),
        ("in article 1", False),
        ("She wrote", False),
    ],
)
def test_quoted_lines_are_stripped(line, is_quote):
    kept = "" if is_quote else f"{line}\n"
    assert strip(f"a\n{line}\nb", headers=False, footers=False, quotes=True) == f"a\n{kept}b"


# --- reading --------------------------------------------------------------------------------------------------------


def test_posts_are_sorted_by_group_and_article_number(write_posts, recipe):
    corpus = newsgroups.read(write_posts(POSTS, TEST_POSTS), recipe)
    assert corpus.classes == ("rec.autos", "sci.space")
    assert (len(corpus.train), len(corpus.test)) == (4, 2)
    assert list(corpus.train) == [
        Document("rec.autos/8", 0, ""),
        Document("rec.autos/77", 0, "a\rb"),
        Document("sci.space/9", 1, "nine\n\nlines"),
        Document("sci.space/10", 1, "Subject: é\n\nten"),
    ]
    assert list(corpus.train) == list(corpus.train)  # It can be read again.
    assert [document.id for document in corpus.test] == ["rec.autos/78", "sci.space/11"]


@pytest.mark.parametrize("prefix", ["", "./", "20news/"])
def test_archive_and_folder_contain_the_same(write_posts, recipe, tmp_path_factory, prefix):
    folder = newsgroups.read(write_posts(POSTS, TEST_POSTS), recipe)
    archive = newsgroups.read(pack(tmp_path_factory.mktemp("archive"), POSTS, TEST_POSTS, prefix), recipe)
    assert archive.classes == folder.classes
    assert list(archive.train) == list(folder.train)
    assert list(archive.test) == list(folder.test)


def test_hidden_files_are_ignored(write_posts, recipe, tmp_path_factory):
    posts = POSTS | {"sci.space/.DS_Store": "", "sci.space/._9": ""}
    assert len(list(newsgroups.read(write_posts(posts, TEST_POSTS), recipe).train)) == 4
    archive = pack(tmp_path_factory.mktemp("archive"), posts, TEST_POSTS)
    assert len(list(newsgroups.read(archive, recipe).train)) == 4


def test_other_folders_are_ignored(write_posts, recipe, tmp_path_factory):
    root = write_posts(POSTS, TEST_POSTS)
    (root / "notes/mine").mkdir(parents=True)
    (root / "notes/mine/5").write_text("")
    assert newsgroups.read(root, recipe).classes == ("rec.autos", "sci.space")
    archive = pack(tmp_path_factory.mktemp("archive"), POSTS, TEST_POSTS)
    with tarfile.open(archive / ARCHIVE, "w:gz") as tar:
        tar.add(root, arcname=".")
    assert newsgroups.read(archive, recipe).classes == ("rec.autos", "sci.space")


@pytest.mark.parametrize("part", ["headers", "footers", "quotes"])
def test_the_recipe_chooses_what_is_stripped(write_posts, recipe, part):
    root = write_posts({"a.b/1": POST}, {"a.b/2": POST})
    changes = {"train_documents": 1, "test_documents": 1, f"strip_{part}": True}
    corpus = newsgroups.read(root, replace(recipe, **changes))
    wanted = strip(POST, *(part == each for each in ("headers", "footers", "quotes")))
    assert [document.text for document in (*corpus.train, *corpus.test)] == [wanted, wanted]


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["10~", "notes.txt", "²"])
def test_stray_files_are_refused(write_posts, recipe, tmp_path_factory, name):
    root = write_posts(POSTS, TEST_POSTS)
    (root / TRAIN / "sci.space" / name).write_text("")
    assert refusal(root, recipe).startswith(f"{root}/{TRAIN}/sci.space/{name}: ")
    archive = tmp_path_factory.mktemp("archive")
    with tarfile.open(archive / ARCHIVE, "w:gz") as tar:
        tar.add(root / TRAIN, arcname=TRAIN)
    assert refusal(archive, recipe).startswith(f"{archive}/{ARCHIVE}/{TRAIN}/sci.space/{name}: ")


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ({}, {}, f"contains neither {TRAIN}/ nor {ARCHIVE}; "),
        (dict(islice(POSTS.items(), 3)), TEST_POSTS, f"{TRAIN} has 3 documents, expected 4; "),
        (POSTS, {"sci.space/11": ""}, f"{TEST} has 1 documents, expected 2; "),
        (POSTS, {}, f"{TEST} has 0 documents, expected 2; "),
    ],
)
def test_missing_posts_are_counted(write_posts, recipe, train, test, message):
    root = write_posts(train, test)
    refused = refusal(root, recipe)
    assert refused.startswith(f"{root}: {message}") and f"scripts/get_data.sh 20news --data {root}" in refused


@pytest.mark.parametrize(
    ("posts", "detail"),
    [
        ("sci.space/9 rec.autos/77 rec.autos/8", "has 3 documents, expected 4 (sci.space 1 of 2)"),
        (
            "sci.space/9 rec.autos/10 rec.autos/77 rec.autos/8",
            "has 4 documents, expected 4 (rec.autos 3 of 2, sci.space 1 of 2)",
        ),
        ("sci.spaec/9 sci.spaec/10 rec.autos/77 rec.autos/8", "has 4 documents, expected 4 (sci.space 0 of 2)"),
    ],
)
def test_incomplete_official_groups_are_named(write_posts, recipe, monkeypatch, posts, detail):
    monkeypatch.setattr(newsgroups, "OFFICIAL", {"rec.autos": (2, 1), "sci.space": (2, 1)})
    monkeypatch.setattr(newsgroups, "POSTS", {TRAIN: 4, TEST: 2})
    root = write_posts(dict.fromkeys(posts.split(), ""), TEST_POSTS)
    assert refusal(root, recipe).startswith(f"{root}: {TRAIN} {detail};")


def test_a_truncated_or_damaged_archive_is_refused(tmp_path, recipe):
    posts = {f"a.b/{number}": f"{number}\n" * 500 for number in range(10, 14)}
    archive = pack(tmp_path, posts, TEST_POSTS) / ARCHIVE
    whole = archive.read_bytes()
    cut = [whole[:length] for length in range(0, len(whole), 41)]
    damaged = [whole[:place] + b"\xff\xff\xff" + whole[place + 3 :] for place in range(30, len(whole) - 3, 41)]
    for content in cut + damaged:
        archive.write_bytes(content)
        refused = refusal(tmp_path, recipe)
        assert refused.startswith((f"{archive}: damaged archive (", f"{tmp_path}: {TRAIN} has", f"{tmp_path}: {TEST} "))
        assert "scripts/get_data.sh 20news" in refused


def test_the_official_counts_are_those_of_the_paper():
    assert newsgroups.POSTS == {TRAIN: 11_314, TEST: 7_532}


def test_the_real_data_set_is_complete(shared, recipe):
    corpus = newsgroups.read(shared, replace(recipe, train_documents=11_314, test_documents=7_532))
    for column, split in enumerate((corpus.train, corpus.test)):
        documents = list(split)
        counts = Counter(document.label for document in documents)
        assert [counts[label] for label in range(20)] == [OFFICIAL[name][column] for name in corpus.classes]
        assert len({document.id for document in documents}) == len(documents)
        assert not all(document.text.isascii() for document in documents)
