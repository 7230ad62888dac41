"""The relation module against the published formulas in float64 NumPy, padding, export and import."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, nd

from vision.center_mass import CenterMassLoss
from vision.models.relation_module import RelationModule, position_embedding

TOLERANCE = 1e-5
IMAGES, HEADS, D_K, UNITS = 2, 4, 6, 12
MASK = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 1, 0, 0]])


def boxes(count, seed=0):
    """Boxes of which most overlap, two are equal and two have the same centre."""
    generator = np.random.default_rng(seed)
    corners = generator.uniform(0, 400, (IMAGES, count, 2)) // np.array([1, 40])
    made = np.concatenate([corners, corners + generator.uniform(0, 300, (IMAGES, count, 2))], axis=-1)
    made[:, 1 % count] = made[:, 0]
    made[:, 2 % count] = made[:, 0] + [-8, -4, 8, 4]
    return made.astype(np.float32)


def features(count, units=UNITS, seed=1):
    return np.random.default_rng(seed).normal(size=(IMAGES, count, units)).astype(np.float32)


def module(hybrid=False, **settings):
    mx.random.seed(3)
    settings = {"heads": HEADS, "d_k": D_K, "units": UNITS, "sigma": 0.3, "return_attention": True} | settings
    block = RelationModule(prefix="relation_", **settings)
    block.initialize()
    for name, parameter in block.collect_params(".*bias").items():
        parameter.initialize(mx.init.Normal(0.3), force_reinit=True)
        assert name.endswith("bias")
    block.hybridize(hybrid)
    return block


def weights_of(block):
    """Weight and bias of each layer, float64."""
    return {
        name: tuple(getattr(block, name).params.get(kind).data().asnumpy().astype(np.float64) for kind in KINDS)
        for name in ("pair_pos_fc1", "query", "key", "linear_out")
    }


KINDS = ("weight", "bias")


def embedding_of(box, other):
    """The 64 features of one pair, by Hu et al., section 3, and Vaswani et al. with a wave length of 1,000."""
    width, height, *centre = box[2] - box[0] + 1, box[3] - box[1] + 1, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    other_width, other_height = other[2] - other[0] + 1, other[3] - other[1] + 1
    dx, dy = centre[0] - (other[0] + other[2]) / 2, centre[1] - (other[1] + other[3]) / 2
    relative = [
        np.log(max(abs(dx) / width, 1e-3)),
        np.log(max(abs(dy) / height, 1e-3)),
        np.log(width / other_width),
        np.log(height / other_height),
    ]
    embedding = []
    for value in relative:
        angles = [100 * value / 1000 ** (8 * i / 64) for i in range(8)]
        embedding += [np.sin(angle) for angle in angles] + [np.cos(angle) for angle in angles]
    return np.array(embedding)


def embeddings_of(them, others):
    them, others = them.astype(np.float64), others.astype(np.float64)
    return np.array([[embedding_of(box, other) for other in others] for box in them])


def reference(weights, heads, x, embedding, keys, real):
    """Output [N, C] and attention [heads, N, K] of one image in float64, as in the authors' code: without logarithms,
    and with `linear_out` after the aggregation."""
    (geometric, shift), query, key, (linear, bias) = weights.values()
    q, k = (inputs @ weight.T + b for inputs, (weight, b) in ((x, query), (x[:keys], key)))
    d_k, part = q.shape[1] // heads, x.shape[1] // heads
    outputs, attention = [], []
    for h in range(heads):
        columns = slice(h * d_k, (h + 1) * d_k)
        of_geometry = np.maximum(embedding[:, :keys] @ geometric[h] + shift[h], 1e-6)
        pairs = of_geometry * np.exp(q[:, columns] @ k[:, columns].T / np.sqrt(d_k))
        pairs *= real[:, None] * real[None, :keys]
        pairs /= np.maximum(pairs.sum(axis=1, keepdims=True), 1e-300)
        rows = slice(h * part, (h + 1) * part)
        outputs.append((pairs @ x[:keys]) @ linear[rows].T + bias[rows])
        attention.append(pairs)
    return np.concatenate(outputs, axis=1) * real[:, None], np.array(attention)


def references(block, heads, x, them, keys=None, mask=None):
    """Output [B, N, C] and averaged attention [B, N, K]."""
    weights = weights_of(block)
    mask = np.ones(x.shape[:2]) if mask is None else mask
    made = [
        reference(weights, heads, each.astype(np.float64), embeddings_of(box, box), keys, real)
        for each, box, real in zip(x, them, mask, strict=True)
    ]
    return np.array([output for output, _ in made]), np.array([attention.mean(axis=0) for _, attention in made])


def relative_error(actual, expected):
    return np.abs(actual - expected).max() / np.abs(expected).max()


# --- position -------------------------------------------------------------------------------------------------------


def test_positions_equal_float64():
    them = boxes(9)
    actual = position_embedding(nd, nd.array(them), nd.array(them[:, :5])).asnumpy()
    expected = np.array([embeddings_of(each, each[:5]) for each in them])
    assert actual.shape == (IMAGES, 9, 5, 64) and actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-11)


def test_boxes_without_area_have_a_finite_position():
    """Box regression can give boxes without area."""
    them = nd.array([[[5.5, 63, 4.5, 63], [5, 63, 20, 62], [0, 0, 95, 63]]])
    assert np.isfinite(position_embedding(nd, them, them).asnumpy()).all()
    block = module()
    for array in block(nd.array(features(3)[:1]), them):
        assert np.isfinite(array.asnumpy()).all()


# --- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize(("count", "keys"), [(1, None), (7, None), (7, 7), (12, 5), (30, 24), (60, None)])
def test_values_equal_float64(hybrid, count, keys):
    block, x, them = module(hybrid, nongt_dim=keys), features(count), boxes(count)
    out, weights = (each.asnumpy() for each in block(nd.array(x), nd.array(them)))
    expected, attention = references(block, HEADS, x, them, keys)
    assert relative_error(out, expected) < TOLERANCE
    # Where W_G E + b_G is close to 0 in a head, its logarithm has fewer digits. The largest relative error depends on
    # the processor's order of summation; 1.1e-5 was measured.
    np.testing.assert_allclose(np.exp(weights), attention, rtol=2 * TOLERANCE, atol=1e-8)
    np.testing.assert_allclose(np.exp(weights).sum(axis=2), 1, rtol=1e-6)


def test_it_equals_the_authors_grouped_convolution():
    block, x, them = module(return_attention=False), features(7)[:1], boxes(7)[:1]
    _, attention = reference(
        weights_of(block), HEADS, x[0].astype(float), embeddings_of(them[0], them[0]), None, np.ones(7)
    )
    sums = nd.array(np.einsum("hmn,nc->mhc", attention, x[0]).reshape(7, HEADS * UNITS, 1, 1))
    weight, bias = (nd.array(each) for each in weights_of(block)["linear_out"])
    kernel = weight.reshape((UNITS, UNITS, 1, 1))
    expected = nd.Convolution(sums, kernel, bias, kernel=(1, 1), num_filter=UNITS, num_group=HEADS)
    np.testing.assert_allclose(
        block(nd.array(x), nd.array(them))[0].asnumpy(), expected.asnumpy()[..., 0, 0], rtol=1e-4
    )


@pytest.mark.parametrize("return_attention", [False, True])
def test_one_image_needs_no_batch_axis(return_attention):
    block, x, them = module(return_attention=return_attention), nd.array(features(7)), nd.array(boxes(7))
    batch, alone = block(x, them, nd.array(MASK)), block(x[1], them[1], nd.array(MASK[1]))
    if not return_attention:
        batch, alone = [batch], [alone]
    for one, other in zip(alone, batch, strict=True):
        np.testing.assert_allclose(one.asnumpy(), other[1].asnumpy(), rtol=1e-5, atol=1e-6)


def test_only_the_first_entities_are_attended_to():
    block, x, them = module(nongt_dim=4), features(7), boxes(7)
    before = block(nd.array(x), nd.array(them))
    x[:, 5:], them[:, 5:] = 3, 90
    for one, other in zip(before, block(nd.array(x), nd.array(them)), strict=True):
        assert (one.asnumpy()[:, :5] == other.asnumpy()[:, :5]).all()
    assert before[1].shape == (IMAGES, 7, 4)


# --- gradients ------------------------------------------------------------------------------------------------------


def numerical_gradient(function, x, step=1e-6):
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += step
        below[index] -= step
        gradient[index] = (function(above) - function(below)) / (2 * step)
    return gradient


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("keys", [None, 5])
def test_gradients_equal_central_differences_in_float64(hybrid, keys):
    """Of a weighted sum of output and averaged attention, for the features and every parameter."""
    block, x, them = module(hybrid, nongt_dim=keys), features(6), boxes(6)
    inputs = nd.array(x)
    inputs.attach_grad()
    with autograd.record():
        out, weights = block(inputs, nd.array(them))
        factors = [np.random.default_rng(5).normal(size=each.shape) for each in (out, weights)]
        total = (out * nd.array(factors[0])).sum() + (nd.exp(weights) * nd.array(factors[1])).sum()
    total.backward()

    parameters, embeddings = weights_of(block), [embeddings_of(each, each) for each in them]

    def weighted_sum(values, parameters):
        total = 0
        for image in range(IMAGES):
            out, attention = reference(parameters, HEADS, values[image], embeddings[image], keys, np.ones(6))
            total += (out * factors[0][image]).sum() + (attention.mean(axis=0) * factors[1][image]).sum()
        return total

    expected = numerical_gradient(lambda values: weighted_sum(values, parameters), x.astype(np.float64))
    assert relative_error(inputs.grad.asnumpy(), expected) < TOLERANCE
    for name, arrays in parameters.items():
        for place, kind in enumerate(KINDS):

            def replaced(value, name=name, place=place):
                pair = tuple(value if i == place else each for i, each in enumerate(parameters[name]))
                return weighted_sum(x.astype(np.float64), parameters | {name: pair})

            expected = numerical_gradient(replaced, arrays[place])
            actual = getattr(block, name).params.get(kind).grad().asnumpy()
            if (name, kind) == ("key", "bias"):  # shifts all logits of a row
                assert np.abs(actual).max() < TOLERANCE and np.abs(expected).max() < TOLERANCE
            else:
                assert relative_error(actual, expected) < TOLERANCE, (name, kind)


def test_pairs_excluded_by_geometry_have_no_gradient():
    block = module(sigma=1e-9)
    block.pair_pos_fc1.bias.set_data(nd.array([-1] * HEADS))
    with autograd.record():
        out, weights = block(nd.array(features(7)), nd.array(boxes(7)))
        total = (out**2).sum()
    total.backward()
    expected = np.full(weights.shape, np.log(1 / 7))
    np.testing.assert_allclose(weights.asnumpy(), expected, rtol=1e-5)
    assert not block.pair_pos_fc1.weight.grad().asnumpy().any()


# --- padding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("keys", [None, 5])
def test_masked_values_equal_float64(hybrid, keys):
    block, x, them = module(hybrid, nongt_dim=keys), features(7), boxes(7)
    out, weights = (each.asnumpy() for each in block(nd.array(x), nd.array(them), nd.array(MASK)))
    expected, attention = references(block, HEADS, x, them, keys, MASK)
    assert relative_error(out, expected) < TOLERANCE
    pairs = (MASK[:, :, None] * MASK[:, None, :keys]).astype(bool)
    np.testing.assert_allclose(np.exp(weights)[pairs], attention[pairs], rtol=TOLERANCE)
    assert not weights[~pairs].any() and not out[MASK == 0].any()


@pytest.mark.parametrize("hybrid", [False, True])
def test_padded_entries_change_no_bit(hybrid):
    block, x, them, mask = module(hybrid), features(7), boxes(7), nd.array(MASK)
    before = block(nd.array(x), nd.array(them), mask)
    for filler in (1e3, np.inf, np.nan):
        filled = (nd.array(np.where(MASK[..., None], each, filler)) for each in (x, them))
        for one, other in zip(before, block(*filled, mask), strict=True):
            np.testing.assert_array_equal(one.asnumpy(), other.asnumpy())


# --- the attention that the center-mass loss takes ------------------------------------------------------------------


def test_the_softmax_of_its_weights_is_the_mean_attention():
    block, x, them = module(), features(7), boxes(7)
    _, weights = block(nd.array(x), nd.array(them))
    _, attention = references(block, HEADS, x, them)
    targets = np.random.default_rng(2).integers(0, 2, (IMAGES, 7, 7))
    _, mass = CenterMassLoss("matrix")(weights, nd.array(targets))
    np.testing.assert_allclose(mass.asnumpy(), (attention * targets).sum(axis=(1, 2)) / 7, rtol=1e-5)
    _, mass = CenterMassLoss("row")(weights, nd.array(targets))
    rows = targets.any(axis=2).sum(axis=1)
    np.testing.assert_allclose(mass.asnumpy(), (attention * targets).sum(axis=(1, 2)) / rows, rtol=1e-5)


def test_weights_are_finite_where_no_head_attends():
    """So is the gradient of the center-mass loss, which should move the attention to these pairs."""
    block, x, them = module(sigma=8.0), nd.array(features(7)), nd.array(boxes(7))
    with autograd.record():
        _, weights = block(x, them)
        loss, _ = CenterMassLoss()(weights, weights < -80)
    loss.backward()
    assert -1e4 < weights.min().asscalar() < -110  # its exponential is 0 in float32
    gradients = [parameter.grad().asnumpy() for parameter in block.collect_params("(?!.*linear).*").values()]
    assert all(np.isfinite(each).all() for each in gradients) and any(each.any() for each in gradients)


# --- as a layer -----------------------------------------------------------------------------------------------------


def test_parameters_have_the_published_shapes_and_initial_values():
    block = RelationModule()
    block.initialize()
    layers = {"pair_pos_fc1": (16, 64), "query": (1024, 1024), "key": (1024, 1024), "linear_out": (1024, 1024)}
    parameters = block._collect_params_with_prefix()
    assert {name: each.shape for name, each in parameters.items() if name.endswith("weight")} == {
        f"{name}.weight": shape for name, shape in layers.items()
    }
    for name in layers:
        weight, bias = (parameters[f"{name}.{kind}"].data().asnumpy() for kind in KINDS)
        np.testing.assert_allclose([weight.mean(), weight.std()], [0, 0.01], atol=1e-3)
        assert bias.shape == weight.shape[:1] and not bias.any()


@pytest.mark.parametrize("masked", [False, True])
def test_the_layer_can_be_exported_and_imported(masked, tmp_path):
    block = module(hybrid=True, nongt_dim=5)
    inputs = [nd.array(features(7)), nd.array(boxes(7)), *([nd.array(MASK)] if masked else [])]
    expected = block(*inputs)
    block.export(str(tmp_path / "relation"))
    files = str(tmp_path / "relation-symbol.json"), ["data0", "data1", "data2"], str(tmp_path / "relation-0000.params")
    imported = gluon.SymbolBlock.imports(files[0], files[1][: len(inputs)], files[2])
    for one, other in zip(imported(*inputs), expected, strict=True):
        np.testing.assert_array_equal(one.asnumpy(), other.asnumpy())
