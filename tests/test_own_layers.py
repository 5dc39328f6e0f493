"""Layers of one's own, composed of operations."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import backpass as bp
import reference
from registry import DTYPES, generator

ROWS, FEATURES, UNITS = 7, 4, 5


class Linear(bp.Layer):
    """What Dense computes, by the same operations."""

    def __init__(self, units):
        self.units = units

    def forward(self, x):
        weight = self.parameter("weight", (self.units, x.shape[-1]))
        return bp.matmul(x, weight, transpose_b=True) + self.parameter("bias", (self.units,), "zeros")


def model_of(layer, dtype="float64", seed=1):
    """The layer under test between others, so that it has a gradient to pass on."""
    layers = [bp.Dense(FEATURES, activation="tanh"), layer, bp.Tanh(), bp.Dense(2)]
    return bp.Sequential(*layers, input_shape=FEATURES, seed=seed, dtype=dtype)


@pytest.fixture
def x(rng):
    return rng.standard_normal((ROWS, FEATURES))


@pytest.fixture
def y(rng):
    return rng.standard_normal((ROWS, 2))


def fit(model, x, y, **options):
    settings = {"loss": bp.MSE(), "optimizer": bp.Adam(0.02), "batch_size": 3, "seed": 3, "progress": False}
    return model.fit(x, y, **{**settings, **options})


# Composed of operations.


@pytest.mark.row("A15")
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_composed_layer_is_the_layer_of_the_same_operations_to_the_bit(x, y, dtype):
    own, ours = model_of(Linear(UNITS), dtype), model_of(bp.Dense(UNITS), dtype)
    assert [*own.parameters()] == [*ours.parameters()]
    np.testing.assert_array_equal(own.flat_parameters, ours.flat_parameters)
    assert str(own.plan(8, training=True)) == str(ours.plan(8, training=True))
    assert fit(own, x, y, epochs=5) == fit(ours, x, y, epochs=5)
    np.testing.assert_array_equal(own.flat_parameters, ours.flat_parameters)
    np.testing.assert_array_equal(own.predict(x), ours.predict(x))


class Gated(bp.Layer):
    """sigmoid(g) * x + (1 - sigmoid(g)) * tanh(x W), with a parameter of one number and a captured setting."""

    def __init__(self, start):
        self.start = start

    def forward(self, x):
        gate = bp.sigmoid(self.parameter("gate", (1,), lambda shape, rng: np.full(shape, self.start)))
        mixed = bp.tanh(x @ self.parameter("weight", (x.shape[-1], x.shape[-1]), "orthogonal", gain=0.5))
        return gate * x + (1 - gate) * mixed


@pytest.mark.row("A15")
@pytest.mark.row("C2")
def test_forward_alone_gives_right_gradients(x, y):
    model = model_of(Gated(0.25))
    assert model.parameters()["1.gate"].tolist() == [0.25]
    assert bp.gradcheck(model, bp.MSE(), x, y) < 1e-6

    def cost(values):
        model.flat_parameters[:] = values
        return model.evaluate(x, y, loss=bp.MSE())["loss"]

    start = model.flat_parameters.copy()
    _, grads = model.value_and_grad(x, y, bp.MSE())
    flat = np.concatenate([grad.ravel() for grad in grads.values()])
    assert reference.relative_error(flat, reference.numerical_gradient(cost, start)) < 1e-9


def test_second_derivatives_pass_through_a_composed_layer(x, y):
    model = model_of(Gated(0.25))
    vector = generator("vector").standard_normal(model.n_parameters)
    objective = model.objective(x, y, bp.MSE())
    theta, h = objective.x0, 1e-4
    slope = (objective.jac(theta + h * vector) - objective.jac(theta - h * vector)) / (2 * h)
    np.testing.assert_allclose(objective.hessp(theta, vector), slope, rtol=1e-5, atol=1e-7)


LOADED = """
import sys, numpy as np, backpass as bp
model, x = bp.load(sys.argv[1]), np.load(sys.argv[2])
np.save(sys.argv[3], model.predict(x))
print([*model.parameters()], model.fit(x, x[:, :2], loss=bp.MSE(), optimizer=bp.SGD(0.1), progress=False).epochs)
"""


def test_a_composed_layer_is_saved_and_loads_where_its_class_is_unknown(x, y, tmp_path):
    model = model_of(Gated(0.25))
    fit(model, x, y)
    files = [tmp_path / name for name in ("model.safetensors", "x.npy", "y.npy")]
    model.save(files[0])
    np.save(files[1], x)
    done = subprocess.run([sys.executable, "-c", LOADED, *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{[*model.parameters()]} 1"
    np.testing.assert_array_equal(np.load(files[2]), model.predict(x))


def test_a_composed_layer_can_be_pickled_with_its_class(x):
    model = model_of(Gated(0.25))
    other = pickle.loads(pickle.dumps(model))
    assert repr(other.layers[1]) == "Gated(start=0.25)"
    np.testing.assert_array_equal(other.predict(x), model.predict(x))


class Product(bp.Layer):
    def forward(self, a, b):
        return a * b * self.parameter("scale", (1,), "ones")


class HostProduct(bp.Layer):
    def forward(self, a, b):
        return a * b

    def backward(self, grad, a, b):
        return grad * b, grad * a


@pytest.mark.row("C2")
@pytest.mark.parametrize("kind", [Product, HostProduct])
def test_layers_of_several_inputs_that_are_called_again(kind, x, y):
    a, b = (bp.Input(FEATURES, dtype="float64", name=name) for name in "ab")
    product = kind()
    model = bp.Network([a, b], bp.Dense(2)(product(product(a, b), a)), seed=1)
    assert bp.gradcheck(model, bp.MSE(), [x, x[::-1]], y) < 1e-6
    assert [name for name in model.parameters() if name.startswith("0.")] == (["0.scale"] if kind is Product else [])
