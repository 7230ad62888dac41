"""The convolutions against GluonCV's own network, and what of them learns."""

import mxnet as mx
import numpy as np
import pytest
from gluoncv.model_zoo import get_model
from mxnet import nd

from data.errors import UserError
from vision import backbone as module
from vision.backbone import GLUONCV_MEANS, GLUONCV_STDS, PIXEL_MEANS, Backbone, load_imagenet_weights


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """GluonCV's ResNet-18 and ResNet-50 with random weights and statistics, and the files that hold them."""
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


def initialised(name):
    backbone = Backbone(name, frozen_norm=True)
    backbone.initialize()
    backbone(nd.zeros((1, 3, 32, 32)))
    return backbone


@pytest.mark.parametrize(("name", "channels"), [("resnet18", (256, 512)), ("resnet101", (1024, 2048))])
def test_conv4_and_conv5_have_stride_16_at_the_papers_size(name, channels):
    outputs = mx.sym.Group(Backbone(name, frozen_norm=True)(mx.sym.var("images")))
    _, shapes, _ = outputs.infer_shape(images=(2, 3, 600, 1000))
    assert shapes == [(2, channels[0], 38, 63), (2, channels[1], 38, 63)]


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


def test_imagenet_weights_take_images_that_are_not_scaled(networks):
    network, path = networks["resnet18"]
    backbone = initialised("resnet18")
    load_imagenet_weights(backbone, "resnet18", str(path))
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 64)).astype(np.float32)
    scaled, ours = (
        nd.array((pixels - np.reshape(means, (1, 3, 1, 1))) / np.reshape(stds, (1, 3, 1, 1)))
        for means, stds in ((GLUONCV_MEANS, GLUONCV_STDS), (PIXEL_MEANS, (1, 1, 1)))
    )
    outputs = [
        blocks.features[1](blocks.features[0](images)).asnumpy()
        for blocks, images in ((network, scaled), (backbone, ours))
    ]
    inner = np.s_[:, :, 2:-2, 2:-2]  # Nearer to the edge, conv1 sees padding.
    np.testing.assert_allclose(outputs[0][inner], outputs[1][inner], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(outputs[0], outputs[1], atol=0.01)


def test_conv1_res2_and_all_norms_are_frozen(networks):
    backbone = initialised("resnet50")
    backbone.freeze()
    learns = {
        name for name, parameter in backbone._collect_params_with_prefix().items() if parameter.grad_req != "null"
    }
    assert {name.split(".")[1] for name in learns} == {"5", "6", "7"}  # res3 to res5
    assert {name.rpartition(".")[2] for name in learns} == {"weight"}


def test_frozen_norms_keep_their_statistics_in_training_and_others_do_not():
    images = nd.random.normal(shape=(2, 3, 32, 32))
    changes = []
    for frozen_norm in (True, False):
        backbone = Backbone("resnet18", frozen_norm)
        backbone.initialize()
        with mx.autograd.record():
            conv5 = backbone(images)[1]
        conv5.backward()  # MXNet moves the statistics then.
        mx.nd.waitall()
        changes.append(abs(backbone.features[1].running_mean.data().asnumpy()).max())
    assert changes[0] == 0
    assert changes[1] > 0


def test_a_file_of_another_network_is_refused(networks):
    with pytest.raises(UserError, match="resnet50.params: not the weights of GluonCV's resnet18_v1"):
        load_imagenet_weights(initialised("resnet18"), "resnet18", str(networks["resnet50"][1]))


def test_a_file_that_is_absent_or_damaged_is_refused(tmp_path):
    with pytest.raises(UserError, match="gone.params: no such file of weights"):
        load_imagenet_weights(initialised("resnet18"), "resnet18", str(tmp_path / "gone.params"))
    (tmp_path / "cut.params").write_bytes(b"cut")
    with pytest.raises(UserError, match="cut.params: not the weights"):
        load_imagenet_weights(initialised("resnet18"), "resnet18", str(tmp_path / "cut.params"))


def test_without_a_network_connection_a_user_is_told_of_the_file(monkeypatch):
    def unreachable(name):
        raise RuntimeError(f"Failed downloading url of {name}")

    monkeypatch.setattr(module, "get_model_file", unreachable)
    with pytest.raises(UserError, match="resnet18_v1.*cannot be reached.*model.pretrained"):
        load_imagenet_weights(initialised("resnet18"), "resnet18", "imagenet")
