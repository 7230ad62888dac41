"""The examples in docstrings of `data.common`, `data.images` and `data.records` run as shown."""

import doctest
from importlib import import_module

import pytest

MODULES = (
    "data.common.config",
    "data.common.options",
    "data.images.annotations",
    "data.images.boxes",
    "data.images.proposals",
    "data.images.relations",
    "data.images.subset",
    "data.records",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run_as_shown(name):
    results = doctest.testmod(import_module(name))
    assert results.attempted and not results.failed
