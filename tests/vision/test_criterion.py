"""The losses against NumPy, their gradients, and learning from them."""

import dataclasses

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, nd

from vision.criterion import Criterion, head_loss, rpn_loss
from vision.models.detector import DetectorOutput, build_detector
from vision.targets import RPN_SAMPLES, Targets

IMAGES, ROIS, CLASSES = 2, 7, 4


def made_up_output(generator):
    """A `DetectorOutput` of arrays that have gradients; the second image has five ROIs."""
    shapes = {
        "rpn_logits": (IMAGES, 2, 3, 12, 2),
        "rpn_deltas": (IMAGES, 2, 3, 12, 4),
        "rois": (IMAGES, ROIS, 4),
        "logits": (IMAGES, ROIS, 1 + CLASSES),
        "deltas": (IMAGES, ROIS, 4),
        "relations": (IMAGES, ROIS, ROIS),
    }
    arrays = {name: nd.array(generator.normal(size=shape)) for name, shape in shapes.items()}
    for array in arrays.values():
        array.attach_grad()
    return DetectorOutput(mask=nd.array([[1] * ROIS, [1] * 5 + [0] * 2]), **arrays)


def cross_entropy(logits, labels):
    exponentials = np.exp(logits)
    probabilities = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return -np.log(np.take_along_axis(probabilities, labels[..., None].astype(int), axis=-1)[..., 0])


def smooth_l1(differences, sigma):
    size = abs(differences)
    return np.where(size < 1 / sigma**2, (sigma * size) ** 2 / 2, size - 0.5 / sigma**2).sum(axis=-1)


def test_the_rpn_learns_from_the_sampled_anchors():
    generator = np.random.default_rng(0)
    output = made_up_output(generator)
    labels, deltas = generator.integers(-1, 2, (IMAGES, 72)), generator.normal(size=(IMAGES, 72, 4))
    ours = rpn_loss(output, Targets(nd.array(labels), nd.array(deltas)))
    logits, moves = (
        output.rpn_logits.asnumpy().reshape(IMAGES, 72, 2),
        output.rpn_deltas.asnumpy().reshape(IMAGES, 72, 4),
    )
    for image in range(IMAGES):
        drawn, foreground = labels[image] >= 0, labels[image] == 1
        expected = cross_entropy(logits[image][drawn], labels[image][drawn]).mean()
        np.testing.assert_allclose(ours[0][image].asscalar(), expected, rtol=1e-5)
        expected = smooth_l1(moves[image][foreground] - deltas[image][foreground], sigma=3).sum() / RPN_SAMPLES
        np.testing.assert_allclose(ours[1][image].asscalar(), expected, rtol=1e-5)


def test_an_image_without_sampled_anchors_has_no_rpn_loss():
    output = made_up_output(np.random.default_rng(0))
    losses = rpn_loss(output, Targets(-nd.ones((IMAGES, 72)), nd.zeros((IMAGES, 72, 4))))
    assert [loss.asnumpy().tolist() for loss in losses] == [[0, 0], [0, 0]]


@pytest.mark.parametrize("kept", [3, 6, 50])
def test_the_head_learns_from_the_hardest_rois(kept):
    generator = np.random.default_rng(1)
    output = made_up_output(generator)
    labels, deltas = generator.integers(0, 1 + CLASSES, (IMAGES, ROIS)), generator.normal(size=(IMAGES, ROIS, 4))
    with autograd.record():
        ours = head_loss(output, Targets(nd.array(labels), nd.array(deltas)), kept)
        total = sum(ours)
    total.backward()
    for image, real in enumerate((ROIS, 5)):
        logits, moves = output.logits[image, :real].asnumpy(), output.deltas[image, :real].asnumpy()
        classification = cross_entropy(logits, labels[image, :real])
        boxes = smooth_l1(moves - deltas[image, :real], sigma=1) * (labels[image, :real] > 0)
        hardest = np.argsort(-(classification + boxes))[:kept]
        np.testing.assert_allclose(ours[0][image].asscalar(), classification[hardest].mean(), rtol=1e-5)
        np.testing.assert_allclose(ours[1][image].asscalar(), boxes[hardest].sum() / kept, rtol=1e-5)
        learns = abs(output.logits.grad[image].asnumpy()).sum(axis=1) > 0
        assert np.flatnonzero(learns).tolist() == sorted(hardest)


def objects():
    """Boxes and labels of two categories in the first image and of one in the second, and the sizes of both."""
    boxes = nd.array([[[0, 0, 20, 20], [10, 10, 40, 30]], [[0, 0, 20, 20], [0, 0, 0, 0]]])
    return boxes, nd.array([[0, 1], [2, -1]]), nd.array([[32, 48]] * IMAGES)


def on_objects(output):
    """The output with ROIs on the objects of `objects`, and elsewhere."""
    rois = nd.array([[[0, 0, 20, 20], [10, 10, 40, 30], [1, 1, 20, 20], [0, 0, 5, 5], *[[30, 0, 40, 8]] * 3]] * IMAGES)
    rois.attach_grad()
    return output._replace(rois=rois)


def unsupervised(config):
    loss = dataclasses.replace(config.relation_loss, weight=0.0)
    return dataclasses.replace(config, variant="fan-unsup", relation_loss=loss)


def losses_of(config, output, *relations):
    mx.random.seed(0)
    with autograd.record():
        losses = Criterion(config)(output, *objects(), *relations)
    losses.loss.backward()
    return losses


def test_the_loss_is_the_weighted_sum_of_all_losses(config):
    output = on_objects(made_up_output(np.random.default_rng(2)))
    supervised = losses_of(config, output)
    relation_gradient = output.relations.grad.asnumpy()
    parts = sum(part.asnumpy() for part in supervised[1:5])
    np.testing.assert_allclose(supervised.loss.asnumpy(), parts + 0.01 * supervised.relations.loss.asnumpy(), rtol=1e-5)
    assert supervised.relations.related.asnumpy().tolist() == [1, 0]
    assert supervised.relations.loss.asnumpy()[0] > 0
    assert supervised.relations.loss.asnumpy()[1] == 0
    assert relation_gradient[0].any()
    assert not relation_gradient[1].any()
    assert not output.rois.grad.asnumpy().any()


def test_without_supervision_the_relation_loss_is_only_measured(config):
    output = on_objects(made_up_output(np.random.default_rng(2)))
    supervised, measured = losses_of(config, output), losses_of(unsupervised(config), output)
    for ours, theirs in zip(measured.relations, supervised.relations, strict=True):
        assert (ours == theirs).asnumpy().all()
    np.testing.assert_allclose(measured.loss.asnumpy(), sum(part.asnumpy() for part in measured[1:5]), rtol=1e-6)


def test_center_mass_is_the_share_of_weights_on_related_rois(config):
    output = on_objects(made_up_output(np.random.default_rng(2)))
    output = output._replace(relations=nd.zeros((IMAGES, ROIS, ROIS)))
    losses = Criterion(config)(output, *objects())
    # ROIs 0 and 2 are on one object and ROI 1 on the other: four of the 49 pairs, in both orders.
    np.testing.assert_allclose(losses.relations.center_mass.asnumpy(), [4 / 49, 0], rtol=1e-5)


def test_unattended_annotated_boxes_are_in_no_pair(modules):
    """Relation modules have weights for the first ROIs only; here the last two are annotated boxes."""
    output = on_objects(made_up_output(np.random.default_rng(2)))
    weights = output.relations[:, :5, :5]
    losses = Criterion(modules)(output._replace(relations=weights), *objects())
    alone = output._replace(rois=output.rois[:, :5], mask=output.mask[:, :5], relations=weights)
    expected = Criterion(modules).relations(alone, *objects()[:2])
    for ours, theirs in zip(losses.relations, expected, strict=True):
        assert (ours == theirs).asnumpy().all()
    parts = sum(part.asnumpy() for part in losses[1:5])
    np.testing.assert_allclose(losses.loss.asnumpy(), parts + 0.01 * expected.loss.asnumpy(), rtol=1e-5)


def annotated(config):
    loss = dataclasses.replace(config.relation_loss, rule="annotated")
    return dataclasses.replace(config, variant="fan-sup-gt", relation_loss=loss)


def test_annotated_relations_are_directed_targets(config):
    output = on_objects(made_up_output(np.random.default_rng(2)))
    relations = nd.array([[[1, 0], [-1, -1]], [[-1, -1], [-1, -1]]])
    losses = losses_of(annotated(config), output, relations)
    # ROI 1 is on the second object of the first image, ROIs 0 and 2 on the first.
    logits = output.relations[0].asnumpy().astype(np.float64)
    center_mass = (np.exp(logits) / np.exp(logits).sum())[1, [0, 2]].sum()
    expected = -((1 - center_mass) ** 2) * np.log(center_mass)
    np.testing.assert_allclose(losses.relations.center_mass.asnumpy(), [center_mass, 0], rtol=1e-5)
    np.testing.assert_allclose(losses.relations.loss.asnumpy(), [expected, 0], rtol=1e-5)
    assert losses.relations.related.asnumpy().tolist() == [1, 0]
    parts = sum(part.asnumpy() for part in losses[1:5])
    np.testing.assert_allclose(losses.loss.asnumpy(), parts + 0.01 * losses.relations.loss.asnumpy(), rtol=1e-5)
    gradient = output.relations.grad.asnumpy()
    assert (gradient[0, 1, [0, 2]] < 0).all() and (gradient[0, [0, 2], 1] > 0).all() and not gradient[1].any()


def test_a_network_learns_from_two_images(config, batch):
    mx.random.seed(0)
    detector = build_detector(config.model, CLASSES, mx.cpu())
    detector.hybridize()
    trainer = gluon.Trainer(detector.collect_params(), "sgd", {"learning_rate": 0.01, "momentum": 0.9})
    criterion = Criterion(config)
    images, sizes, boxes, labels = batch
    learned = []
    for _ in range(15):
        with autograd.record():
            losses = criterion(detector(images, sizes), boxes, labels, sizes)
        losses.loss.backward()
        trainer.step(1)
        learned.append([losses.rpn_classification.sum().asscalar(), losses.classification.sum().asscalar()])
    assert np.isfinite(losses.loss.asnumpy()).all()
    # The losses of boxes and relations may grow: a better RPN gives more ROIs and pairs to learn from.
    assert learned[-1][0] < 0.5 * learned[0][0]
    assert learned[-1][1] < learned[0][1]
