"""Against real files and torchvision itself; skipped if they are not installed."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from mxnet import nd
from onnx import numpy_helper

from data.common.options import data_folder
from data.download.weights import RESNET50_THIN, SOURCES
from tests.resnet_reference import Layer, Network, evaluate
from vision.models.backbone import PIXEL_MEANS
from vision.weights.files import convert_file
from vision.weights.layout import empty_backbone
from vision.weights.pretrained import load_pretrained

ROOT = Path(__file__).parents[3]


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (3, 96, 64)).astype(np.float64)


def outputs(source, tmp_path, pixels, name, *kind):
    """conv4 and conv5, at stride 32, of a backbone with the weights of a file."""
    convert_file(source, name, tmp_path / "out.params")
    backbone = empty_backbone(name, *kind)
    backbone.initialize()
    load_pretrained(backbone, tmp_path / "out.params")
    conv4, conv5 = backbone(nd.array((pixels - np.reshape(PIXEL_MEANS, (3, 1, 1)))[None]))
    return conv4[0].asnumpy(), conv5[0, :, ::2, ::2].asnumpy()


def test_the_real_open_nsfw_equals_its_float64_evaluation(tmp_path, pixels):
    source = ROOT / data_folder() / SOURCES / RESNET50_THIN.backbone / RESNET50_THIN.file.name
    if not source.exists():
        pytest.skip(f"needs {source}: scripts/get_data.sh {RESNET50_THIN.name}")
    graph = onnx.load(str(source)).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    blocks = (3, 4, 6, 3)
    places = [(1, 0, "conv1")]
    for stage, count in enumerate(blocks, start=2):
        for block in range(count):
            places += [(stage, block, branch) for branch in ("1", "2a", "2b", "2c") if branch != "1" or block == 0]
    layers = {}
    for place, node in zip(places, [node for node in graph.node if node.op_type == "Conv"], strict=True):
        weight, shift = (tensors[name] for name in node.input[1:])
        ones, zeros = np.ones(len(shift)), np.zeros(len(shift))
        layers[place] = Layer(weight, None, ones, shift, zeros, ones - 1e-5)
    network = Network(layers, blocks, "2a", caffe_pool=True, bgr=True, means=(104.0, 117.0, 123.0), stds=(1.0,) * 3)
    found = outputs(source, tmp_path, pixels, "resnet50_thin", "caffe")
    for one, exact, published in zip(
        found, evaluate(network, pixels, outside=PIXEL_MEANS), evaluate(network, pixels), strict=True
    ):
        assert abs(one - exact).max() < 1e-5 * exact.max()
        assert abs(one - published).max() < 0.05 * published.max()  # Yahoo's padding is of another color.


@pytest.mark.parametrize("older", [False, True], ids=["zip", "older"])
@pytest.mark.parametrize(("name", "kind"), [("resnet18", ("padded", "1x1")), ("resnet50", ("padded", "3x3"))])
def test_torchvision_files_equal_torchvision(tmp_path, pixels, name, kind, older):
    torch = pytest.importorskip("torch")
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    network = getattr(torchvision.models, name)(weights=None).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            for array, low, high in (
                (layer.running_mean, -0.3, 0.3),
                (layer.running_var, 0.5, 2),
                (layer.weight, 0.4, 1),
            ):
                torch.nn.init.uniform_(array, low, high)
    torch.save(network.state_dict(), tmp_path / "source.pth", _use_new_zipfile_serialization=not older)

    means, stds = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).reshape(2, 3, 1, 1)
    padded = torch.tensor(PIXEL_MEANS).reshape(3, 1, 1).expand(3, pixels.shape[1] + 6, pixels.shape[2] + 6).clone()
    padded[:, 3:-3, 3:-3] = torch.from_numpy(pixels)
    network.conv1.padding = (0, 0)  # The image is padded with our color instead.
    with torch.no_grad():
        values = network.maxpool(network.relu(network.bn1(network.conv1((padded[None] / 255 - means) / stds))))
        conv4 = network.layer3(network.layer2(network.layer1(values)))
        conv5 = network.layer4(conv4)
    for one, two in zip(outputs(tmp_path / "source.pth", tmp_path, pixels, name, *kind), (conv4, conv5), strict=True):
        assert abs(one - two[0].numpy()).max() < 1e-4 * abs(two).max()
