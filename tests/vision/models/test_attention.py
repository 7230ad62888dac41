"""FocusedAttention against float64 NumPy, padding, export and import."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, nd

from vision.models.attention import FocusedAttention, masked_softmax

TOLERANCE = 1e-5
MASK = np.arange(5) < np.array([[5], [3], [1], [0]])


def features():
    return np.random.default_rng(0).normal(size=(4, 5, 7)).astype(np.float32)


def layer(hybrid=False, linear_out=False):
    mx.random.seed(0)
    block = FocusedAttention(d_k=6, in_units=7, sigma=0.5, linear_out=linear_out, prefix="attention_")
    block.initialize()
    block.hybridize(hybrid)
    return block


def reference(block, x, mask):
    """Context and weights in float64."""
    key, query = (dense.weight.data().asnumpy().astype(np.float64) for dense in (block.key, block.query))
    pairs = mask[:, :, None] & mask[:, None, :]
    weights = np.where(pairs, np.einsum("bmk,bnk->bmn", x @ key.T, x @ query.T) / np.sqrt(len(key)), 0)
    exponentials = np.where(pairs, np.exp(weights), 0)
    context = exponentials / np.maximum(exponentials.sum(axis=-1, keepdims=True), 1e-300) @ x
    if block.linear_out is not None:
        context = context @ block.linear_out.weight.data().asnumpy().astype(np.float64).T
    return context, weights


def numerical_gradient(function, x, step=1e-6):
    """Central differences of a scalar float64 function."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += step
        below[index] -= step
        gradient[index] = (function(above) - function(below)) / (2 * step)
    return gradient


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("linear_out", [False, True])
@pytest.mark.parametrize("mask", [MASK, None])
def test_values_equal_float64(hybrid, linear_out, mask):
    block, x = layer(hybrid, linear_out), features()
    actual = block(nd.array(x)) if mask is None else block(nd.array(x), nd.array(mask))
    expected = reference(block, x.astype(np.float64), np.ones_like(MASK) if mask is None else mask)
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one.asnumpy(), other, rtol=TOLERANCE, atol=TOLERANCE * np.abs(other).max())


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("linear_out", [False, True])
def test_gradients_equal_central_differences_in_float64(hybrid, linear_out):
    """Of a weighted sum of context and weights, so that the gradient has both paths."""
    block, x = layer(hybrid, linear_out), nd.array(features())
    shapes = [output.shape for output in block(x, nd.array(MASK))]
    factors = [np.random.default_rng(1).normal(size=shape) for shape in shapes]

    def weighted_sum(values):
        outputs = reference(block, values, MASK)
        return sum((output * factor).sum() for output, factor in zip(outputs, factors, strict=True))

    x.attach_grad()
    with autograd.record():
        outputs = block(x, nd.array(MASK))
    autograd.backward(outputs, [nd.array(factor) for factor in factors])
    expected = numerical_gradient(weighted_sum, features().astype(np.float64))
    assert np.abs(x.grad.asnumpy() - expected).max() / np.abs(expected).max() < TOLERANCE


@pytest.mark.parametrize("hybrid", [False, True])
def test_padded_entries_change_no_bit(hybrid):
    block, x, mask = layer(hybrid), features(), nd.array(MASK)
    before = block(nd.array(x), mask)
    for filler in (1e3, np.inf, np.nan):
        for one, other in zip(before, block(nd.array(np.where(MASK[..., None], x, filler)), mask), strict=True):
            np.testing.assert_array_equal(one.asnumpy(), other.asnumpy())


@pytest.mark.parametrize("linear_out", [False, True])
def test_masked_entities_have_no_output_and_no_gradient(linear_out):
    block, x, mask = layer(linear_out=linear_out), nd.array(features()), nd.array(MASK)
    x.attach_grad()
    with autograd.record():
        context, weights = block(x, mask)
        total = context.sum() + weights.sum()
    total.backward()
    assert not context.asnumpy()[~MASK].any()
    assert not weights.asnumpy()[~(MASK[:, :, None] & MASK[:, None, :])].any()
    assert not x.grad.asnumpy()[~MASK].any()


def test_saturated_logits_pick_the_largest():
    weights = masked_softmax(nd, nd.array([[1e4, -1e4, 1e4], [-1e4, -1e4, 1e4]]), nd.array([[1, 1, 0], [1, 1, 0]]))
    np.testing.assert_array_equal(weights.asnumpy(), [[1, 0, 0], [0.5, 0.5, 0]])


def test_initial_projections_have_the_published_deviation():
    block = FocusedAttention()
    block.initialize()
    with pytest.raises(gluon.parameter.DeferredInitializationError):
        block.key.weight.data()
    block(nd.zeros((1, 2, 512)))
    assert set(block.collect_params()) == {block.key.weight.name, block.query.weight.name}
    for dense in (block.key, block.query):
        weight = dense.weight.data().asnumpy()
        assert weight.shape == (1024, 512)
        np.testing.assert_allclose([weight.mean(), weight.std()], [0, 0.01], atol=1e-4)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("linear_out", [False, True])
def test_the_layer_can_be_exported_and_imported(masked, linear_out, tmp_path):
    block = layer(hybrid=True, linear_out=linear_out)
    inputs = [nd.array(features()), nd.array(MASK)] if masked else [nd.array(features())]
    expected = block(*inputs)
    block.export(str(tmp_path / "attention"))
    names = ["data0", "data1"] if masked else ["data"]
    files = str(tmp_path / "attention-symbol.json"), names, str(tmp_path / "attention-0000.params")
    for one, other in zip(gluon.SymbolBlock.imports(*files)(*inputs), expected, strict=True):
        np.testing.assert_array_equal(one.asnumpy(), other.asnumpy())
