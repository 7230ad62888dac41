import io
import tarfile
from collections import Counter
from dataclasses import replace
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
    """Writes the archive, members in an order of their own."""
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


# --- stripping: what scikit-learn's `fetch_20newsgroups(remove=…)` leaves ------------------------------------------


def test_nothing_is_stripped_unasked():
    assert strip(POST, headers=False, footers=False, quotes=False) == POST


def test_headers_end_at_the_first_empty_line():
    assert strip(POST, headers=True, footers=False, quotes=False).startswith("In article <1@lake")
    assert strip("Subject: a\n\nb\n\nc", headers=True, footers=False, quotes=False) == "b\n\nc"


def test_a_post_without_an_empty_line_is_all_headers():
    assert strip("Subject: a\nb", headers=True, footers=False, quotes=False) == ""


@pytest.mark.parametrize(
    ("post", "left"),
    [
        ("text\n\nAnn", "text"),
        ("text\n--\nAnn\nHill Street\n\n\n", "text"),
        ("text\n-- \nAnn", "text"),
        ("a\n\nb\n\nAnn", "a\n\nb"),
        ("a\n - \nb", "a\n - \nb"[:1]),
        ("a\n- -\nb", "a\n- -\nb"),
        ("one paragraph\nof two lines", "one paragraph\nof two lines"),
        ("\n\n--\nAnn", "\n\n--\nAnn"),
        ("", ""),
    ],
)
def test_the_footer_follows_the_last_empty_or_dashed_line(post, left):
    assert strip(post, headers=False, footers=True, quotes=False) == left


@pytest.mark.parametrize(
    "line",
    [
        "> quoted",
        ">",
        "| quoted",
        "In article <1@hill> ann says",
        "Quoted from a book",
        "ann@hill writes:",
        "Ann writes in a book",
        "Ann wrote: so",
        "Bob says: no",
        "Bob said:",
    ],
)
def test_lines_that_quote_are_left_out(line):
    assert strip(f"a\n{line}\nb", headers=False, footers=False, quotes=True) == "a\nb"


@pytest.mark.parametrize("line", [" > indented", "a > b", "He said so", "in article 1", "She wrote"])
def test_lines_that_do_not_quote_are_kept(line):
    assert strip(f"a\n{line}\nb", headers=False, footers=False, quotes=True) == f"a\n{line}\nb"


def test_footers_go_before_quotes():
    # The other order would take "b" for the footer, since nothing follows it once the quoted line has gone.
    assert strip("a\n\nb\n\n> c", headers=False, footers=True, quotes=True) == "a\n\nb"


def test_all_three_are_stripped_from_a_post():
    assert strip(POST, headers=True, footers=True, quotes=True) == ""
    assert strip(POST.replace("as I wrote: ", ""), headers=True, footers=True, quotes=True) == (
        "\nNo.  He is quick, see above."
    )


# --- reading --------------------------------------------------------------------------------------------------------


def test_posts_come_by_group_and_article_number(write_posts, recipe):
    corpus = newsgroups.read(write_posts(POSTS, TEST_POSTS), recipe)
    assert corpus.classes == ("rec.autos", "sci.space")
    assert (len(corpus.train), len(corpus.test)) == (4, 2)
    assert list(corpus.train) == [
        Document("rec.autos/8", 0, ""),
        Document("rec.autos/77", 0, "a\rb"),
        Document("sci.space/9", 1, "nine\n\nlines"),
        Document("sci.space/10", 1, "Subject: é\n\nten"),
    ]
    assert [document.id for document in corpus.test] == ["rec.autos/78", "sci.space/11"]


def test_a_split_can_be_read_again(write_posts, recipe):
    train = newsgroups.read(write_posts(POSTS, TEST_POSTS), recipe).train
    assert list(train) == list(train)


@pytest.mark.parametrize("prefix", ["", "./", "20news/"])
def test_the_archive_gives_what_the_folder_gives(write_posts, recipe, tmp_path_factory, prefix):
    folder = newsgroups.read(write_posts(POSTS, TEST_POSTS), recipe)
    archive = newsgroups.read(pack(tmp_path_factory.mktemp("archive"), POSTS, TEST_POSTS, prefix), recipe)
    assert archive.classes == folder.classes
    assert list(archive.train) == list(folder.train)
    assert list(archive.test) == list(folder.test)


def test_the_recipe_s_switches_strip(write_posts, recipe):
    root = write_posts({"a.b/1": POST}, {"a.b/2": POST})
    recipe = replace(recipe, train_documents=1, test_documents=1)
    for switch in ("headers", "footers", "quotes"):
        corpus = newsgroups.read(root, replace(recipe, **{f"strip_{switch}": True}))
        wanted = strip(POST, *(switch == each for each in ("headers", "footers", "quotes")))
        assert [document.text for document in (*corpus.train, *corpus.test)] == [wanted, wanted]


def test_hidden_files_are_passed_over_in_folder_and_archive(write_posts, recipe, tmp_path_factory):
    posts = POSTS | {"sci.space/.DS_Store": "", "sci.space/._9": ""}
    assert len(list(newsgroups.read(write_posts(posts, TEST_POSTS), recipe).train)) == 4
    archive = pack(tmp_path_factory.mktemp("archive"), posts, TEST_POSTS)
    assert len(list(newsgroups.read(archive, recipe).train)) == 4


def test_files_beside_the_splits_make_no_class(write_posts, recipe, tmp_path_factory):
    root = write_posts(POSTS, TEST_POSTS)
    (root / "notes/mine").mkdir(parents=True)
    (root / "notes/mine/5").write_text("")
    assert newsgroups.read(root, recipe).classes == ("rec.autos", "sci.space")
    archive = pack(tmp_path_factory.mktemp("archive"), POSTS, TEST_POSTS)
    with tarfile.open(archive / ARCHIVE, "w:gz") as tar:
        tar.add(root, arcname=".")
    assert newsgroups.read(archive, recipe).classes == ("rec.autos", "sci.space")


@pytest.mark.parametrize("name", ["10~", "notes.txt", "²"])
def test_a_stray_file_is_named_in_folder_and_archive(write_posts, recipe, tmp_path_factory, name):
    root = write_posts(POSTS, TEST_POSTS)
    (root / TRAIN / "sci.space" / name).write_text("")
    place = f"{TRAIN}/sci.space/{name}: not a post, whose names are numbers; remove it"
    assert refusal(root, recipe) == f"{root}/{place}"
    archive = tmp_path_factory.mktemp("archive")
    with tarfile.open(archive / ARCHIVE, "w:gz") as tar:
        tar.add(root / TRAIN, arcname=TRAIN)
    assert refusal(archive, recipe) == f"{archive}/{ARCHIVE}/{place}"


def test_where_nothing_lies_the_command_that_gets_it_is_named(tmp_path, recipe):
    assert refusal(tmp_path, recipe) == (
        f"{tmp_path}: holds neither {TRAIN}/ nor {ARCHIVE}; "
        f"get it with: scripts/get_data.sh 20news --data {tmp_path}, "
        f"or the miniature with: python -m data.mini --out {tmp_path}"
    )


@pytest.mark.parametrize(("missing", "split", "count", "expected"), [("train", TRAIN, 3, 4), ("test", TEST, 1, 2)])
def test_a_missing_post_is_counted(write_posts, recipe, missing, split, count, expected):
    posts = {"train": dict(POSTS), "test": dict(TEST_POSTS)}
    posts[missing].popitem()
    root = write_posts(**posts)
    assert refusal(root, recipe) == (
        f"{root}: {split} holds {count} documents where {expected} are expected; "
        f"get it with: scripts/get_data.sh 20news --data {root}, "
        f"or the miniature with: python -m data.mini --out {root}"
    )


def test_a_missing_test_folder_is_counted(write_posts, recipe):
    assert f"{TEST} holds 0 documents where 2 are expected" in refusal(write_posts(POSTS, {}), recipe)


@pytest.mark.parametrize(
    ("posts", "detail"),
    [
        (["sci.space/9", "rec.autos/77", "rec.autos/8"], "holds 3 documents where 4 are expected (sci.space 1 of 2)"),
        (
            ["sci.space/9", "rec.autos/10", "rec.autos/77", "rec.autos/8"],
            "holds 4 documents where 4 are expected (rec.autos 3 of 2, sci.space 1 of 2)",
        ),
        (
            ["sci.spaec/9", "sci.spaec/10", "rec.autos/77", "rec.autos/8"],
            "holds 4 documents where 4 are expected (sci.space 0 of 2)",
        ),
    ],
)
def test_of_the_official_data_set_the_short_groups_are_named(write_posts, recipe, monkeypatch, posts, detail):
    monkeypatch.setattr(newsgroups, "OFFICIAL", {"rec.autos": (2, 1), "sci.space": (2, 1)})
    root = write_posts(dict.fromkeys(posts, ""), TEST_POSTS)
    assert refusal(root, recipe).startswith(f"{root}: {TRAIN} {detail};")


def test_of_many_short_groups_the_first_are_named(write_posts, recipe, monkeypatch):
    monkeypatch.setattr(newsgroups, "OFFICIAL", dict.fromkeys(["a.a", "b.b", "c.c", "d.d"], (1, 1)))
    assert "(a.a 0 of 1, b.b 0 of 1, c.c 0 of 1, …); get" in refusal(write_posts(POSTS, TEST_POSTS), recipe)


def test_a_cut_or_garbled_archive_is_refused(tmp_path, recipe):
    posts = {f"a.b/{number}": f"{number}\n" * 500 for number in range(10, 14)}
    archive = pack(tmp_path, posts, TEST_POSTS) / ARCHIVE
    whole = archive.read_bytes()
    cut = [whole[:length] for length in range(0, len(whole), 41)]
    garbled = [whole[:place] + b"\xff\xff\xff" + whole[place + 3 :] for place in range(30, len(whole) - 3, 41)]
    for content in cut + garbled:
        archive.write_bytes(content)
        refused = refusal(tmp_path, recipe)
        assert refused.startswith(
            (f"{archive}: damaged archive (", f"{tmp_path}: {TRAIN} holds", f"{tmp_path}: {TEST}")
        )
        assert "scripts/get_data.sh 20news" in refused


def test_the_official_counts_are_those_of_the_paper():
    assert [sum(counts[column] for counts in OFFICIAL.values()) for column in (0, 1)] == [11_314, 7_532]


def test_the_real_data_set_is_complete_and_latin1(shared, recipe):
    corpus = newsgroups.read(shared, replace(recipe, train_documents=11_314, test_documents=7_532))
    for column, split in enumerate((corpus.train, corpus.test)):
        documents = list(split)
        counts = Counter(document.label for document in documents)
        assert [counts[label] for label in range(20)] == [OFFICIAL[name][column] for name in corpus.classes]
        assert len({document.id for document in documents}) == len(documents)
        assert not all(document.text.isascii() for document in documents)
