"""The center-mass loss against the equations of the paper in float64 NumPy, and its operator in networks."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, nd

from tests.center_mass_reference import CASES, MODES, PENALTIES, assert_close, reference, sample
from vision.center_mass import CenterMassLoss, composed_center_mass

FORMULATIONS = ["operator", "composed"]


def make_loss(formulation, mode, penalty, gamma):
    if formulation == "operator":
        return CenterMassLoss(mode, penalty, gamma)
    return lambda *arrays: composed_center_mass(nd, *arrays, mode=mode, penalty=penalty, gamma=gamma)


def ours(weights, targets, mask, loss_function):
    """Loss, M, and the gradient of the summed loss."""
    weights, *constants = (nd.array(array) for array in (weights, targets, mask) if array is not None)
    weights.attach_grad()
    with autograd.record():
        loss, center_mass = loss_function(weights, *constants)
    loss.backward()
    return loss.asnumpy(), center_mass.asnumpy(), weights.grad.asnumpy()


class Network(gluon.HybridBlock):
    """Two dense layers, pair weights of the second, and from these 2 loss + center-mass: [B]."""

    def __init__(self, loss):
        super().__init__(prefix="network_")
        with self.name_scope():
            self.first = gluon.nn.Dense(5, activation="tanh", flatten=False, in_units=3)
            self.second = gluon.nn.Dense(4, flatten=False, in_units=5)
            self.loss = loss

    def hybrid_forward(self, F, features, targets, mask):
        features = self.first(features)
        weights = F.batch_dot(self.second(features), self.second(features), transpose_b=True)
        loss, center_mass = self.loss(weights, targets, mask)
        return 2 * loss + center_mass


class Composed(gluon.HybridBlock):
    def hybrid_forward(self, F, weights, targets, mask):
        return composed_center_mass(F, weights, targets, mask, "row", "focal", 2.0)


def initialised(loss, hybrid=True):
    mx.random.seed(1)
    network = Network(loss)
    network.initialize(mx.init.Normal(0.5))
    if hybrid:
        network.hybridize()
    return network


def network_inputs():
    _, targets, mask = sample("gaps")
    features = np.random.default_rng(3).normal(size=(*mask.shape, 3))
    return [nd.array(array) for array in (features, targets, mask)]


def outputs_and_gradients(network):
    inputs = network_inputs()
    with autograd.record():
        output = network(*inputs)
    output.backward()
    return [output.asnumpy()] + [parameter.grad().asnumpy() for parameter in network.collect_params().values()]


@pytest.mark.parametrize("case", [*CASES, "regions of the paper's size"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("penalty", "gamma"), PENALTIES)
def test_loss_center_mass_and_gradient_equal_float64(case, mode, penalty, gamma):
    weights, targets, mask = sample(case)
    expected = reference(weights, targets, mask, mode, penalty, gamma)
    for formulation in FORMULATIONS:
        results = ours(weights, targets, mask, make_loss(formulation, mode, penalty, gamma))
        for one, other in zip(results, expected, strict=True):
            assert_close(one, other)


@pytest.mark.parametrize("mode", MODES)
def test_without_a_target_everything_is_exactly_zero(mode):
    weights, targets, mask = sample("no positive pair")
    for penalty, gamma in PENALTIES:
        for result in ours(weights, targets, mask, CenterMassLoss(mode, penalty, gamma)):
            assert not result.any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("on_target", [False, True])
def test_a_weight_that_is_not_finite_reaches_the_loss(value, on_target):
    weights, targets, mask = sample("random")
    place = tuple(np.argwhere((targets[0] > 0) == on_target)[0])
    weights[0][place] = value
    for mode in MODES:
        loss, _, gradient = ours(weights, targets, mask, CenterMassLoss(mode))
        assert np.isnan(loss[0])
        assert np.isnan(gradient[0]).any()
        assert np.isfinite(loss[1:]).all()


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_half_the_mass_has_the_gradient_of_the_formula(formulation):
    """At δ = 0, |δ| has no derivative. Focal, γ = 2: (2 · ½ log ½ - ½) · ½ (T - ½) = ±(log ½ - ½) / 4."""
    weights, targets = np.zeros((1, 1, 2)), np.array([[[1, 0]]])
    _, _, gradient = ours(weights, targets, None, make_loss(formulation, "matrix", "focal", 2.0))
    expected = (np.log(0.5) - 0.5) / 4
    np.testing.assert_allclose(gradient, [[[expected, -expected]]], rtol=1e-6)


def test_row_mode_averages_over_the_rows_with_a_target():
    weights, targets = np.log([[[1, 3], [1, 1]]]), np.array([[[0, 1], [0, 0]]])
    loss, mass, _ = ours(weights, targets, None, CenterMassLoss("row", "focal", 0.0))
    np.testing.assert_allclose(mass, [0.75], rtol=1e-6)
    np.testing.assert_allclose(loss, [-np.log(0.75)], rtol=1e-5)


@pytest.mark.parametrize(("m", "expected"), [(0.75, 0.0625), (0.25, 0.5)])
def test_smooth_l1_follows_equation_5(m, expected):
    weights, targets = np.log([[[m, 1 - m], [1e-30, 1e-30]]]), np.array([[[1, 0], [0, 0]]])
    loss, _, _ = ours(weights, targets, None, CenterMassLoss(penalty="smooth_l1"))
    np.testing.assert_allclose(loss, [expected], rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("penalty", "gamma"), PENALTIES)
def test_padded_entries_change_no_bit(mode, penalty, gamma):
    weights, targets, mask = sample("padding")
    real = mask[:, :, None] & mask[:, None, :]
    loss_function = CenterMassLoss(mode, penalty, gamma)
    before = ours(weights, targets, mask, loss_function)
    for filler in (1e6, -1e6, np.inf, np.nan):
        after = ours(np.where(real, weights, filler), np.where(real, targets, 1), mask, loss_function)
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_the_center_mass_has_no_gradient(formulation):
    loss_function = make_loss(formulation, "matrix", "focal", 2.0)

    def loss_plus_center_mass(*arrays):
        loss, center_mass = loss_function(*arrays)
        return loss + 5 * center_mass, center_mass

    alone, both = (ours(*sample("gaps"), function)[2] for function in (loss_function, loss_plus_center_mass))
    np.testing.assert_array_equal(both, alone)


@pytest.mark.parametrize("hybrid", [True, False])
def test_a_network_has_the_gradients_of_the_composed_loss(hybrid):
    actual = outputs_and_gradients(initialised(CenterMassLoss("row"), hybrid))
    for one, other in zip(actual, outputs_and_gradients(initialised(Composed(), hybrid)), strict=True):
        assert np.abs(other).max() > 1e-3
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6 * np.abs(other).max())


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_the_loss_adds_to_the_gradient_of_its_own_input(formulation):
    weights, targets, mask = sample("gaps")
    expected = reference(weights, targets, mask, "matrix", "focal", 2.0)[2]
    weights, targets, mask = (nd.array(array) for array in (weights, targets, mask))
    weights.attach_grad("add")
    weights.grad[:] = 1
    with autograd.record():
        loss, _ = make_loss(formulation, "matrix", "focal", 2.0)(weights, targets, mask)
    loss.backward()
    np.testing.assert_allclose(weights.grad.asnumpy(), expected + 1, rtol=1e-6)


def test_targets_have_gradient_zero():
    weights, targets, mask = (nd.array(array) for array in sample("gaps"))
    targets.attach_grad()
    targets.grad[:] = 5
    with autograd.record():
        loss, _ = CenterMassLoss()(weights, targets, mask)
    loss.backward()
    assert not targets.grad.asnumpy().any()


def test_the_operator_never_waits_for_the_device(monkeypatch):
    """Waiting inside an operator would block the engine."""
    waits = []
    monkeypatch.setattr(nd.NDArray, "asnumpy", lambda array: waits.append("asnumpy"))
    monkeypatch.setattr(nd.NDArray, "wait_to_read", lambda array: waits.append("wait_to_read"))
    weights, targets, mask = (nd.array(array) for array in sample("gaps"))
    weights.attach_grad()
    with autograd.record():
        loss, _ = CenterMassLoss()(weights, targets, mask)
    loss.backward()
    nd.waitall()
    assert not waits


def test_a_network_with_the_operator_can_be_exported(tmp_path):
    network = initialised(CenterMassLoss("row", gamma=1.5))
    expected = network(*network_inputs()).asnumpy()
    network.export(str(tmp_path / "network"))
    names = ["data0", "data1", "data2"]
    imported = gluon.SymbolBlock.imports(
        str(tmp_path / "network-symbol.json"), names, str(tmp_path / "network-0000.params")
    )
    np.testing.assert_array_equal(imported(*network_inputs()).asnumpy(), expected)


def test_without_a_mask_all_entities_are_real():
    weights, targets, mask = sample("random")
    expected = ours(weights, targets, mask, CenterMassLoss())
    for hybrid in (False, True):
        loss = CenterMassLoss()
        loss.hybridize(hybrid)
        for one, other in zip(ours(weights, targets, None, loss), expected, strict=True):
            np.testing.assert_array_equal(one, other)
    explicit, _ = loss(nd.array(weights), nd.array(targets), None)
    np.testing.assert_array_equal(explicit.asnumpy(), expected[0])


@pytest.mark.slow
def test_a_thousand_iterations_do_not_deadlock():
    network = initialised(CenterMassLoss("row"))
    trainer = gluon.Trainer(network.collect_params(), "sgd", {"learning_rate": 0.05})
    images = gluon.data.ArrayDataset(*(nd.tile(array, (100, 1, 1)[: array.ndim]) for array in network_inputs()))
    loader = gluon.data.DataLoader(images, batch_size=4, num_workers=2)
    means = []
    while len(means) < 1000:
        for batch in loader:
            with autograd.record():
                output = network(*(array.as_in_context(mx.cpu()) for array in batch))  # from the workers' shared memory
            output.backward()
            trainer.step(len(output))
            means.append(output.mean())
    means = nd.stack(*means).asnumpy()
    assert np.isfinite(means).all()
    assert means[-1] < means[0]
