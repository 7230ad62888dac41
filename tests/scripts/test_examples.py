"""Runs the examples in the docstrings of `scripts.evaluation`."""

import doctest
from importlib import import_module

import numpy as np
import pytest


@pytest.mark.parametrize(
    "name",
    ["items", "metrics.detection", "metrics.orders", "metrics.relations", "metrics.trials"],
)
def test_examples_in_docstrings(name):
    module = import_module(f"scripts.evaluation.{name}")
    failed, tried = doctest.testmod(module, extraglobs={"np": np})
    assert tried > 0 and failed == 0
