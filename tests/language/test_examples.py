"""The examples in docstrings of `language` and `data.text` run as shown."""

import doctest
from importlib import import_module

import pytest

MODULES = (
    "language.attention",
    "language.bilstm",
    "language.center_mass",
    "language.han",
    "language.masking",
    "language.packed.han",
    "language.packed.lstm",
    "language.packed.packing",
    "language.targets",
    "data.text.newsgroups",
    "data.text.sentences",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run_as_shown(name):
    results = doctest.testmod(import_module(name))
    assert results.attempted and not results.failed
