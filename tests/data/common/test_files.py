import numpy as np
import pytest

from data.common.errors import UserError
from data.common.files import (
    lines_with_progress,
    open_array,
    read_arrays,
    read_json,
    read_text,
    read_yaml,
    replaced_on_success,
    write_arrays,
    write_json,
    write_text,
)


def test_files_are_replaced_atomically(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_text(path, "old")
    assert path.stat().st_mode & 0o777 == 0o644
    with replaced_on_success(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failed_writes_keep_the_old_file_and_leave_no_other(tmp_path, error):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(error), replaced_on_success(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError(13, "Permission denied", ".a.x3f")])
def test_system_errors_have_the_name_of_the_file(tmp_path, error):
    path = tmp_path / "a.txt"
    with pytest.raises(OSError) as raised, replaced_on_success(path):
        raise error
    assert (raised.value.errno, raised.value.strerror, raised.value.filename) == (*error.args[:2], str(path))
    path.mkdir()
    with pytest.raises(IsADirectoryError) as raised:
        write_text(path, "")
    assert raised.value.filename == str(path)


def test_json_and_arrays_are_read_back(tmp_path):
    write_json(tmp_path / "a.json", {"accuracy": 0.5, "name": "ł"})
    assert read_json(tmp_path / "a.json", "metrics", "") == {"accuracy": 0.5, "name": "ł"}
    write_arrays(tmp_path / "a.npz", ids=np.array(["a", "bc"]), labels=np.arange(2), more=np.zeros(1))
    arrays = read_arrays(tmp_path / "a.npz", ["labels", "ids"], "predictions", "")
    assert {name: values.tolist() for name, values in arrays.items()} == {"labels": [0, 1], "ids": ["a", "bc"]}


@pytest.mark.parametrize(
    ("read", "content", "places"),
    [
        (read_text, None, []),
        (read_json, None, []),
        (read_yaml, None, []),
        (read_text, b"caf\xe9", ["byte 3"]),
        (read_json, b'{"a": 1,\n "b": }', ["line 2 column 7"]),
        (read_yaml, b"a: 1\nb: [1,\n", ["line 3"]),
    ],
)
def test_missing_and_malformed_files_are_named(tmp_path, read, content, places):
    path = tmp_path / "a"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read(path, "config", "fix it")
    message = str(error.value)
    assert message.startswith(f"{path}: ") and "config" in message and message.endswith("; fix it")
    assert all(place in message for place in places)


def test_folders_are_not_read_as_text(tmp_path):
    with pytest.raises(UserError, match=r"config cannot be read \(Is a directory\); fix it$"):
        read_text(tmp_path, "config", "fix it")


def test_missing_arrays_are_named(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(UserError, match="a.npz: .*; predict first"):
        read_arrays(path, ["ids"], "predictions", "predict first")
    write_arrays(path, ids=np.array(["a"]))
    with pytest.raises(UserError, match="a.npz: .* labels; predict again"):
        read_arrays(path, ["ids", "labels"], "predictions", "predict again")


def test_damage_anywhere_in_an_archive_is_a_user_error(tmp_path):
    path = tmp_path / "a.npz"
    write_arrays(path, ids=np.array(["a", "b"]), labels=np.arange(50))
    whole = path.read_bytes()
    cut = [whole[:length] for length in range(0, len(whole), 7)]
    corrupt = [whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :] for place in range(len(whole))]
    refused = 0
    for content in cut + corrupt:
        path.write_bytes(content)
        try:
            read_arrays(path, ["ids", "labels"], "predictions", "predict again")
        except UserError:
            refused += 1
    assert refused > len(cut) + len(corrupt) / 2  # Some bytes of a zip archive are never read.


def test_plain_arrays_and_pickles_are_not_archives(tmp_path):
    path = tmp_path / "a.npz"
    for array in (np.arange(3), np.array([{}], object)):
        with path.open("wb") as file:
            np.save(file, array)
        with pytest.raises(UserError, match="predictions is damaged"):
            read_arrays(path, ["ids"], "predictions", "")


def test_open_array_is_memory_mapped_and_read_only(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    array = open_array(tmp_path / "a.npy", "cached array", "")
    assert isinstance(array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_open_array_refuses_missing_and_truncated_files(tmp_path):
    path = tmp_path / "a.npy"
    with pytest.raises(UserError, match="a.npy: .*; rerun"):
        open_array(path, "cached array", "rerun")
    np.save(path, np.arange(3))
    whole = path.read_bytes()
    for length in (0, 5, 50, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="cached array is damaged"):
            open_array(path, "cached array", "")


def test_lines_with_progress_reads_all_lines(tmp_path, capsys):
    path = tmp_path / "a.txt"
    path.write_bytes("é\r\nb\nc".encode())
    assert list(lines_with_progress(path, "reading")) == ["é\n", "b\n", "c"]
    assert list(lines_with_progress(path, "reading", newline="\n")) == ["é\r\n", "b\n", "c"]
    assert "reading: " in capsys.readouterr().err
