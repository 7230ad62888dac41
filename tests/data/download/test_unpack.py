import io
import shutil
import stat
import tarfile
import zipfile
from collections import namedtuple

import pytest

from data.common.errors import UserError
from data.download.unpack import copy, make_folder, readable, unpack

Disk = namedtuple("Disk", "total used free")


def write_tar(path, members, mode="w:gz"):
    """`members`: name to contents, or to a type of `tarfile` (with the link's target after it)."""
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


def test_zip_is_unpacked(tmp_path, target):
    unpack(write_zip(tmp_path / "a.zip", {"a/": "", "a/one": "1"}), target)
    assert (target / "a/one").read_text() == "1"


def test_only_the_wanted_members_are_unpacked(tmp_path, target):
    archive = write_zip(tmp_path / "a.zip", {"annotations/val.json": "1", "annotations/train.json": "2"})
    unpack(archive, target, only="*/val.json")
    assert [path.name for path in (target / "annotations").iterdir()] == ["val.json"]


def test_modes_are_private_whatever_the_archive_says(tmp_path, target):
    unpack(write_tar(tmp_path / "a.tar.gz", {"a/one": "1"}), target)
    assert stat.S_IMODE((target / "a/one").stat().st_mode) == 0o644
    assert stat.S_IMODE((target / "a").stat().st_mode) == 0o755


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "a\\..\\..\\evil"])
@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_member_that_leads_out_is_refused_before_anything_is_written(tmp_path, target, write, name):
    archive = write(tmp_path / "archive", {"good": "1", name: "2"})
    with pytest.raises(UserError, match="leads out"):
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
def test_link_or_device_in_a_tar_is_refused(tmp_path, target, kind):
    archive = write_tar(tmp_path / "a.tar.gz", {"good": "1", "evil": kind})
    with pytest.raises(UserError, match="'evil' is a link or a device"):
        unpack(archive, target)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_link_or_device_in_a_zip_is_refused(tmp_path, target, kind):
    info = zipfile.ZipInfo("evil")
    info.external_attr = (kind | 0o777) << 16
    archive = write_zip(tmp_path / "a.zip", {"good": "1", info: "/etc/passwd"})
    with pytest.raises(UserError, match="'evil' is a link or a device"):
        unpack(archive, target)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_truncated_archive_is_one_line(tmp_path, target, write):
    archive = write(tmp_path / "archive", {f"{number}": "some text" * number for number in range(100)})
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(UserError, match="archive: damaged"):
        unpack(archive, target)


def test_garbled_member_of_a_zip_is_one_line(tmp_path, target):
    archive = write_zip(tmp_path / "a.zip", {"one": "some text" * 100})
    content = bytearray(archive.read_bytes())
    content[35:40] = b"\xff" * 5
    archive.write_bytes(content)
    with pytest.raises(UserError, match="a.zip: damaged"):
        unpack(archive, target)


def test_file_that_is_no_archive_is_one_line(tmp_path, target):
    (tmp_path / "a.tar.gz").write_text("<html>")
    with pytest.raises(UserError, match="no tar or zip archive"):
        unpack(tmp_path / "a.tar.gz", target)


def test_disk_is_checked_for_what_the_archive_holds(tmp_path, target, monkeypatch):
    archive = write_tar(tmp_path / "a.tar.gz", {"one": "1" * 1_000_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(1, 1, 999_999))
    with pytest.raises(UserError, match="unpacking a.tar.gz takes 1.0 MB, and the disk has 1000.0 kB free"):
        unpack(archive, target)
    assert list(target.iterdir()) == []


def test_folder_is_copied_with_private_modes(tmp_path, target):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/one").write_text("1")
    (tmp_path / "a/b/one").chmod(0o666)
    copy(tmp_path / "a", target)
    assert (target / "a/b/one").read_text() == "1"
    assert stat.S_IMODE((target / "a/b/one").stat().st_mode) == 0o644


def test_folders_are_made_private_and_existing_ones_left_alone(tmp_path):
    tmp_path.chmod(0o775)
    make_folder(tmp_path / "a/b")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o775


@pytest.mark.parametrize("size, text", [(15_203_364_040, "15.2 GB"), (172_080, "172.1 kB"), (999, "999 bytes")])
def test_sizes_are_readable(size, text):
    assert readable(size) == text
