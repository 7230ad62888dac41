import fcntl
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from data.common.errors import UserError
from data.download import __main__ as download
from data.download import contents
from data.download.__main__ import get, main
from data.download.sources import DATA_SETS, MIT67, NEWSGROUPS, NLTK, VOC07

REPOSITORY = Path(__file__).parents[3]
SHARED = REPOSITORY.parent / "shared" / "datasets"
Disk = namedtuple("Disk", "total used free")


@pytest.fixture(autouse=True)
def miniature(monkeypatch):
    monkeypatch.setattr(contents, "NEWSGROUPS_POSTS", {"20news-bydate-train": 2, "20news-bydate-test": 1})
    monkeypatch.setattr(contents, "VOC07_IMAGES", {"trainval": 1, "test": 1})
    monkeypatch.setattr(contents, "MIT67_IMAGES", {"TrainImages.txt": 1, "TestImages.txt": 1})
    monkeypatch.setattr(contents, "MIT67_CATEGORIES", 1)


@pytest.fixture
def offline(monkeypatch):
    """Downloads nothing; what was asked for is in the list."""
    asked = []

    def refuse(file, folder):
        asked.append(file.name)
        raise UserError(f"{file.name}: not to be had")

    monkeypatch.setattr(download, "fetch", refuse)
    return asked


def write_tar(path, names):
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as tar:
        for name, text in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def newsgroups(path, posts=("train/sci.med/1", "train/sci.med/2", "test/sci.med/3")):
    return write_tar(path, {f"20news-bydate-{post}": "a post" for post in posts})


def nltk_files():
    tables = ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt")
    tagger = "averaged_perceptron_tagger_eng"
    punkt = {f"tokenizers/punkt_tab/english/{table}": "" for table in tables}
    return punkt | {f"taggers/{tagger}/{tagger}.{table}.json": "{}" for table in ("weights", "tagdict", "classes")}


def left(root):
    """What lies in the data root, without the notes and locks of the command."""
    paths = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    return sorted(str(path) for path in paths if path.suffix not in (".lock", ".json") or "downloads" not in path.parts)


def run(*arguments, **environment):
    command = [sys.executable, "-m", "data.download", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, env=os.environ | environment, capture_output=True, text=True)


# --- local copies -------------------------------------------------------------------------------------------


def test_local_archive_is_unpacked_in_the_official_layout(tmp_path, offline, capsys):
    get(NEWSGROUPS, tmp_path / "data", [newsgroups(tmp_path / "20news-bydate.tar.gz")])
    assert left(tmp_path / "data") == [
        "20news-bydate-test/sci.med/3",
        "20news-bydate-train/sci.med/1",
        "20news-bydate-train/sci.med/2",
    ]
    assert (tmp_path / "20news-bydate.tar.gz").exists()
    output = capsys.readouterr().out
    assert NEWSGROUPS.licence in output
    assert NEWSGROUPS.citation in output
    assert "contents that count" in output


def test_local_archive_may_have_another_name_and_a_folder_around_it(tmp_path, offline):
    posts = {f"copy/20news-bydate-{post}": "" for post in ("train/a/1", "train/a/2", "test/a/3")}
    get(NEWSGROUPS, tmp_path / "data", [write_tar(tmp_path / "mine.tar", posts)])
    assert len(left(tmp_path / "data")) == 3


def test_local_archive_with_too_few_documents_leaves_nothing(tmp_path, offline):
    archive = newsgroups(tmp_path / "20news-bydate.tar.gz", ("train/sci.med/1", "test/sci.med/3"))
    message = "20news-bydate.tar.gz: 20news-bydate-train: 1 posts where 2 are expected"
    with pytest.raises(UserError, match=message):
        get(NEWSGROUPS, tmp_path / "data", [archive])
    assert left(tmp_path / "data") == []


def test_local_archive_of_something_else_is_refused(tmp_path, offline):
    with pytest.raises(UserError, match="other.tar: without 20news-bydate-train"):
        get(NEWSGROUPS, tmp_path / "data", [write_tar(tmp_path / "other.tar", {"a/b": "c"})])


def test_local_archive_that_does_not_exist_is_refused(tmp_path, offline):
    with pytest.raises(UserError, match="nowhere.tar: no such file or folder"):
        get(NEWSGROUPS, tmp_path / "data", [tmp_path / "nowhere.tar"])


def test_nltk_is_taken_from_a_folder(tmp_path, offline):
    for name, text in nltk_files().items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text(text)
    get(NLTK, tmp_path / "data", [tmp_path / "mine"])
    assert left(tmp_path / "data") == sorted(f"nltk_data/{name}" for name in nltk_files())


def test_nltk_is_taken_from_one_zip(tmp_path, offline):
    with zipfile.ZipFile(tmp_path / "nltk_data.zip", "w") as archive:
        for name, text in nltk_files().items():
            archive.writestr(f"nltk_data/{name}", text)
    get(NLTK, tmp_path / "data", [tmp_path / "nltk_data.zip"])
    assert left(tmp_path / "data") == sorted(f"nltk_data/{name}" for name in nltk_files())


def test_nltk_is_taken_from_its_official_zips_in_a_folder(tmp_path, offline):
    for package in ("punkt_tab", "averaged_perceptron_tagger_eng"):
        with zipfile.ZipFile(tmp_path / f"{package}.zip", "w") as archive:
            for name, text in nltk_files().items():
                if package in name:
                    archive.writestr(name.partition("/")[2], text)
    get(NLTK, tmp_path / "data", [tmp_path])
    assert left(tmp_path / "data") == sorted(f"nltk_data/{name}" for name in nltk_files())


def test_folder_without_the_data_set_is_refused(tmp_path, offline):
    with pytest.raises(UserError, match="holds neither punkt_tab and averaged_perceptron_tagger_eng nor any of"):
        get(NLTK, tmp_path / "data", [tmp_path])


def test_two_archives_are_laid_over_each_other(tmp_path, offline):
    for split, number in (("trainval", 1), ("test", 2)):
        folder = "VOCdevkit/VOC2007"
        files = {
            f"{folder}/ImageSets/Main/{split}.txt": f"{number}\n",
            f"{folder}/JPEGImages/{number}.jpg": "",
            f"{folder}/Annotations/{number}.xml": "",
        }
        write_tar(tmp_path / f"VOC{split}_06-Nov-2007.tar", files)
    get(VOC07, tmp_path / "data", [tmp_path])
    assert len(left(tmp_path / "data")) == 6


def test_files_that_are_not_given_are_downloaded(tmp_path, monkeypatch):
    def fetch(file, folder):
        (folder / file.name).write_text("bar/1.jpg\n")
        return folder / file.name

    monkeypatch.setattr(download, "fetch", fetch)
    get(MIT67, tmp_path / "data", [write_tar(tmp_path / "indoorCVPR_09.tar", {"Images/bar/1.jpg": ""})])
    names = ["mit67/Images/bar/1.jpg", "mit67/TestImages.txt", "mit67/TrainImages.txt"]
    assert left(tmp_path / "data") == names


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/datasets")
def test_real_20_newsgroups_archive_is_counted(tmp_path, monkeypatch):
    monkeypatch.undo()
    get(NEWSGROUPS, tmp_path, [SHARED / "20news-bydate.tar.gz"])
    assert len(left(tmp_path)) == 11_314 + 7_532


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/datasets")
def test_nltk_reads_what_was_copied(tmp_path):
    get(NLTK, tmp_path, [SHARED / "nltk_data"])
    script = "from nltk.tokenize.punkt import PunktTokenizer; print(len(PunktTokenizer().tokenize('One. Two.')))"
    environment = os.environ | {"NLTK_DATA": str(tmp_path / "nltk_data"), "HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], env=environment, capture_output=True, text=True
    )
    assert result.stdout == "2\n", result.stderr


# --- what is there already ----------------------------------------------------------------------------------


def test_data_set_that_is_there_is_left_alone_and_not_counted_again(tmp_path, offline, capsys, monkeypatch):
    archive = newsgroups(tmp_path / "20news-bydate.tar.gz")
    get(NEWSGROUPS, tmp_path / "data", [archive])
    monkeypatch.setattr(contents, "NEWSGROUPS_POSTS", None)
    get(NEWSGROUPS, tmp_path / "data", [])
    assert "already there and whole (2 + 1 posts)" in capsys.readouterr().out
    assert offline == []


def test_data_set_that_lost_a_file_is_counted_again(tmp_path, offline):
    archive = newsgroups(tmp_path / "20news-bydate.tar.gz")
    get(NEWSGROUPS, tmp_path / "data", [archive])
    next(path for path in (tmp_path / "data/20news-bydate-train").rglob("*") if path.is_file()).unlink()
    with pytest.raises(UserError, match="in the way, and not whole .*1 posts where 2 are expected.*move it elsewhere"):
        get(NEWSGROUPS, tmp_path / "data", [archive])


def test_data_set_that_somebody_else_put_there_is_counted_once(tmp_path, offline, capsys):
    with tarfile.open(newsgroups(tmp_path / "a.tar.gz")) as tar:
        tar.extractall(tmp_path / "data")
    get(NEWSGROUPS, tmp_path / "data", [])
    assert "already there and whole" in capsys.readouterr().out
    assert json.loads((tmp_path / "data/downloads/20news.json").read_text())["contents"] == "2 + 1 posts"


def test_part_of_a_data_set_is_in_the_way_and_not_touched(tmp_path, offline):
    mine = tmp_path / "data/20news-bydate-train/mine"
    mine.mkdir(parents=True)
    with pytest.raises(UserError, match="20news-bydate-train: in the way, and not whole"):
        get(NEWSGROUPS, tmp_path / "data", [newsgroups(tmp_path / "20news-bydate.tar.gz")])
    assert mine.is_dir()


def test_data_set_whose_folder_was_removed_is_taken_again(tmp_path, offline):
    archive = newsgroups(tmp_path / "20news-bydate.tar.gz")
    get(NEWSGROUPS, tmp_path / "data", [archive])
    shutil.rmtree(tmp_path / "data/20news-bydate-train")
    shutil.rmtree(tmp_path / "data/20news-bydate-test")
    get(NEWSGROUPS, tmp_path / "data", [archive])
    assert len(left(tmp_path / "data")) == 3


# --- interruptions ------------------------------------------------------------------------------------------


def test_interrupted_unpacking_leaves_nothing_and_can_be_repeated(tmp_path, offline, monkeypatch):
    archive = newsgroups(tmp_path / "20news-bydate.tar.gz")

    def interrupt(archive, target, only):
        (target / "20news-bydate-train").mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(download, "unpack", interrupt)
        with pytest.raises(KeyboardInterrupt):
            get(NEWSGROUPS, tmp_path / "data", [archive])
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["downloads"]
    assert left(tmp_path / "data") == []
    get(NEWSGROUPS, tmp_path / "data", [archive])
    assert len(left(tmp_path / "data")) == 3


def test_remains_of_a_killed_unpacking_are_cleared_away(tmp_path, offline):
    (tmp_path / "data/downloads/20news.unpacking/whole/20news-bydate-train/half").mkdir(parents=True)
    get(NEWSGROUPS, tmp_path / "data", [newsgroups(tmp_path / "20news-bydate.tar.gz")])
    assert not (tmp_path / "data/downloads/20news.unpacking").exists()
    assert len(left(tmp_path / "data")) == 3


def test_parts_are_moved_in_all_or_none(tmp_path, offline, monkeypatch):
    rename = Path.rename

    def fail_at_the_last_part(self, target):
        if Path(target) == tmp_path / "data/20news-bydate-test":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_at_the_last_part)
    with pytest.raises(KeyboardInterrupt):
        get(NEWSGROUPS, tmp_path / "data", [newsgroups(tmp_path / "20news-bydate.tar.gz")])
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["downloads"]


def test_second_process_is_told_to_wait(tmp_path, offline):
    (tmp_path / "downloads").mkdir()
    with (tmp_path / "downloads/20news.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another process"):
            get(NEWSGROUPS, tmp_path, [])


# --- downloading --------------------------------------------------------------------------------------------


def test_downloaded_archive_is_removed_once_all_is_in_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "fetch", lambda file, folder: newsgroups(folder / file.name))
    get(NEWSGROUPS, tmp_path, [])
    assert len(left(tmp_path)) == 3


def test_downloaded_archive_is_kept_when_it_cannot_be_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "fetch", lambda file, folder: newsgroups(folder / file.name, ["train/a/1"]))
    with pytest.raises(UserError):
        get(NEWSGROUPS, tmp_path, [])
    assert left(tmp_path) == ["downloads/20news-bydate.tar.gz"]


def test_disk_is_checked_before_the_first_byte(tmp_path, offline, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(1, 1, 20_000_000))
    with pytest.raises(UserError, match=r"20news \(downloaded, and .*\) takes 28.9 MB, and the disk has 20.0 MB"):
        get(NEWSGROUPS, tmp_path, [])
    assert offline == []


def test_disk_check_allows_for_what_is_downloaded_already(tmp_path, offline, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(1, 1, 20_000_000))
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/20news-bydate.tar.gz.part").write_bytes(bytes(10_000_000))
    with pytest.raises(UserError, match="not to be had"):
        get(NEWSGROUPS, tmp_path, [])
    assert offline == ["20news-bydate.tar.gz"]


# --- the command and the list of sources --------------------------------------------------------------------


def test_unknown_name_is_one_line():
    result = run("imagenet")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: imagenet: no such data set or weights; name one of 20news, yahoo, nltk")


def test_archive_without_a_name_is_one_line(tmp_path):
    result = run("--archive", tmp_path)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("arguments", [[], ["--list"]])
def test_table_of_all_data_sets_is_printed(monkeypatch, capsys, arguments):
    monkeypatch.setattr(sys, "argv", ["get_data", *arguments])
    main()
    output = capsys.readouterr().out
    for data_set in DATA_SETS:
        assert re.search(rf"^{data_set.name} .*{re.escape(data_set.title)}$", output, re.MULTILINE)
        assert data_set.licence in output


def test_data_root_is_taken_from_the_environment(tmp_path):
    result = run("20news", "--archive", tmp_path / "nowhere", FAN_DATA=str(tmp_path / "root"))
    assert result.returncode == 2
    assert (tmp_path / "root/downloads").is_dir()


def test_data_root_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    result = run("20news", "--data", tmp_path / "file")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "Not a directory" in result.stderr or "File exists" in result.stderr


# The image archive of MIT67 has no other address, and its lists are a small page of the authors'.
@pytest.mark.parametrize("data_set", [each for each in DATA_SETS if each is not MIT67], ids=lambda each: each.name)
def test_every_file_has_another_address(data_set):
    assert all(len({address.url for address in file.addresses}) > 1 for file in data_set.files)


@pytest.mark.parametrize("data_set", DATA_SETS, ids=lambda data_set: data_set.name)
def test_sources_are_complete_and_well_formed(data_set):
    digits = {"md5": 32, "sha1": 40, "sha256": 64}
    assert data_set.licence and data_set.citation and data_set.homepage.startswith("http")
    for address in [address for file in data_set.files for address in file.addresses]:
        assert address.url.startswith(("http://", "https://"))
        assert not address.part or any(part.endswith(f"/{address.part}") for part in data_set.parts)
        assert re.fullmatch(r"[\w.-]+", address.name)
        if address.checksum:
            algorithm, _, digest = address.checksum.partition(":")
            assert re.fullmatch(rf"[0-9a-f]{{{digits[algorithm]}}}", digest)
