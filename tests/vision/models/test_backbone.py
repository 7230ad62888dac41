"""The backbone against GluonCV's networks, and its frozen layers."""

import mxnet as mx
import numpy as np
import pytest
from gluoncv.model_zoo import get_model
from mxnet import nd

from vision.models.backbone import CHANNELS, FEATURES, Backbone
from vision.weights.layout import empty_backbone


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """GluonCV's ResNet-18 and ResNet-50 with random weights and statistics, and their files."""
    mx.random.seed(0)
    made = {}
    for name in ("resnet18", "resnet50"):
        network = get_model(f"{name}_v1")
        network.initialize(mx.init.Xavier(magnitude=1))
        network(nd.zeros((1, 3, 32, 32)))
        for key, parameter in network.collect_params().items():
            if key.endswith(("running_mean", "bias", "beta")):
                parameter.set_data(nd.random.normal(0, 0.1, parameter.shape))
        path = tmp_path_factory.mktemp(name) / f"{name}.params"
        network.save_parameters(str(path))
        made[name] = network, path
    return made


@pytest.mark.parametrize("stride_in", FEATURES)
@pytest.mark.parametrize("name", CHANNELS)
def test_conv4_and_conv5_have_stride_16_at_the_papers_size(name, stride_in):
    if stride_in == "3x3" and name in ("resnet10", "resnet18"):
        pytest.skip("has no bottlenecks")
    outputs = mx.sym.Group(Backbone(name, frozen_norm=True, stride_in=stride_in)(mx.sym.var("images")))
    _, shapes, _ = outputs.infer_shape(images=(2, 3, 600, 1000))
    assert shapes == [(2, channels, 38, 63) for channels in CHANNELS[name]]


def test_the_stride_is_in_the_chosen_place_and_in_names():
    for stride_in, strided in (("1x1", 0), ("3x3", 3)):
        backbone = empty_backbone("resnet50_thin", stride_in=stride_in)
        for stage in backbone.layers[5:7]:
            strides = {index: stage[0].body[index]._kwargs["stride"] for index in (0, 3, 6)}
            assert strides == {0: (1, 1), 3: (1, 1), 6: (1, 1), strided: (2, 2)}
        assert {name.partition(".")[0] for name in backbone._collect_params_with_prefix()} == {FEATURES[stride_in]}


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_dilation_keeps_the_values_of_the_strided_stage(networks, name):
    network, path = networks[name]
    backbone = Backbone(name, frozen_norm=True)
    backbone.load_parameters(str(path), ignore_extra=True)
    images = nd.random.normal(shape=(1, 3, 64, 96))
    conv4, conv5 = backbone(images)
    for layer in list(network.features)[:-1]:
        images = layer(images)
    assert conv5.shape[2:] == conv4.shape[2:] == (4, 6)
    np.testing.assert_allclose(conv5[:, :, ::2, ::2].asnumpy(), images.asnumpy(), rtol=1e-4, atol=1e-4)


def test_conv1_res2_and_all_norms_are_frozen(networks):
    backbone = empty_backbone("resnet50")
    backbone.freeze()
    learns = {
        name for name, parameter in backbone._collect_params_with_prefix().items() if parameter.grad_req != "null"
    }
    assert {name.split(".")[1] for name in learns} == {"5", "6", "7"}  # res3 to res5
    assert {name.rpartition(".")[2] for name in learns} == {"weight"}


def test_only_frozen_norms_keep_their_statistics():
    images = nd.random.normal(shape=(2, 3, 32, 32))
    changes = []
    for frozen_norm in (True, False):
        backbone = Backbone("resnet18", frozen_norm)
        backbone.initialize()
        with mx.autograd.record():
            conv5 = backbone(images)[1]
        conv5.backward()  # updates the statistics
        mx.nd.waitall()
        changes.append(abs(backbone.features[1].running_mean.data().asnumpy()).max())
    assert changes[0] == 0
    assert changes[1] > 0
