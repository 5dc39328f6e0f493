"""Checking gradients: subgradients at kinks, what central differences see beside them, mistakes that were planted."""

import numpy as np
import pytest

import backpass as bp
import reference
from registry import DTYPES, ISAS, generator, using_isa

# Kinks.

SELU_AT_0 = reference.SELU_SCALE * reference.SELU_ALPHA
# Functions, a point at which their slope jumps, and the subgradient there.
KINKS = {
    "relu": (bp.relu, 0, 0),
    "leaky_relu": (lambda x: bp.leaky_relu(x, 0.3), 0, 0.3),
    "elu": (lambda x: bp.elu(x, 0.5), 0, 0.5),
    "selu": (bp.selu, 0, SELU_AT_0),
    "hardtanh, below": (bp.hardtanh, -1, 0),
    "hardtanh, above": (bp.hardtanh, 1, 0),
    "relu6, below": (bp.relu6, 0, 0),
    "relu6, above": (bp.relu6, 6, 0),
    "abs": (bp.abs, 0, 0),
    "maximum": (lambda x: bp.maximum(3 * x, x), 0, 3),  # the first of two that are equal
    "minimum": (lambda x: bp.minimum(x, 3 * x), 0, 1),
    "sign": (bp.sign, 0, 0),
    "step": (bp.step, 0, 0),
    "greater": (lambda x: bp.greater(x, 0 * x) + 0 * x, 0, 0),  # a choice alone is an error
}
LAYERS = {
    "ReLU": (bp.ReLU(), 0, 0),
    "LeakyReLU": (bp.LeakyReLU(0.3), 0, 0.3),
    "ELU": (bp.ELU(0.5), 0, 0.5),
    "SELU": (bp.SELU(), 0, SELU_AT_0),
    "Hardtanh, below": (bp.Hardtanh(-0.5, 1.5), -0.5, 0),
    "Hardtanh, above": (bp.Hardtanh(-0.5, 1.5), 1.5, 0),
    "ReLU6, below": (bp.ReLU6(), 0, 0),
    "ReLU6, above": (bp.ReLU6(), 6, 0),
}


@pytest.mark.row("A26")
@pytest.mark.row("V3")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", [*KINKS, *LAYERS])
def test_the_subgradient_at_a_kink(name, isa, dtype):
    """In a row of kinks, so that it is the same wherever an element lies in a vector."""
    function, kink, subgradient = {**KINKS, **LAYERS}[name]
    with using_isa(isa):
        x = bp.Input(19, dtype=dtype)
        model = bp.Network(x, function(x), seed=0)
        model.forward(np.full((1, 19), kink))
        slopes = model.backward(np.ones((1, 19)))
    np.testing.assert_allclose(slopes, np.full((1, 19), subgradient), rtol=1e-6 if dtype == "float32" else 1e-15)


@pytest.mark.row("A26")
@pytest.mark.parametrize("name", [*KINKS, *LAYERS])
def test_differences_agree_off_the_kink(name):
    """On both sides of it, through a layer whose parameters move what goes in."""
    function, kink, _ = {**KINKS, **LAYERS}[name]
    x = bp.Input(3, dtype="float64")
    moved = x * bp.parameter((3,), "float64", "scale", "ones") + bp.parameter((3,), "float64", "shift", "zeros")
    model = bp.Network(x, function(moved), seed=0)
    rows = kink + np.array([[-0.6, -0.3, -0.1], [0.1, 0.3, 0.6]])
    assert bp.gradcheck(model, bp.MSE(), rows, generator(name).standard_normal((2, 3))) < 1e-6


@pytest.mark.row("A26")
def test_the_loss_may_have_a_kink():
    """MAE: the gradient is the sign of the error, and 0 where there is none."""
    model = bp.Sequential(bp.Identity(), input_shape=3, dtype="float64")
    x, y = np.array([[1.0, 2.0, 3.0]]), np.array([[2.0, 2.0, 2.0]])
    _, to_output = bp.MAE().value_and_grad(model.forward(x), y)
    np.testing.assert_allclose(model.backward(to_output), [[-1 / 3, 0, 1 / 3]], rtol=1e-15)
    dense = bp.Sequential(bp.Dense(3, activation="relu"), bp.Dense(2), input_shape=4, seed=1, dtype="float64")
    rng = generator("mae")
    for loss in (bp.MAE(), bp.Huber(0.1)):
        assert bp.gradcheck(dense, loss, rng.standard_normal((4, 4)), rng.standard_normal((4, 2))) < 1e-6


@pytest.mark.row("A26")
def test_training_passes_through_kinks():
    """|x| is two units of ReLU: a fit that ends far below the best line."""
    x = np.linspace(-1, 1, 41)[:, None]
    model = bp.Sequential(bp.Dense(16, activation="relu"), bp.Dense(1), input_shape=1, seed=1, dtype="float64")
    losses = model.fit(x, np.abs(x), loss=bp.MAE(), optimizer=bp.Adam(0.01), epochs=200, seed=1, progress=False)["loss"]
    assert losses[-1] < 0.02 < losses[0]


# Mistakes.

PARTS = ("x", "weight", "bias")


class Planted(bp.Layer):
    """tanh(x W^T + b) by NumPy; one of its three gradients is wrong by a factor."""

    def __init__(self, wrong, factor):
        self.wrong, self.factor = wrong, factor

    def build(self, x):
        return [self.parameter("weight", (3, x.shape[-1])), self.parameter("bias", (3,), "ones")]

    def output_shape(self, shape):
        return (shape[0], 3)

    def forward(self, x, weight, bias):
        return np.tanh(x @ weight.T + bias)

    def backward(self, grad, x, weight, bias):
        delta = grad * reference.tanh_derivative(x @ weight.T + bias)
        grads = dict(zip(PARTS, reference.dense_backward(x, weight, delta), strict=True))
        grads[self.wrong] = grads[self.wrong] * self.factor
        return tuple(grads.values())


class PlantedInOperations(bp.Layer):
    """The same composed: the value of a part is right, and only a factor of its gradient flows back."""

    def __init__(self, wrong, factor):
        self.wrong, self.factor = wrong, factor

    def forward(self, x):
        parts = {
            "x": x,
            "weight": self.parameter("weight", (3, x.shape[-1])),
            "bias": self.parameter("bias", (3,), "ones"),
        }
        part = parts[self.wrong]
        parts[self.wrong] = self.factor * part + (1 - self.factor) * bp.stop_gradient(part)
        return bp.tanh(bp.matmul(parts["x"], parts["weight"], transpose_b=True) + parts["bias"])


MISTAKES = {"sign": (-1.0, 2.0), "scale": (2.0, 0.5), "one per mille": (1.001, 1e-3), "missing": (0.0, 1.0)}


@pytest.fixture
def data():
    rng = generator("planted")
    return rng.standard_normal((5, 4)), rng.standard_normal((5, 2))


def model_with(layer, dtype="float64"):
    return bp.Sequential(layer, bp.Dense(2), input_shape=4, seed=1, dtype=dtype)


@pytest.mark.row("C1")
@pytest.mark.row("C2")
@pytest.mark.parametrize("kind", [Planted, PlantedInOperations])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_right_layer_passes(kind, dtype, data):
    assert bp.gradcheck(model_with(kind("weight", 1.0), dtype), bp.MSE(), *data) < 1e-6


@pytest.mark.row("C1")
@pytest.mark.row("C2")
@pytest.mark.row("C7")
@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("wrong", PARTS)
@pytest.mark.parametrize("kind", [Planted, PlantedInOperations])
def test_a_planted_mistake_is_caught_and_named(kind, wrong, mistake, data):
    factor, expected = MISTAKES[mistake]
    error = bp.gradcheck(model_with(kind(wrong, factor)), bp.MSE(), *data)
    assert error == pytest.approx(expected, rel=0.01)
    name = wrong if wrong == "x" else f"0.{wrong}"
    assert error.where.startswith(f"{name}[")
    assert repr(error) == f"{float(error):.3g} at {error.where}"


@pytest.mark.row("C2")
def test_a_mistake_in_one_element_is_found_where_it_is(data):
    class OneElement(Planted):
        def backward(self, grad, x, weight, bias):
            grads = super().backward(grad, x, weight, bias)
            grads[1][2, 3] *= -1
            return grads

    error = bp.gradcheck(model_with(OneElement("x", 1.0)), bp.MSE(), *data)
    assert error.where == "0.weight[2, 3]"
    assert error == pytest.approx(2)


@pytest.mark.row("C1")
@pytest.mark.parametrize("dtype", DTYPES)
def test_checking_leaves_no_trace(dtype, data):
    """Parameters, gradients, random numbers and the arrays."""
    models = [
        bp.Sequential(bp.Dense(3), bp.Dropout(0.5), bp.Dense(2), input_shape=4, seed=1, dtype=dtype) for _ in range(2)
    ]
    kept = [array.copy() for array in data]
    models[0].flat_gradients[:] = np.arange(models[0].n_parameters)
    assert bp.gradcheck(models[0], bp.MSE(), *data) < 1e-6
    np.testing.assert_array_equal(models[0].flat_gradients, np.arange(models[0].n_parameters))
    np.testing.assert_array_equal(models[0].flat_parameters, models[1].flat_parameters)
    for array, before in zip(data, kept, strict=True):
        np.testing.assert_array_equal(array, before)
    np.testing.assert_array_equal(*(model.forward(data[0]) for model in models))  # the next masks, for both


def test_the_network_may_have_no_parameters(data):
    error = bp.gradcheck(bp.Sequential(bp.Tanh(), input_shape=4), bp.MSE(), data[0], data[0][::-1])
    assert error < 1e-6
    assert error.where.startswith("x[")
