"""Steps and predictions on a second device create nothing on the first one and read nothing before the end.

The second device is a CPU as well, so faults that only GPUs have are not found. As in training, batches are made on
cpu(0) and copied.
"""

import dataclasses

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, nd

from data.images.datasets import read_images
from tests.vision.conftest import with_modules
from tests.vision.devices_watch import watched
from vision.attended_regions import attend
from vision.center_mass import CenterMass, composed_center_mass
from vision.checkpoint import TrainedRun
from vision.criterion import Criterion
from vision.engine import make_learner, train_epoch, train_step
from vision.loader import Batch, View, load_batches
from vision.prediction import measure_center_mass, predict_image
from vision.scenes.features import extract
from vision.scenes.network import SceneNetwork
from vision.scenes.train import Learner
from vision.scenes.train import train_step as train_scene_step

DEVICE = mx.cpu(1)
FIELDS = len(Batch._fields)

pytestmark = pytest.mark.usefixtures("without_tensorboard")


def batches(config, data, count, split="trainval"):
    records = read_images("tiny", data, split).records
    order = [[View(0, False), View(1, False)]] * count
    return [batch for _, batch in load_batches(records, config.images, order, workers=0)]


def config_of(tiny, variant):
    """The config of a variant; together they have every kind of network, of relation targets and of loss."""
    if variant == "rn-sup":
        return with_modules(dataclasses.replace(tiny, model=dataclasses.replace(tiny.model, rois=64)))
    model, loss = {
        "base": ({"focused_attention": False}, {"weight": 0.0}),
        "fan-sup": ({}, {}),
        "fan-sup-gt": ({}, {"rule": "annotated", "mode": "row", "penalty": "smooth_l1"}),
        "fan-sup-linear": ({"linear_out": True, "attention_after": "fc_new_1"}, {"rule": "different_instance"}),
    }[variant]
    return dataclasses.replace(
        tiny,
        variant=variant,
        model=dataclasses.replace(tiny.model, **model),
        relation_loss=dataclasses.replace(tiny.relation_loss, **loss),
    )


@pytest.mark.parametrize("variant", ["base", "fan-sup", "fan-sup-gt", "fan-sup-linear", "rn-sup"])
def test_a_training_step_stays_on_its_device_and_reads_nothing(tiny, data, variant):
    config = config_of(tiny, variant)
    mx.random.seed(0)
    learner = make_learner(config, 8, [DEVICE])
    for batch in batches(config, data, count=2):  # the first step also creates the momenta
        with watched(DEVICE) as watch:
            train_step(learner, batch)
        assert (watch.elsewhere, watch.reads, watch.waits, watch.copied_in) == ([], 0, 0, FIELDS)
        assert watch.operators["CachedOp"] == 1 and watch.operators["multi_sgd_mom_update"]


def test_an_epoch_reads_once_per_step_and_once_at_its_end(tiny, data):
    mx.random.seed(0)
    learner = make_learner(tiny, 8, [DEVICE])
    records = read_images("tiny", data, "trainval").records
    with watched(DEVICE) as watch:
        train_epoch(learner, records, tiny, seed=0, epoch=1, workers=0)
    steps = watch.copied_in // FIELDS
    assert steps == 3 and watch.reads == steps + 1
    assert watch.elsewhere == ["an array is made on cpu(0)"] * FIELDS * steps  # by the loader


@pytest.mark.parametrize("modules", [False, True])
def test_a_prediction_stays_on_its_device(tiny, data, detector_folder, modules):
    trained = TrainedRun(detector_folder, DEVICE)
    if modules:
        trained.config = with_modules(trained.config)
        trained.detector = make_learner(trained.config, len(trained.classes), [DEVICE]).detector
    criterion = Criterion(trained.config)
    (batch,) = batches(tiny, data, count=1, split="test")[0].split([DEVICE])
    batch = Batch(*(array[:1] for array in batch))
    with watched(DEVICE) as watch:
        output, found, proposals = predict_image(trained, batch.images, batch.sizes, batch.scales)
        measure_center_mass(criterion, output, batch)
    assert watch.elsewhere == [] and watch.operators["CachedOp"] == 1
    assert len(proposals.by_matrix.pairs) and len(proposals.by_row.pairs)


def test_attended_regions_are_computed_on_the_device(detector_folder):
    trained = TrainedRun(detector_folder, DEVICE)
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    with watched(DEVICE) as watch:
        attend(trained, DEVICE, pixels, most=5)
    assert watch.elsewhere == [] and watch.operators["CachedOp"] == 1


@pytest.mark.parametrize("over_rois", ["maximum", "mean"])
def test_a_step_on_scenes_stays_on_its_device_and_reads_once(tiny, scenes, detector_folder, over_rois):
    trained = TrainedRun(detector_folder, DEVICE)
    model = dataclasses.replace(scenes.model, over_rois=over_rois)
    network = SceneNetwork(model, 4, trained.detector, trained.config.model.fc_units)
    network.initialize_new_layers()
    network.freeze()
    network.collect_params().reset_ctx([DEVICE])
    trainer = mx.gluon.Trainer(network.collect_params(), "sgd", {"momentum": 0.9})
    image = np.random.default_rng(0).normal(0, 50, (3, 48, 64)).astype(np.float32)
    with watched(DEVICE) as watch:
        features = [extract(network, image, DEVICE), extract(network, image[:, ::-1], DEVICE)]
        assert watch.reads == 0
        result = train_scene_step(Learner(network, trainer, [DEVICE]), features, [0, 3])
    assert (watch.elsewhere, watch.reads, watch.waits) == ([], 1, 0)
    assert len(result.losses) == 2 and 0 <= result.correct <= 2


@pytest.mark.parametrize("mode", ["matrix", "row"])
@pytest.mark.parametrize("penalty", ["focal", "l2", "smooth_l1"])
def test_the_custom_operator_stays_on_its_device(mode, penalty):
    generator = np.random.default_rng(0)
    weights = nd.array(generator.normal(size=(2, 5, 5)), ctx=DEVICE)
    targets = nd.array(generator.integers(-1, 2, (2, 5, 5)), ctx=DEVICE)
    outputs = [nd.zeros(shape, ctx=DEVICE) for shape in ((2,), (2,), (2, 5, 5))]
    gradients = [nd.zeros((2, 5, 5), ctx=DEVICE) for _ in range(2)]
    operator = CenterMass(mode, penalty, 2.0)
    with watched(DEVICE) as watch:
        operator.forward(True, ["write"] * 3, [weights, targets], outputs, [])
        operator.backward(["write"] * 2, [nd.ones(2, ctx=DEVICE)] * 3, [weights, targets], outputs, gradients, [])
    assert (watch.elsewhere, watch.reads, watch.waits) == ([], 0, 0)
    weights.attach_grad()
    with autograd.record():
        loss, _ = composed_center_mass(nd, weights, targets, mode=mode, penalty=penalty)
    loss.backward()
    np.testing.assert_allclose(gradients[0].asnumpy(), weights.grad.asnumpy(), rtol=1e-3, atol=1e-6)


def test_the_watch_sees_other_devices_and_reads():
    here, there = nd.ones(2, ctx=DEVICE), nd.ones(2)
    with watched(DEVICE) as watch:
        nd.array([1, 2])
        there + 1
        here.as_in_context(mx.cpu(2))
        there.as_in_context(DEVICE)
        here.asnumpy()
        here.sum().asscalar()
        here.wait_to_read()
        nd.waitall()
    assert watch.elsewhere == [
        "an array is made on cpu(0)",
        "_plus_scalar from {cpu(0)} to {cpu(0)}",
        "an array is made on cpu(2)",
        "_copyto from {cpu(1)} to {cpu(2)}",
    ]
    assert (watch.copied_in, watch.reads, watch.waits) == (1, 2, 2)
