"""Activations of one's own: functions of tensors that `Dense` takes."""

import numpy as np
import pytest

import backpass as bp
import reference
from test_own_layers import FEATURES, ROWS, UNITS, fit, model_of


@pytest.fixture
def x(rng):
    return rng.standard_normal((ROWS, FEATURES))


@pytest.fixture
def y(rng):
    return rng.standard_normal((ROWS, 2))


class Function(bp.Layer):
    """An activation from f and f', both of NumPy."""

    def __init__(self, f, slope):
        self._f, self._slope = f, slope

    def forward(self, z):
        return self._f(z)

    def backward(self, grad, z):
        return grad * self._slope(z)


def bent(z):
    return z + bp.square(bp.tanh(z))


BENT = {
    "by operations": lambda: bent,
    "by NumPy": lambda: Function(
        lambda z: z + np.tanh(z) ** 2, lambda z: 1 + 2 * np.tanh(z) * reference.tanh_derivative(z)
    ),
}


@pytest.mark.row("V8")
@pytest.mark.parametrize("written", BENT)
def test_an_activation_of_ones_own(written, x, y):
    activation = BENT[written]()
    layers = [bp.Dense(UNITS, activation=activation), bp.Dense(2, activation=activation)]
    model = bp.Sequential(*layers, input_shape=FEATURES, seed=1, dtype="float64")
    assert [*model.parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert bp.gradcheck(model, bp.MSE(), x, y) < 1e-6
    a = x
    for layer, shown in zip(layers, model.backprop(x, y, bp.MSE()), strict=True):
        at = layers.index(layer)
        z = reference.dense_forward(a, model.parameters()[f"{at}.weight"], model.parameters()[f"{at}.bias"])
        a = z + np.tanh(z) ** 2
        np.testing.assert_allclose(shown["z"], z, rtol=0, atol=1e-14)
        np.testing.assert_allclose(shown["a"], a, rtol=0, atol=1e-14)
    losses = fit(model, x, y, epochs=200)["loss"]
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.row("V8")
def test_an_activation_by_operations_is_ours_where_they_are_the_same(x, y):
    own, ours = model_of(bp.Dense(UNITS, activation=bp.gelu)), model_of(bp.Dense(UNITS, activation="gelu"))
    np.testing.assert_array_equal(own.flat_parameters, ours.flat_parameters)  # He: the operation is what counts
    assert fit(own, x, y, epochs=3) == fit(ours, x, y, epochs=3)
    np.testing.assert_array_equal(own.flat_parameters, ours.flat_parameters)
