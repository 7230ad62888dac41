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
from data.download import install as installing
from data.download import verify
from data.download.__main__ import main
from data.download.install import install
from data.download.sources import DATA_SETS, MIT67, NEWSGROUPS, NLTK, VOC07
from data.text import newsgroups

REPOSITORY = Path(__file__).parents[3]
POSTS = ("train/sci.med/1", "train/sci.med/2", "test/sci.med/3")
INSTALLED = sorted(f"20news-bydate-{post}" for post in POSTS)
Disk = namedtuple("Disk", "total used free")


@pytest.fixture(autouse=True)
def small_counts(monkeypatch):
    """Expects data sets of a few files."""
    monkeypatch.setattr(newsgroups, "POSTS", {"20news-bydate-train": 2, "20news-bydate-test": 1})
    monkeypatch.setattr(verify, "VOC07_IMAGES", {"trainval": 1, "test": 1})
    monkeypatch.setattr(verify, "MIT67_IMAGES", {"TrainImages.txt": 1, "TestImages.txt": 1})
    monkeypatch.setattr(verify, "MIT67_CLASSES", 1)


@pytest.fixture
def requested(monkeypatch):
    """Names of the requested downloads, which all fail."""
    names = []

    def refuse(file, folder):
        names.append(file.name)
        raise UserError(f"{file.name}: cannot be downloaded")

    monkeypatch.setattr(installing, "fetch", refuse)
    return names


@pytest.fixture
def archive(tmp_path, requested):
    """A local copy of the small 20 Newsgroups; downloads fail."""
    return write_posts(tmp_path / "20news-bydate.tar.gz")


def write_tar(path, files):
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def write_posts(path, posts=POSTS, folder=""):
    return write_tar(path, {f"{folder}20news-bydate-{post}": "a post" for post in posts})


def write_zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def nltk_files():
    tables = ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt")
    tagger = "averaged_perceptron_tagger_eng"
    punkt = {f"tokenizers/punkt_tab/english/{table}": "" for table in tables}
    return punkt | {f"taggers/{tagger}/{tagger}.{table}.json": "{}" for table in ("weights", "tagdict", "classes")}


def files(root):
    """All files of the data folder except stamps and locks."""
    paths = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    return sorted(str(path) for path in paths if path.suffix not in (".lock", ".json") or "downloads" not in path.parts)


def run(*arguments, **environment):
    command = [sys.executable, "-m", "data.download", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, env=os.environ | environment, capture_output=True, text=True)


# --- local copies -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, folder", [("20news-bydate.tar.gz", ""), ("mine.tar", "copy/")])
def test_archive_is_installed_in_the_official_layout(tmp_path, requested, capsys, name, folder):
    archive = write_posts(tmp_path / name, folder=folder)
    install(NEWSGROUPS, tmp_path / "data", [archive])
    assert files(tmp_path / "data") == INSTALLED
    assert archive.exists()
    output = capsys.readouterr().out
    assert NEWSGROUPS.licence in output and NEWSGROUPS.citation in output


@pytest.mark.parametrize("posts", [("train/sci.med/1", "test/sci.med/3"), ("train/sci.med/1",), ()])
def test_incomplete_archive_is_refused_and_leaves_no_files(tmp_path, requested, posts):
    archive = write_posts(tmp_path / "20news-bydate.tar.gz", posts)
    with pytest.raises(UserError, match="20news-bydate.tar.gz: .*20news-bydate-t"):
        install(NEWSGROUPS, tmp_path / "data", [archive])
    assert files(tmp_path / "data") == []


@pytest.mark.parametrize("form", ["folder", "one zip", "official zips"])
def test_nltk_is_installed_from_every_kind_of_copy(tmp_path, requested, form):
    copy = tmp_path / "copy"
    copy.mkdir()
    if form == "folder":
        for name, text in nltk_files().items():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_text(text)
    elif form == "one zip":
        copy = copy / "nltk_data.zip"
        write_zip(copy, {f"nltk_data/{name}": text for name, text in nltk_files().items()})
    else:
        for package in ("punkt_tab", "averaged_perceptron_tagger_eng"):
            members = {name.partition("/")[2]: text for name, text in nltk_files().items() if package in name}
            write_zip(copy / f"{package}.zip", members)
    install(NLTK, tmp_path / "data", [copy])
    assert files(tmp_path / "data") == sorted(f"nltk_data/{name}" for name in nltk_files())


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_missing_and_empty_copies_are_refused(tmp_path, requested, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=f"{name}: "):
        install(NLTK, tmp_path / "data", [tmp_path / name])
    assert requested == []


def test_two_archives_are_combined(tmp_path, requested):
    for split, number in (("trainval", 1), ("test", 2)):
        names = (f"ImageSets/Main/{split}.txt", f"JPEGImages/{number}.jpg", f"Annotations/{number}.xml")
        members = {f"VOCdevkit/VOC2007/{name}": f"{number}\n" for name in names}
        write_tar(tmp_path / f"VOC{split}_06-Nov-2007.tar", members)
    install(VOC07, tmp_path / "data", [tmp_path])
    assert len(files(tmp_path / "data")) == 6


def test_missing_files_of_a_copy_are_downloaded(tmp_path, monkeypatch):
    def fetch(file, folder):
        (folder / file.name).write_text("bar/1.jpg\n")
        return folder / file.name

    monkeypatch.setattr(installing, "fetch", fetch)
    install(MIT67, tmp_path / "data", [write_tar(tmp_path / "indoorCVPR_09.tar", {"Images/bar/1.jpg": ""})])
    expected = ["mit67/Images/bar/1.jpg", "mit67/TestImages.txt", "mit67/TrainImages.txt"]
    assert files(tmp_path / "data") == expected


@pytest.mark.slow
def test_real_20_newsgroups_archive_is_counted(tmp_path, monkeypatch, shared):
    monkeypatch.undo()
    install(NEWSGROUPS, tmp_path, [shared / "20news-bydate.tar.gz"])
    assert len(files(tmp_path)) == 11_314 + 7_532


def test_nltk_loads_the_installed_files_without_warnings(tmp_path, shared):
    install(NLTK, tmp_path, [shared / "nltk_data"])
    script = "from nltk.tokenize.punkt import PunktTokenizer; print(len(PunktTokenizer().tokenize('One. Two.')))"
    environment = os.environ | {"NLTK_DATA": str(tmp_path / "nltk_data"), "HOME": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", script]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.stdout == "2\n", result.stderr


# --- existing data sets -------------------------------------------------------------------------------------


def test_installed_data_set_is_not_counted_again(tmp_path, archive, requested, capsys, monkeypatch):
    install(NEWSGROUPS, tmp_path / "data", [archive])
    monkeypatch.setattr(newsgroups, "POSTS", None)
    install(NEWSGROUPS, tmp_path / "data", [])
    assert "2 + 1" in capsys.readouterr().out.splitlines()[-1]
    assert requested == []


def test_data_set_that_lost_files_is_counted_or_installed_again(tmp_path, archive):
    install(NEWSGROUPS, tmp_path / "data", [archive])
    (tmp_path / "data" / INSTALLED[-1]).unlink()
    with pytest.raises(UserError, match="20news-bydate-train.* 1 .*2"):
        install(NEWSGROUPS, tmp_path / "data", [archive])
    for split in ("train", "test"):
        shutil.rmtree(tmp_path / f"data/20news-bydate-{split}")
    install(NEWSGROUPS, tmp_path / "data", [archive])
    assert files(tmp_path / "data") == INSTALLED


def test_data_set_of_another_origin_is_counted_once(tmp_path, archive, requested):
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "data")
    install(NEWSGROUPS, tmp_path / "data", [])
    stamp = json.loads((tmp_path / "data/downloads/20news.json").read_text())
    assert stamp == {"contents": "2 + 1 posts", "state": [3, 3 * len("a post")]}
    assert requested == []


def test_incomplete_data_set_is_refused_and_not_changed(tmp_path, archive):
    mine = tmp_path / "data/20news-bydate-train/mine"
    mine.mkdir(parents=True)
    with pytest.raises(UserError, match="20news-bydate-train: "):
        install(NEWSGROUPS, tmp_path / "data", [archive])
    assert mine.is_dir()


# --- interruptions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("killed", [False, True])
def test_interrupted_unpacking_can_be_repeated(tmp_path, archive, monkeypatch, killed):
    def interrupt(archive, target, only):
        (target / "20news-bydate-train").mkdir()
        raise KeyboardInterrupt

    if killed:
        (tmp_path / "data/downloads/20news.unpacking/whole/20news-bydate-train/half").mkdir(parents=True)
    else:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(installing, "unpack", interrupt)
            install(NEWSGROUPS, tmp_path / "data", [archive])
        assert [path.name for path in (tmp_path / "data").iterdir()] == ["downloads"]
        assert files(tmp_path / "data") == []
    install(NEWSGROUPS, tmp_path / "data", [archive])
    assert files(tmp_path / "data") == INSTALLED
    assert not (tmp_path / "data/downloads/20news.unpacking").exists()


def test_all_parts_or_none_are_moved_into_place(tmp_path, archive, monkeypatch):
    rename = Path.rename

    def interrupt_the_last(self, target):
        if Path(target) == tmp_path / "data/20news-bydate-test":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupt_the_last)
    with pytest.raises(KeyboardInterrupt):
        install(NEWSGROUPS, tmp_path / "data", [archive])
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["downloads"]


def test_second_process_is_refused(tmp_path):
    (tmp_path / "downloads").mkdir()
    with (tmp_path / "downloads/20news.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="20news.lock: "):
            install(NEWSGROUPS, tmp_path, [])


# --- downloads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("posts", [POSTS, POSTS[:1]])
def test_download_is_removed_only_after_installation(tmp_path, monkeypatch, posts):
    monkeypatch.setattr(installing, "fetch", lambda file, folder: write_posts(folder / file.name, posts))
    if posts == POSTS:
        install(NEWSGROUPS, tmp_path, [])
        assert files(tmp_path) == INSTALLED
    else:
        with pytest.raises(UserError):
            install(NEWSGROUPS, tmp_path, [])
        assert files(tmp_path) == ["downloads/20news-bydate.tar.gz"]


@pytest.mark.parametrize("have", [0, 10_000_000])
def test_disk_space_is_checked_before_the_download(tmp_path, requested, monkeypatch, have):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(1, 1, 20_000_000))
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/20news-bydate.tar.gz.part").write_bytes(bytes(have))
    with pytest.raises(UserError, match="20news-bydate.tar.gz: " if have else r"28.9 MB.* 20.0 MB"):
        install(NEWSGROUPS, tmp_path, [])
    assert requested == (["20news-bydate.tar.gz"] if have else [])


# --- command line and sources -------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["imagenet"], ["--archive", "."], ["20news", "--data", __file__]])
def test_wrong_arguments_give_one_line_and_exit_code_2(arguments):
    result = run(*arguments)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert result.stderr.startswith("error: ")


def test_data_folder_is_taken_from_the_environment(tmp_path):
    result = run("20news", "--archive", tmp_path / "missing", FAN_DATA=str(tmp_path / "root"))
    assert result.returncode == 2
    assert (tmp_path / "root/downloads").is_dir()


@pytest.mark.parametrize("arguments", [[], ["--list"]])
def test_table_lists_all_data_sets(monkeypatch, capsys, arguments):
    monkeypatch.setattr(sys, "argv", ["get_data", *arguments])
    main()
    output = capsys.readouterr().out
    for data_set in DATA_SETS:
        assert re.search(rf"^{data_set.name} .*{re.escape(data_set.title)}$", output, re.MULTILINE)
        assert data_set.licence in output


@pytest.mark.parametrize("data_set", DATA_SETS, ids=lambda data_set: data_set.name)
def test_sources_are_complete_and_well_formed(data_set):
    digits = {"md5": 32, "sha1": 40, "sha256": 64}
    assert data_set.licence and data_set.citation and data_set.homepage.startswith("http")
    # No other address of the image archive of MIT67 is known.
    assert data_set is MIT67 or all(len({each.url for each in file.addresses}) > 1 for file in data_set.files)
    for address in [address for file in data_set.files for address in file.addresses]:
        assert address.url.startswith(("http://", "https://"))
        assert not address.part or any(part.endswith(f"/{address.part}") for part in data_set.parts)
        assert re.fullmatch(r"[\w.-]+", address.name)
        if address.checksum:
            algorithm, _, digest = address.checksum.partition(":")
            assert re.fullmatch(rf"[0-9a-f]{{{digits[algorithm]}}}", digest)
