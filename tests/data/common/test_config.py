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


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "a.yaml"
    path.write_text(TEXT)
    return path


def error_of(path: Path, overrides: list[str] | None = None, schema: type = Config) -> str:
    with pytest.raises(UserError) as error:
        read_config(schema, path, overrides)
    return str(error.value)


@pytest.mark.parametrize("encode", [str.encode, lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()])
def test_sections_become_nested_dataclasses(path, encode):
    path.write_bytes(encode(TEXT))
    config = read_config(Config, path)
    assert config == Config("a", 0.5, Sizes(30, "semantic", True))
    assert write_config(config) == TEXT


def test_written_configs_are_read_back(path):
    config = Config("Łódź: a # b, and a name that is longer than a line of YAML " * 3, 1e-5, Sizes(1, "none", False))
    path.write_text(write_config(config))
    assert read_config(Config, path) == config


def test_integers_are_accepted_as_floats(path):
    path.write_text(TEXT.replace("0.5", "2"))
    rate = read_config(Config, path).rate
    assert rate == 2.0
    assert type(rate) is float


def test_default_keys_are_optional_and_written_if_changed(path):
    config = read_config(LaterConfig, path)
    assert config == LaterConfig("a", 0.5, LaterSizes(30, "semantic", True, 2), "all", ())
    assert write_config(config) == TEXT
    changed = read_config(LaterConfig, path, ["sizes.stride=3", "layers=some", "names=[car, cat]"])
    assert changed.names == ("car", "cat")
    assert write_config(changed) == TEXT + "  stride: 3\nlayers: some\nnames:\n- car\n- cat\n"
    path.write_text(write_config(changed))
    assert read_config(LaterConfig, path) == changed


@pytest.mark.parametrize(
    ("key", "value"),
    [("layers", "none"), ("names", "car"), ("names", "[1]"), ("names", "[[car]]"), ("names", "{car: 1}")],
)
def test_keys_with_defaults_are_checked_like_others(path, key, value):
    assert error_of(path, [f"{key}={value}"], LaterConfig).startswith(f"{path}: {key} is ")


@pytest.mark.parametrize(
    ("old", "new", "start"),
    [
        ("name: a", "name: a\nnmae: b", "unknown key nmae;"),
        ("  words", "  wrods: 1\n  words", "unknown key sizes.wrods;"),
        ("name: a\n", "", "key name is missing;"),
        ("  words: 30\n", "", "key sizes.words is missing;"),
        ("name: a", "name: 1", "name is 1;"),
        ("name: a", "name:", "name is None;"),
        ("30", "30.0", "sizes.words is 30.0;"),
        ("30", "true", "sizes.words is True;"),
        ("true", "1", "sizes.sorted is 1;"),
        ("0.5", "true", "rate is True;"),
        ("0.5", "1e-3", "rate is '1e-3';"),
        ("rule: semantic", "rule: all", "sizes.rule is 'all';"),
        ("rule: semantic", "rule: [semantic]", "sizes.rule is ['semantic'];"),
        ("words: 30", "words: 0", "sizes.words is 0; it must be at least 1"),
        (TEXT[TEXT.index("sizes") :], "sizes: 3", "section sizes must have the keys words, rule, sorted"),
        (TEXT, "", "the file must have the keys name, rate, sizes"),
        (TEXT, "- a", "the file must have the keys name, rate, sizes"),
        (TEXT, "name: [", "config is not valid YAML"),
    ],
)
def test_errors_name_the_file_and_the_key(path, old, new, start):
    path.write_text(TEXT.replace(old, new))
    assert error_of(path).startswith(f"{path}: {start}")


def test_overrides_replace_values_at_any_depth(path):
    config = read_config(Config, path, ["sizes.words=7", "sizes.rule=none", "rate=1", "name=a=b"])
    assert config == Config("a=b", 1.0, Sizes(7, "none", True))


@pytest.mark.parametrize(
    "override",
    ["words=7", "sizes.wrods=7", "sizes", "", "sizes.words.more=1", "sides.words=7", "name=[a", "name=2024-13-45"],
)
def test_malformed_overrides_are_refused(path, override):
    assert error_of(path, [override]).startswith(f"--set {override}: ")


def test_overrides_are_checked_against_the_schema(path):
    assert error_of(path, ["sizes.words=many"]).startswith(f"{path}: sizes.words is 'many';")
    assert error_of(path, ["sizes=3"]).startswith(f"{path}: section sizes ")
