"""Layers within layers: names, gradients, files."""

import numpy as np
import pytest

import backpass as bp
from test_layer_calls import ROWS


class Block(bp.Layer):
    """Layers in an attribute, in a list, in a residual; and a parameter of its own."""

    def __init__(self, units):
        self.a = bp.Dense(units, activation="tanh")
        self.b = [bp.Dense(units), bp.Tanh()]
        self.c = bp.Residual(bp.Dense(units))

    def forward(self, x):
        y = self.a(x)
        for layer in self.b:
            y = layer(y)
        return self.c(y) * self.parameter("scale", (1,), "ones")


INSIDE = ["a.weight", "a.bias", "b.0.weight", "b.0.bias", "c.0.weight", "c.0.bias", "scale"]


@pytest.fixture
def nested():
    inner = bp.Residual(Block(3), bp.Residual(bp.Dense(5, activation="relu"), bp.Dense(3)))
    return bp.Sequential(Block(3), inner, bp.Dense(1), input_shape=2, seed=1, dtype="float64")


def test_names_tell_where_a_layer_is_held(nested):
    assert [*nested.parameters()] == [
        *(f"0.{name}" for name in INSIDE),
        *(f"1.0.{name}" for name in INSIDE),
        "1.1.0.weight", "1.1.0.bias", "1.1.1.weight", "1.1.1.bias", "2.weight", "2.bias",
    ]  # fmt: skip


@pytest.mark.row("A17")
def test_nested_layers_have_right_gradients_under_their_names(nested, rng):
    x, y = rng.standard_normal((ROWS, 2)), rng.standard_normal((ROWS, 1))
    assert bp.gradcheck(nested, bp.MSE(), x, y) < 1e-6
    _, expected = nested.value_and_grad(x, y, bp.MSE())
    layers = nested.backprop(x, y, bp.MSE())
    assert len(layers) == 3
    shown = {f"{at}.{name}": grad for at, layer in enumerate(layers) for name, grad in layer.items()}
    for name, grad in expected.items():
        np.testing.assert_allclose(shown[name], grad, rtol=0, atol=1e-15)


def test_nested_layers_come_back_from_a_file_without_their_classes(nested, rng, tmp_path):
    nested.save(tmp_path / "model.safetensors")
    other, x = bp.load(tmp_path / "model.safetensors"), rng.standard_normal((ROWS, 2))
    np.testing.assert_array_equal(other.predict(x), nested.predict(x))
    assert [*other.parameters()] == [*nested.parameters()]
    assert str(other.summary()) == str(nested.summary())


def test_a_layer_that_holds_layers_may_be_called_twice(rng):
    block, x = Block(3), bp.Input(3, dtype="float64")
    model = bp.Network(x, block(block(x)), seed=1)
    assert [*model.parameters()] == [f"0.{name}" for name in INSIDE]
    rows = rng.standard_normal((ROWS, 3))
    assert bp.gradcheck(model, bp.MSE(), rows, rows) < 1e-6


def test_names_of_a_graph_count_the_calls_of_its_layers():
    """Whatever else was called in between, and whichever operations stand between the layers."""
    x = bp.Input(2)
    first, other, second = bp.Dense(3), bp.Dense(7), bp.Dense(1)
    hidden = bp.relu(first(x))
    other(x)  # leads nowhere
    model = bp.Network(x, second(bp.Dropout(0.5)(hidden)), seed=0)
    assert [*model.parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
