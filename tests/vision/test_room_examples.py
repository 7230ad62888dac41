"""The examples in the docstrings of vision.scenes, vision.weights and vision.relation_networks."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

MODULES = (
    "vision.relation_networks.layout",
    "vision.scenes.features",
    "vision.scenes.network",
    "vision.weights.layout",
    "vision.weights.params",
    "vision.weights.report",
    "vision.weights.unpickle",
)


@pytest.mark.parametrize("module", MODULES)
def test_examples_print_what_they_show(module, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    results = doctest.testmod(import_module(module), optionflags=doctest.ELLIPSIS)
    assert results.attempted > 0 and results.failed == 0
