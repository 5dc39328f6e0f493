"""Networks by hand: forward and backward apart, layer by layer."""

import copy

import numpy as np
import pytest

import backpass as bp
import reference
from test_networks import LOSSES, ROWS, assert_same, two_by_two


@pytest.fixture
def model():
    return two_by_two()


@pytest.fixture
def x(rng):
    return [rng.standard_normal((ROWS, 2)), rng.standard_normal((ROWS, 3))]


@pytest.fixture
def y(rng):
    return [rng.integers(0, 3, ROWS), rng.standard_normal((ROWS, 1))]


@pytest.mark.row("A16")
@pytest.mark.row("A22")
def test_forward_and_backward_by_hand(model, x, y):
    value, expected = model.value_and_grad(x, y, LOSSES)
    model.zero_grad()
    parts = [loss.value_and_grad(out, target) for loss, out, target in zip(LOSSES, model.forward(x), y, strict=True)]
    to_inputs = model.backward([grad for _, grad in parts])
    assert sum(part for part, _ in parts) == pytest.approx(value, rel=1e-14)
    for name, grad in model.gradients().items():
        np.testing.assert_allclose(grad, expected[name], rtol=0, atol=1e-15)
    for at, grad in enumerate(to_inputs):

        def cost(values, at=at):
            return model.evaluate([*x[:at], values, *x[at + 1 :]], y, loss=LOSSES)["loss"]

        assert reference.relative_error(grad, reference.numerical_gradient(cost, x[at])) < 1e-9

    once = model.flat_gradients.copy()
    model.forward(x)
    model.backward([grad for _, grad in parts])
    np.testing.assert_array_equal(model.flat_gradients, 2 * once)
    model.zero_grad()
    assert not model.flat_gradients.any()


def test_gradients_that_do_not_fit_the_outputs_leave_what_forward_kept(model, x):
    good = [np.ones((ROWS, 3)), np.ones((ROWS, 1))]
    model.forward(x)
    for bad, error in ((good[:1], ValueError), (good[::-1], ValueError), (good[0], TypeError)):
        with pytest.raises(error, match="grad_output"):
            model.backward(bad)
    assert not model.flat_gradients.any()
    assert [grad.shape for grad in model.backward(good)] == [(ROWS, 2), (ROWS, 3)]


@pytest.mark.row("A17")
def test_backprop_gives_the_gradients_by_layer_and_updates_nothing(model, x, y):
    _, expected = model.value_and_grad(x, y, LOSSES)
    before, gradients = model.flat_parameters.copy(), model.flat_gradients.copy()
    layers = model.backprop(x, y, LOSSES)
    for at, layer in enumerate(layers):
        for part in ("weight", "bias"):
            np.testing.assert_allclose(layer[part], expected[f"{at}.{part}"], rtol=0, atol=1e-15)
        np.testing.assert_allclose(layer["bias"], layer["delta"].sum(axis=0), rtol=0, atol=1e-15)
    assert_same([layers[2]["a"], layers[3]["a"]], model.predict(x))
    np.testing.assert_array_equal(model.flat_parameters, before)
    np.testing.assert_array_equal(model.flat_gradients, gradients)


@pytest.mark.row("A16")
def test_layers_run_one_by_one_are_the_whole_model(rng):
    """Backpropagation by hand: each layer gets the gradient that the next one gives to its input."""
    layers = [bp.Dense(6, activation="tanh"), bp.Dense(5, activation="gelu"), bp.Dense(3)]
    whole = bp.Sequential(*layers, input_shape=4, seed=1, dtype="float64")
    parts, width = [], 4
    for at, layer in enumerate(layers):
        parts.append(bp.Sequential(copy.deepcopy(layer), input_shape=width, dtype="float64"))
        width = layer.units
        for name, value in parts[-1].parameters().items():
            value[:] = whole.parameters()[name.replace("0.", f"{at}.", 1)]
    x, y = rng.standard_normal((ROWS, 4)), rng.integers(0, 3, ROWS)

    a = x
    for part in parts:
        a = part.forward(a)
    value, grad = bp.CrossEntropy().value_and_grad(a, y)
    for part in reversed(parts):
        grad = part.backward(grad)

    np.testing.assert_array_equal(a, whole.predict(x))
    expected_value, expected = whole.value_and_grad(x, y, bp.CrossEntropy())
    assert value == pytest.approx(expected_value, rel=1e-14)
    whole.forward(x)
    np.testing.assert_allclose(grad, whole.backward(bp.CrossEntropy().value_and_grad(a, y)[1]), rtol=0, atol=1e-15)
    for at, part in enumerate(parts):
        for name, ours in part.gradients().items():
            np.testing.assert_allclose(ours, expected[name.replace("0.", f"{at}.", 1)], rtol=0, atol=1e-15)
