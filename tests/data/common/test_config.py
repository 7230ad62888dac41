from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from data.common.config import read_config, write_config
from data.common.errors import UserError

TEXT = """\
name: a
rate: 0.5
sizes:
  words: 30
  rule: semantic
  sorted: true
"""


@dataclass(frozen=True)
class Sizes:
    words: int
    rule: Literal["semantic", "none"]
    sorted: bool

    def __post_init__(self) -> None:
        if self.words < 1:
            raise ValueError(f"words is {self.words}; it must be at least 1")


@dataclass(frozen=True)
class Config:
    name: str
    rate: float
    sizes: Sizes


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "a.yaml"
    path.write_text(TEXT)
    return path


def refusal(path: Path, overrides: list[str] | None = None) -> str:
    with pytest.raises(UserError) as error:
        read_config(Config, path, overrides)
    return " ".join(str(error.value).split())


def test_sections_become_nested_dataclasses(path):
    assert read_config(Config, path) == Config("a", 0.5, Sizes(30, "semantic", True))


def test_what_is_written_is_read_again(path):
    config = Config(
        "Łódź: a # b, and a name that is far longer than a line of YAML " * 3, 1e-5, Sizes(1, "none", False)
    )
    path.write_text(write_config(config))
    assert read_config(Config, path) == config


def test_keys_are_written_in_the_order_of_the_fields():
    assert write_config(Config("a", 0.5, Sizes(30, "semantic", True))) == TEXT


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(path):
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert read_config(Config, path).sizes.words == 30


def test_an_integer_does_for_a_float(path):
    path.write_text(TEXT.replace("0.5", "2"))
    rate = read_config(Config, path).rate
    assert rate == 2.0
    assert type(rate) is float


@dataclass(frozen=True)
class LaterSizes(Sizes):
    stride: int = 2


@dataclass(frozen=True)
class LaterConfig:
    name: str
    rate: float
    sizes: LaterSizes
    layers: Literal["some", "all"] = "all"
    names: tuple[str, ...] = ()


def test_a_key_with_a_default_may_be_left_out_and_is_written_where_it_differs(path):
    config = read_config(LaterConfig, path)
    assert config == LaterConfig("a", 0.5, LaterSizes(30, "semantic", True, 2), "all")
    assert write_config(config) == TEXT
    changed = read_config(LaterConfig, path, ["sizes.stride=3", "layers=some"])
    assert write_config(changed) == TEXT + "  stride: 3\nlayers: some\n"
    path.write_text(write_config(changed))
    assert read_config(LaterConfig, path) == changed


def test_a_list_of_names_is_read_into_a_tuple_and_written_again(path):
    config = read_config(LaterConfig, path, ["names=[car, cat]"])
    assert config.names == ("car", "cat")
    assert write_config(config) == TEXT + "names:\n- car\n- cat\n"
    path.write_text(write_config(config))
    assert read_config(LaterConfig, path) == config


@pytest.mark.parametrize("value", ["car", "[1]", "[[car]]", "{car: 1}"])
def test_what_is_not_a_list_of_names_is_refused(path, value):
    with pytest.raises(UserError, match="names is .*; it must be a list of names"):
        read_config(LaterConfig, path, [f"names={value}"])


def test_a_key_with_a_default_is_checked_as_all_others(path):
    with pytest.raises(UserError, match="layers is 'none'; it must be one of some, all"):
        read_config(LaterConfig, path, ["layers=none"])
    path.write_text("[]")
    with pytest.raises(UserError, match="the file must hold the keys"):
        read_config(LaterConfig, path)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("name: a", "name: a\nnmae: b", "unknown key nmae; the file may hold name, rate, sizes"),
        ("  words", "  wrods: 1\n  words", "unknown key sizes.wrods; section sizes may hold words, rule, sorted"),
        ("name: a\n", "", "key name is missing; a config is complete, without defaults"),
        ("  words: 30\n", "", "key sizes.words is missing; a config is complete, without defaults"),
        ("name: a", "name: 1", "name is 1; it must be of type str"),
        ("name: a", "name:", "name is None; it must be of type str"),
        ("30", "30.0", "sizes.words is 30.0; it must be of type int"),
        ("30", "true", "sizes.words is True; it must be of type int"),
        ("true", "1", "sizes.sorted is 1; it must be of type bool"),
        ("0.5", "true", "rate is True; it must be of type float (YAML reads 1e-3 as text and 1.0e-3 as a number)"),
        ("0.5", "1e-3", "rate is '1e-3'; it must be of type float (YAML reads 1e-3 as text and 1.0e-3 as a number)"),
        ("rule: semantic", "rule: all", "sizes.rule is 'all'; it must be one of semantic, none"),
        ("rule: semantic", "rule: [semantic]", "sizes.rule is ['semantic']; it must be one of semantic, none"),
        ("words: 30", "words: 0", "sizes.words is 0; it must be at least 1"),
        (TEXT[TEXT.index("sizes") :], "sizes: 3", "section sizes must hold the keys words, rule, sorted"),
        (TEXT, "", "the file must hold the keys name, rate, sizes"),
        (TEXT, "- a", "the file must hold the keys name, rate, sizes"),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_its_name(path, old, new, line):
    path.write_text(TEXT.replace(old, new))
    assert refusal(path) == f"{path}: {line}"


def test_malformed_yaml_and_a_missing_file_are_refused(path):
    path.write_text("name: [")
    assert refusal(path).startswith(f"{path}: config is not valid YAML")
    path.unlink()
    assert refusal(path).startswith(f"{path}: no such config; the repository's configs lie in")


def test_overrides_replace_values_at_any_depth(path):
    config = read_config(Config, path, ["sizes.words=7", "sizes.rule=none", "rate=1", "name=a=b"])
    assert config == Config("a=b", 1.0, Sizes(7, "none", True))


@pytest.mark.parametrize("override", ["words=7", "sizes.wrods=7", "sizes", "", "sizes.words.more=1", "sides.words=7"])
def test_an_override_of_no_key_is_refused(path, override):
    assert refusal(path, [override]) == (
        f"--set {override}: no such key; give section.key=value with a key of the config file"
    )


def test_an_override_is_held_to_the_schema(path):
    assert refusal(path, ["sizes.words=many"]) == f"{path}: sizes.words is 'many'; it must be of type int"
    assert refusal(path, ["sizes=3"]) == f"{path}: section sizes must hold the keys words, rule, sorted"
    for value in ("[a", "2024-13-45"):
        assert refusal(path, [f"name={value}"]).startswith(f"--set name={value}: the value is not valid YAML (")
