"""The examples in the docstrings of data.download and data.mini."""

import doctest
from importlib import import_module

import pytest

MODULES = (
    "data.download.data_set",
    "data.download.unpack",
    "data.download.verify",
    "data.mini.scenes",
    "data.mini.text",
)


@pytest.mark.parametrize("module", MODULES)
def test_examples_print_what_they_show(module):
    results = doctest.testmod(import_module(module))
    assert results.attempted > 0 and results.failed == 0
