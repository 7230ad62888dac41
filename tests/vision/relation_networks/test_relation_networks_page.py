"""vision/relation_networks/README.md keeps its word: the tests and config keys that it names are there."""

import re
from pathlib import Path
from typing import get_type_hints

import pytest

from data.common.config import read_config
from vision.config import Config

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "vision" / "relation_networks" / "README.md").read_text()
TESTS = {
    name
    for path in (ROOT / "tests").glob("*/test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
}
SECTIONS = "images|model|relation_loss|training|detection"
KEYS = re.findall(rf"`((?:{SECTIONS})\.\w+)(?:: ([\w.]+))?`", PAGE)


def rows_of(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its header."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")][2:]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+…?)`", PAGE))))
def test_a_test_that_is_named_is_there(name):
    if name.endswith("…"):
        assert [each for each in TESTS if each.startswith(name[:-1])]
    else:
        assert name in TESTS


def test_every_claim_of_sameness_names_its_test():
    rows = rows_of("Same")
    assert len(rows) > 20
    assert [row[0] for row in rows if "`test_" not in row[2]] == []


# Keys that only some variants may change.
CONFIG_OF = {"relation_modules": "rn.yaml", "linear_out": "fan-sup-linear.yaml"}


@pytest.mark.parametrize(("key", "value"), sorted(set(KEYS)))
def test_a_config_key_that_is_named_is_there_and_takes_its_value(key, value):
    section, name = key.split(".")
    assert name in get_type_hints(get_type_hints(Config)[section])
    if value:
        config = ROOT / "vision/configs/paper/minicoco" / CONFIG_OF.get(name, "base.yaml")
        found = getattr(getattr(read_config(Config, config, [f"{key}={value}"]), section), name)
        assert str(found).lower() == value


def test_what_restores_a_difference_is_among_the_keys():
    keys = {key for key, _ in KEYS}
    assert {"model.pool1", "model.pretrained", "model.relation_modules", "training.append_objects"} <= keys


@pytest.mark.parametrize("path", sorted(set(re.findall(r"(?:vision|scripts|tests)/[\w/-]+\.(?:py|sh|yaml)", PAGE))))
def test_a_file_that_is_named_is_there(path):
    assert (ROOT / path).is_file()
