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


def one_line(error) -> str:
    return " ".join(str(error.value).split())


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_text(path, "old")
    with replaced_on_success(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(error), replaced_on_success(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError(13, "Permission denied", ".a.x3f")])
def test_what_the_system_refuses_bears_the_name_of_the_file(tmp_path, error):
    path = tmp_path / "a.txt"
    with pytest.raises(OSError) as raised, replaced_on_success(path):
        raise error
    assert (raised.value.errno, raised.value.strerror, raised.value.filename) == (*error.args[:2], str(path))
    path.mkdir()
    with pytest.raises(IsADirectoryError) as raised:
        write_text(path, "")
    assert raised.value.filename == str(path)


def test_written_files_may_be_read_by_others(tmp_path):
    write_text(tmp_path / "a.txt", "")
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o644


def test_json_and_arrays_come_back_as_they_were_written(tmp_path):
    write_json(tmp_path / "a.json", {"accuracy": 0.5, "name": "ł"})
    assert read_json(tmp_path / "a.json", "metrics", "") == {"accuracy": 0.5, "name": "ł"}
    write_arrays(tmp_path / "a.npz", ids=np.array(["a", "bc"]), labels=np.arange(2), more=np.zeros(1))
    arrays = read_arrays(tmp_path / "a.npz", ["labels", "ids"], "predictions", "")
    assert list(arrays) == ["labels", "ids"]
    assert arrays["ids"].tolist() == ["a", "bc"]
    assert arrays["labels"].tolist() == [0, 1]


@pytest.mark.parametrize("read", [read_text, read_json, read_yaml])
def test_a_missing_file_gets_one_line_with_the_remedy(tmp_path, read):
    with pytest.raises(UserError) as error:
        read(tmp_path / "a", "config", "write it")
    assert str(error.value) == f"{tmp_path / 'a'}: no such config; write it"


def test_text_that_is_not_utf8_and_folders_are_refused(tmp_path):
    (tmp_path / "latin1").write_bytes(b"caf\xe9")
    with pytest.raises(UserError, match="latin1: config is no UTF-8 text .*at byte 3.*; write it$"):
        read_text(tmp_path / "latin1", "config", "write it")
    with pytest.raises(UserError, match=r"config cannot be read \(Is a directory\); write it$"):
        read_text(tmp_path, "config", "write it")


def test_malformed_json_and_yaml_name_the_place(tmp_path):
    path = tmp_path / "a"
    path.write_text('{"a": 1,\n "b": }')
    with pytest.raises(UserError) as error:
        read_json(path, "metrics", "evaluate again")
    assert one_line(error) == (
        f"{path}: metrics is not valid JSON (Expecting value: line 2 column 7 (char 15)); evaluate again"
    )
    path.write_text("a: 1\nb: [1,\n")
    with pytest.raises(UserError, match="config is not valid YAML") as error:
        read_yaml(path, "config", "mend it")
    assert "line 3" in one_line(error)
    assert one_line(error).endswith("; mend it")


def test_missing_arrays_are_named(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(UserError, match="no such predictions; predict first"):
        read_arrays(path, ["ids"], "predictions", "predict first")
    write_arrays(path, ids=np.array(["a"]))
    with pytest.raises(UserError) as error:
        read_arrays(path, ["ids", "labels"], "predictions", "predict again")
    assert str(error.value) == f"{path}: predictions lacks the array labels; predict again"


def test_damaged_arrays_get_one_line_wherever_the_damage_is(tmp_path):
    path = tmp_path / "a.npz"
    write_arrays(path, ids=np.array(["a", "b"]), labels=np.arange(50))
    whole = path.read_bytes()
    cut = [whole[:length] for length in range(0, len(whole), 7)]
    garbled = [whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :] for place in range(len(whole))]
    refused = 0
    for content in cut + garbled:
        path.write_bytes(content)
        try:
            read_arrays(path, ["ids", "labels"], "predictions", "predict again")
        except UserError:
            refused += 1
    assert refused > len(cut) + len(garbled) / 2  # The zip format holds bytes that nobody reads.


def test_a_plain_array_or_pickle_is_no_npz(tmp_path):
    path = tmp_path / "a.npz"
    for array in (np.arange(3), np.array([{}], object)):
        with path.open("wb") as file:
            np.save(file, array)
        with pytest.raises(UserError, match="predictions is damaged"):
            read_arrays(path, ["ids"], "predictions", "")


def test_an_opened_array_is_memory_mapped_and_cannot_be_changed(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    array = open_array(tmp_path / "a.npy", "cached array", "")
    assert isinstance(array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_a_missing_or_cut_array_gets_one_line(tmp_path):
    path = tmp_path / "a.npy"
    with pytest.raises(UserError, match="a.npy: cached array is damaged .*; make it anew"):
        open_array(path, "cached array", "make it anew")
    np.save(path, np.arange(3))
    whole = path.read_bytes()
    for length in (0, 5, 50, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="cached array is damaged"):
            open_array(path, "cached array", "")


def test_a_file_s_lines_come_with_a_bar_of_its_bytes(tmp_path, capsys):
    path = tmp_path / "a.txt"
    path.write_bytes("é\r\nb\nc".encode())
    assert list(lines_with_progress(path, "reading")) == ["é\n", "b\n", "c"]
    assert list(lines_with_progress(path, "reading", newline="\n")) == ["é\r\n", "b\n", "c"]
    assert "reading: " in capsys.readouterr().err
