"""The command `python -m data.mini`: bytes, existing files, interruptions."""

import json
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest

from data.common.errors import UserError, run_command
from data.mini import images, mit67, visual_genome, write
from data.mini.__main__ import main
from data.mini.documents import write_documents
from data.mini.images import write_images
from data.mini.mit67 import write_mit67
from data.mini.visual_genome import write_visual_genome
from data.mini.write import DOCUMENTS, IMAGES, MIT67, PIECES, STAMP, VISUAL_GENOME, write_miniature

# Output of version 1 with seed 0 on every machine and Python. Other bytes require another `write.VERSION`.
VERSION = 1
CHECKSUMS = {
    "VOCdevkit": "d520dab24b4ca09e2efe9d82863403dae69c2e6ee8ddd5ce4dce4a0fdd9035d2",
    "coco": "5f486cc06023adfd452876d9c2383d3aba4bace4e428ac2c64475aadeeb48a85",
    "visual_genome": "b06165990568dda2321fc506670936f0e6c1a55959f27449b56bea4d1a72a477",
    "mit67": "8cd132da4198644bf0e0e6a90da638ab170ac77df0650aeecc1ad12673dbdf8b",
    "20news-bydate-train": "5b830f9f5c7058fe1eef2b3a350310305347082416bd4d239b4f1fce1f89f581",
    "20news-bydate-test": "a2ae368face1864a83a7de1ee0ad947d140a9fd5bf00f6e75075b95a1867237b",
    "yahoo_answers_csv": "fbdc09e258cbd004282b11bbb9d89fe650da1c823bacb76c7c6cc36698037b56",
    "lexicon.tsv": "11e499f9b3af601beeb6caf1c9c01dfcf9e7f9ec4a5b4ae307753264cedf47f2",
}


@pytest.fixture
def tiny(monkeypatch) -> None:
    """Reduces each piece to a few bytes."""

    def write_pieces(names: tuple[str, ...], folder: Path, seed: int) -> None:
        for name in names:
            (folder / name).mkdir(parents=True)
            (folder / name / "file").write_text(f"{name} {seed}")

    def write_tiny_documents(folder: Path, seed: int) -> None:
        write_pieces(DOCUMENTS[:-1], folder, seed)
        (folder / DOCUMENTS[-1]).write_text(f"{seed}")

    monkeypatch.setattr(write, "write_images", partial(write_pieces, IMAGES))
    monkeypatch.setattr(write, "write_visual_genome", partial(write_pieces, (VISUAL_GENOME,)))
    monkeypatch.setattr(write, "write_mit67", partial(write_pieces, (MIT67,)))
    monkeypatch.setattr(write, "write_documents", write_tiny_documents)


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_bytes_of_version_1_are_unchanged(tmp_path):
    write_miniature(tmp_path, seed=0)
    assert json.loads((tmp_path / STAMP).read_text()) == {"version": VERSION, "seed": 0, **CHECKSUMS}


@pytest.mark.parametrize("write_pieces", [write_images, write_visual_genome, write_mit67, write_documents])
def test_bytes_depend_only_on_the_seed(tmp_path, monkeypatch, write_pieces):
    monkeypatch.setattr(images, "VOC_IMAGES", {"trainval": 2, "test": 1})
    monkeypatch.setattr(images, "COCO_IMAGES", 3)
    monkeypatch.setattr(images, "COCO_MINIVAL", 1)
    monkeypatch.setattr(visual_genome, "IMAGES", {"train": 2, "test": 1})
    monkeypatch.setattr(mit67, "PER_CLASS", {"train": 1, "test": 1})
    for name, seed in (("first", 0), ("second", 0), ("other", 1)):
        write_pieces(tmp_path / name, seed)
    first, second, other = (contents(tmp_path / name) for name in ("first", "second", "other"))

    assert second == first and other != first
    assert other.keys() == first.keys()


def test_complete_miniature_is_not_written_again(tiny, tmp_path):
    assert write_miniature(tmp_path, seed=0) is True
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    assert write_miniature(tmp_path, seed=0) is False
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_other_seeds_and_versions_are_replaced(tiny, tmp_path, monkeypatch):
    write_miniature(tmp_path, seed=0)
    (tmp_path / "notes.txt").write_text("mine")

    assert write_miniature(tmp_path, seed=1) is True
    assert (tmp_path / "lexicon.tsv").read_text() == "1"
    monkeypatch.setattr(write, "VERSION", 2)
    assert write_miniature(tmp_path, seed=1) is True
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*PIECES, STAMP, "notes.txt"])


@pytest.mark.parametrize("missing, in_stamp", [(IMAGES, False), ((VISUAL_GENOME, MIT67), False), (DOCUMENTS[:1], True)])
def test_missing_pieces_are_added_and_others_kept(tiny, tmp_path, missing, in_stamp):
    write_miniature(tmp_path, seed=0)
    stamp = json.loads((tmp_path / STAMP).read_text())
    for name in missing:
        shutil.rmtree(tmp_path / name)
        if not in_stamp:  # As written by older versions, which had fewer pieces.
            stamp.pop(name)
    (tmp_path / STAMP).write_text(json.dumps(stamp))
    before = {name: (tmp_path / name).stat().st_ino for name in PIECES if name not in missing}

    assert write_miniature(tmp_path, seed=0) is True
    assert {path.name for path in tmp_path.iterdir()} == {*PIECES, STAMP}
    assert {name: (tmp_path / name).stat().st_ino for name in before} == before


@pytest.mark.parametrize("moves", range(2 * len(PIECES)))
def test_interruption_at_any_move_can_be_resumed(tiny, tmp_path, monkeypatch, moves):
    write_miniature(tmp_path, seed=0)
    rename, made = Path.rename, []

    def interrupted(path: Path, target: Path):
        if len(made) == moves:
            raise KeyboardInterrupt
        made.append(target)
        return rename(path, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", interrupted)
        write_miniature(tmp_path, seed=1)
    write_miniature(tmp_path, seed=1)

    assert {path.name for path in tmp_path.iterdir()} == {*PIECES, STAMP}
    assert (tmp_path / "20news-bydate-test/file").read_text() == "20news-bydate-test 1"
    assert (tmp_path / "lexicon.tsv").read_text() == "1"


@pytest.mark.parametrize("change", ["edit", "add", "remove", "real data"])
def test_changed_pieces_are_refused_and_kept(tiny, tmp_path, change):
    write_miniature(tmp_path, seed=0)
    folder = tmp_path / "yahoo_answers_csv"
    if change == "edit":
        (folder / "file").write_text("cut")
    elif change == "add":
        (folder / "notes.txt").write_text("mine")
    elif change == "remove":
        (folder / "file").unlink()
    else:
        (tmp_path / STAMP).unlink()
        for name in set(PIECES) - {folder.name, DOCUMENTS[-1]}:
            shutil.rmtree(tmp_path / name)
    before = contents(tmp_path)

    for seed in (0, 1):
        with pytest.raises(UserError, match="yahoo_answers_csv: "):
            write_miniature(tmp_path, seed)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("stamp", ["[]", "{"])
def test_malformed_stamp_is_refused(tmp_path, stamp):
    (tmp_path / STAMP).write_text(stamp)

    with pytest.raises(UserError, match="mini.json: "):
        write_miniature(tmp_path, seed=0)


def test_command_line_writes_the_given_seed(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mini", "--out", str(tmp_path), "--seed", "3"])
    run_command(main)
    run_command(main)

    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{tmp_path}: ") and second.startswith(f"{tmp_path}: ") and first != second
    assert json.loads((tmp_path / STAMP).read_text())["seed"] == 3


@pytest.mark.parametrize("option, value", [("--out", __file__), ("--seed", "-1")])
def test_wrong_arguments_give_exit_code_2(tiny, monkeypatch, capsys, option, value):
    monkeypatch.setattr(sys, "argv", ["mini", option, value])

    with pytest.raises(SystemExit) as stop:
        run_command(main)
    assert stop.value.code == 2
    assert value in capsys.readouterr().err.splitlines()[-1]
