"""The examples in the docstrings of vision run and print what they say."""

import doctest
from importlib import import_module
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd

from data.common.config import read_config
from vision.config import Config
from vision.models.detector import build_detector

ROOT = Path(__file__).parents[2]
NAMES = {"mx": mx, "nd": nd, "np": np}
OF_CRITERION = {"Path": Path, "read_config": read_config, "Config": Config, "build_detector": build_detector}
EXAMPLES = {
    "data.images.relations": 1,
    "vision.center_mass": 2,
    "vision.criterion": 3,
    "vision.masking": 3,
    "vision.models.anchors": 1,
    "vision.models.attention": 1,
    "vision.models.backbone": 1,
    "vision.models.boxes": 4,
    "vision.models.detector": 1,
    "vision.models.relation_module": 2,
    "vision.models.rpn": 1,
    "vision.postprocess": 2,
    "vision.proposals": 1,
    "vision.targets": 3,
    "vision.transforms": 1,
}


@pytest.mark.parametrize("module", EXAMPLES)
def test_examples_print_what_they_say(module, monkeypatch):
    monkeypatch.chdir(ROOT)
    found = doctest.DocTestFinder().find(import_module(module), extraglobs=NAMES | OF_CRITERION)
    tests = [each for each in found if each.examples]
    assert len(tests) == EXAMPLES[module]
    for test in tests:
        assert doctest.DocTestRunner().run(test).failed == 0, test.name
