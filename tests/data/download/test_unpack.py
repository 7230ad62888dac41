import io
import shutil
import stat
import tarfile
import zipfile
from collections import namedtuple

import pytest

from data.common.errors import UserError
from data.download.unpack import copy, make_folder, unpack

Disk = namedtuple("Disk", "total used free")


def write_tar(path, members, mode="w:gz"):
    """Writes `members`: name -> text, or (type, link target)."""
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.mode = 0o777
            if isinstance(content, str):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content.encode()))
            else:
                info.type, info.linkname = content
                tar.addfile(info)
    return path


def write_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def target(tmp_path):
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


@pytest.mark.parametrize("name, mode", [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tgz", "w:gz"), ("a", "w:xz")])
def test_tar_is_unpacked(tmp_path, target, name, mode):
    unpack(write_tar(tmp_path / name, {"./a/b/one": "1", "two": "22"}, mode), target)
    assert (target / "a/b/one").read_text() == "1"
    assert (target / "two").read_text() == "22"


@pytest.mark.parametrize("only, names", [("*", ["train.json", "val.json"]), ("*/val.json", ["val.json"])])
def test_matching_members_of_a_zip_are_unpacked(tmp_path, target, only, names):
    archive = write_zip(tmp_path / "a.zip", {"a/": "", "a/val.json": "1", "a/train.json": "2"})
    unpack(archive, target, only)
    assert sorted(path.name for path in (target / "a").iterdir()) == names
    assert (target / "a/val.json").read_text() == "1"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "a\\..\\..\\evil"])
@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_members_outside_the_target_are_refused_before_writing(tmp_path, target, write, name):
    archive = write(tmp_path / "archive", {"good": "1", name: "2"})
    with pytest.raises(UserError, match="archive: member"):
        unpack(archive, target)
    assert list(target.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "target"]


@pytest.mark.parametrize(
    "kind",
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.SYMTYPE, "good"),
        (tarfile.LNKTYPE, "good"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, target, kind):
    archive = write_tar(tmp_path / "a.tar.gz", {"good": "1", "evil": kind})
    with pytest.raises(UserError, match="member 'evil'"):
        unpack(archive, target)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, target, kind):
    info = zipfile.ZipInfo("evil")
    info.external_attr = (kind | 0o777) << 16
    archive = write_zip(tmp_path / "a.zip", {"good": "1", info: "/etc/passwd"})
    with pytest.raises(UserError, match="member 'evil'"):
        unpack(archive, target)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    "write, damage",
    [
        (write_tar, lambda content: content[: len(content) // 2]),
        (write_zip, lambda content: content[: len(content) // 2]),
        (write_zip, lambda content: content[:35] + b"\xff" * 5 + content[40:]),  # within the first member
        (write_tar, lambda content: b"<html>"),
    ],
)
def test_damaged_archives_are_refused(tmp_path, target, write, damage):
    archive = write(tmp_path / "archive", {"one": "some text" * 100, "two": "some text" * 200})
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(UserError, match="archive: damaged"):
        unpack(archive, target)


def test_disk_space_is_checked_for_the_unpacked_size(tmp_path, target, monkeypatch):
    archive = write_tar(tmp_path / "a.tar.gz", {"one": "1" * 1_000_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(1, 1, 999_999))
    with pytest.raises(UserError, match="a.tar.gz .*1.0 MB.* 1000.0 kB"):
        unpack(archive, target)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("from_archive", [True, False])
def test_unpacked_and_copied_files_have_private_modes(tmp_path, target, from_archive):
    if from_archive:
        unpack(write_tar(tmp_path / "a.tar.gz", {"a/one": "1"}), target)
    else:
        (tmp_path / "a").mkdir()
        (tmp_path / "a/one").write_text("1")
        (tmp_path / "a/one").chmod(0o666)
        copy(tmp_path / "a", target)
    assert (target / "a/one").read_text() == "1"
    assert stat.S_IMODE((target / "a/one").stat().st_mode) == 0o644
    assert stat.S_IMODE((target / "a").stat().st_mode) == 0o755


def test_new_folders_are_private_and_existing_ones_unchanged(tmp_path):
    tmp_path.chmod(0o775)
    make_folder(tmp_path / "a/b")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o775
