"""Each format against a float64 evaluation of the network in the conventions of its publisher."""

import json

import numpy as np
import pytest
from mxnet import nd

from tests.resnet_reference import evaluate
from tests.weight_formats import FORMATS
from vision.models.backbone import PIXEL_MEANS
from vision.weights.files import convert_file
from vision.weights.layout import empty_backbone
from vision.weights.pretrained import load_pretrained


def outputs(weights, name):
    """conv4 and conv5 of a backbone with converted weights, and the image."""
    provenance = json.loads(weights.with_suffix(".json").read_text())
    backbone = empty_backbone(name, provenance["pool1"], provenance["stride_in"])
    backbone.initialize()
    load_pretrained(backbone, weights)
    pixels = np.random.default_rng(1).integers(0, 256, (3, 64, 96)).astype(np.float64)
    images = nd.array((pixels - np.reshape(PIXEL_MEANS, (3, 1, 1)))[None])
    return [output[0].asnumpy() for output in backbone(images)], pixels


def relative_differences(found, expected):
    """Largest difference / largest value of conv4, and of every second cell of conv5, which has stride 16 here."""
    conv4, conv5 = found
    return [
        abs(one - two).max() / abs(two).max() for one, two in zip((conv4, conv5[:, ::2, ::2]), expected, strict=True)
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_converted_networks_equal_the_float64_evaluation(name, narrow, tmp_path, record_property):
    network = FORMATS[name](tmp_path / "source")
    convert_file(tmp_path / "source", "resnet50", tmp_path / "out.params")
    found, pixels = outputs(tmp_path / "out.params", "resnet50")
    exact = relative_differences(found, evaluate(network, pixels, outside=PIXEL_MEANS))
    published = relative_differences(found, evaluate(network, pixels))
    print(name, exact, published)
    assert max(exact) < 2e-5
    assert max(published) < 0.02  # Their padding is of another color, by at most 1.1 of 255.
