"""Gradients of whole networks: the exposed traces, the flat gradient, and what gradcheck says of them."""

import numpy as np
import pytest

import backpass as bp
import reference
from mlps import FEATURES, OUTPUTS, as_reference, gradients_of, mlp, off_kinks
from registry import ACTIVATIONS, LOSSES, by_name, generator

# What backprop shows.


@pytest.fixture
def shown():
    """What backprop of a network shows, and what the reference has: loss, trace, gradients."""
    layers = [bp.Dense(5, activation="sigmoid"), bp.Dense(4, activation="tanh"), bp.Dense(OUTPUTS)]
    model = bp.Sequential(*layers, input_shape=(FEATURES,), seed=2, dtype="float64")
    rng = generator("shown")
    x, y = rng.standard_normal((6, FEATURES)), rng.standard_normal((6, OUTPUTS))
    layers = as_reference(model, "sigmoid")
    layers[1].activation = "tanh"
    output, trace = reference.forward(layers, x)
    return (
        model.backprop(x, y, bp.HalfMSE()),
        trace,
        reference.backward(layers, trace, reference.half_mse(output, y)[1]),
    )


@pytest.mark.row("A3")
def test_backprop_shows_every_z_and_a(shown):
    layers, trace, _ = shown
    assert len(layers) == len(trace.z)
    for layer, z, a in zip(layers, trace.z, trace.a[1:], strict=True):
        np.testing.assert_allclose(layer["z"], z, rtol=0, atol=1e-13)
        np.testing.assert_allclose(layer["a"], a, rtol=0, atol=1e-13)


@pytest.mark.row("A6")
def test_backprop_shows_delta_and_its_outer_products(shown):
    layers, trace, (deltas, weight_grads, bias_grads, _) = shown
    for layer, a, delta, dw, db in zip(layers, trace.a[:-1], deltas, weight_grads, bias_grads, strict=True):
        np.testing.assert_allclose(layer["delta"], delta, rtol=0, atol=1e-13)
        np.testing.assert_allclose(layer["weight"], dw, rtol=0, atol=1e-13)
        np.testing.assert_allclose(layer["bias"], db, rtol=0, atol=1e-13)
        outer = sum(np.outer(delta[row], a[row]) for row in range(len(delta)))
        np.testing.assert_allclose(layer["weight"], outer, rtol=0, atol=1e-13)


@pytest.mark.row("A3")
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_backprop_shows_every_activation(activation):
    """Alone and as Dense(activation=...)."""
    model = bp.Sequential(
        bp.Dense(5), ACTIVATIONS[activation](), bp.Dense(OUTPUTS, activation=activation),
        input_shape=(FEATURES,), seed=2, dtype="float64",
    )  # fmt: skip
    rng = generator(activation, "shown")
    layers = model.backprop(rng.standard_normal((6, FEATURES)), rng.standard_normal((6, OUTPUTS)), bp.MSE())
    for layer in layers[1:]:
        np.testing.assert_allclose(layer["a"], reference.activate(activation, layer["z"]), rtol=0, atol=1e-13)


@pytest.mark.row("A3")
def test_backprop_updates_nothing():
    model = mlp("tanh", 2)
    before = model.flat_parameters.copy()
    model.backprop(np.ones((2, FEATURES)), np.ones((2, OUTPUTS)), bp.MSE())
    np.testing.assert_array_equal(model.flat_parameters, before)


# The flat gradient.


@pytest.mark.row("A20")
def test_the_flat_gradient_holds_all_parameters_and_round_trips():
    model = mlp("tanh", 3)
    assert model.flat_gradients.shape == model.flat_parameters.shape == (model.n_parameters,)
    assert sum(value.size for value in model.gradients().values()) == model.n_parameters
    model.flat_gradients[:] = np.arange(model.n_parameters)
    joined = np.concatenate([value.ravel() for value in model.gradients().values()])
    np.testing.assert_array_equal(joined, np.arange(model.n_parameters))
    model.gradients()["0.weight"][:] = -1
    assert np.count_nonzero(model.flat_gradients == -1) == model.gradients()["0.weight"].size


@pytest.mark.row("A21")
@pytest.mark.parametrize("case", **by_name(LOSSES))
def test_the_batch_gradient_is_the_mean_of_those_of_its_rows(case):
    rng = generator(case.name)
    model = mlp("tanh", 3)
    x, y = rng.standard_normal((9, FEATURES)), case.target(rng, 9, OUTPUTS)
    whole = gradients_of(model, case.make(), x, y)[2]
    rows = [gradients_of(model, case.make(), x[i : i + 1], y[i : i + 1])[2] for i in range(9)]
    np.testing.assert_allclose(whole, np.mean(rows, axis=0), rtol=0, atol=1e-14)


@pytest.mark.row("A22")
def test_gradients_add_up_until_they_are_reset():
    model = mlp("tanh", 2)
    x, grad = np.ones((2, FEATURES)), np.ones((2, OUTPUTS))
    model.forward(x)
    model.backward(grad)
    once = model.flat_gradients.copy()
    model.forward(x)
    model.backward(grad)
    np.testing.assert_array_equal(model.flat_gradients, 2 * once)
    model.zero_grad()
    assert not model.flat_gradients.any()
    model.forward(x)
    model.backward(grad)
    np.testing.assert_array_equal(model.flat_gradients, once)


# Checking gradients.


@pytest.mark.row("C1")
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("case", **by_name(LOSSES))
def test_gradcheck_passes_what_is_right(case, activation):
    rng = generator(case.name, activation)
    model = mlp(activation, 3)
    x = off_kinks(as_reference(model, activation), rng, 4)
    before = model.flat_parameters.copy()
    assert bp.gradcheck(model, case.make(), x, case.target(rng, len(x), OUTPUTS)) < 1e-6
    np.testing.assert_array_equal(model.flat_parameters, before)


def planted(bug):
    """A network with a right output and a wrong gradient: `bug` mixes x @ w with a copy that nothing flows through."""
    x = bp.Input(FEATURES, dtype="float64")
    w = bp.parameter((FEATURES, OUTPUTS), "float64", "w", "glorot_uniform")
    z = x @ w
    return bp.Network(x, bp.tanh(bug(z, bp.stop_gradient(z))), seed=1)


@pytest.mark.row("C1")
@pytest.mark.row("C7")
@pytest.mark.parametrize(
    ("bug", "caught"),
    [
        (lambda z, dead: z, False),
        (lambda z, dead: 2 * dead - z, True),  # the sign of the gradient
        (lambda z, dead: 0.5 * z + 0.5 * dead, True),  # its scale
        (lambda z, dead: 1.001 * z - 0.001 * dead, True),
        (lambda z, dead: dead, True),  # no gradient at all
    ],
    ids=["right", "sign", "scale", "slightly off", "missing"],
)
@pytest.mark.parametrize("case", **by_name(LOSSES))
def test_gradcheck_catches_what_is_wrong(case, bug, caught):
    rng = generator(case.name, "planted")
    x, y = rng.standard_normal((5, FEATURES)), case.target(rng, 5, OUTPUTS)
    error = bp.gradcheck(planted(bug), case.make(), x, y)
    assert error > 1e-4 if caught else error < 1e-6


@pytest.mark.parametrize("cuts", [
    [(0, 2), (2, 5)], [(0, 1), (3, 5)], [(0, 3), (2, 5)], [(2, 2), (0, 5)], [(0, 0), (1, 4), (5, 5)],
    [(4, 5), (0, 1), (2, 3)], [(3, 3)], [(1, 1), (2, 2)],
], ids=str)  # fmt: skip
def test_what_flows_to_parts_of_a_tensor_is_put_where_they_were(cuts):
    rng = np.random.default_rng(len(cuts))
    x, by = rng.standard_normal((3, 5)), [rng.standard_normal((3, end - begin)) for begin, end in cuts]
    whole = rng.standard_normal((3, 5))

    def value(x):
        return sum((bp.sum(x[:, a:b] ** 2 * w) for (a, b), w in zip(cuts, by, strict=True)), bp.sum(x * whole))

    wanted = whole.copy()
    for (a, b), w in zip(cuts, by, strict=True):
        wanted[:, a:b] += 2 * x[:, a:b] * w
    np.testing.assert_allclose(bp.grad(value)(x), wanted, rtol=1e-13)
    second = np.zeros((3, 5))
    for (a, b), w in zip(cuts, by, strict=True):
        second[:, a:b] += 2 * w
    np.testing.assert_allclose(bp.grad(lambda x: bp.sum(bp.grad(value)(x)))(x), second, rtol=1e-13)
