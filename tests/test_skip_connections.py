"""Skip connections: gradients at a split, deep networks, inputs that a layer ignores."""

import pickle

import numpy as np
import pytest

import backpass as bp
from test_layer_calls import ROWS


@pytest.mark.row("A12")
@pytest.mark.row("G14")
def test_the_gradient_at_a_split_is_the_sum_over_the_branches(rng):
    x = bp.Input(4, dtype="float64")
    branches = [bp.Dense(4, activation="tanh")(x), bp.Dense(4, activation="sigmoid")(x)]
    model = bp.Network(x, branches[0] + branches[1], seed=1)
    skip = bp.Sequential(bp.Residual(bp.Dense(4, activation="tanh")), input_shape=4, dtype="float64")
    rows, grad = rng.standard_normal((2, ROWS, 4))
    parts = []
    for at, branch in enumerate(branches):
        alone = bp.Network(x, branch, seed=0)
        for name in ("weight", "bias"):
            alone.parameters()[f"0.{name}"][:] = model.parameters()[f"{at}.{name}"]
        alone.forward(rows)
        parts.append(alone.backward(grad))
    model.forward(rows)
    np.testing.assert_allclose(model.backward(grad), parts[0] + parts[1], rtol=0, atol=1e-15)
    for name in ("weight", "bias"):
        skip.parameters()[f"0.0.{name}"][:] = model.parameters()[f"0.{name}"]
    skip.forward(rows)
    np.testing.assert_allclose(skip.backward(grad), parts[0] + grad, rtol=0, atol=1e-15)


def fifty_layers(residual):
    layers = [bp.Dense(16, activation="sigmoid") for _ in range(50)]
    blocks = [bp.Residual(layer) for layer in layers] if residual else layers
    return bp.Sequential(bp.Dense(16), *blocks, bp.Dense(1), input_shape=1, seed=1, dtype="float64")


@pytest.mark.row("G14")
@pytest.mark.row("S1")
@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
def test_fifty_layers_train_with_skip_connections_only(residual):
    """Each sigmoid takes 3/4 of the gradient or more; past a skip connection all of it comes through."""
    model = fifty_layers(residual)
    x = np.linspace(-1, 1, 64)[:, None]
    y = np.sin(3 * x)
    shown = model.backprop(x, y, bp.MSE())[1:-1]
    first, last = (np.linalg.norm(layer["delta"]) for layer in (shown[0], shown[-1]))
    assert 0.1 < first / last < 10 if residual else first / last < 1e-20
    losses = model.fit(x, y, loss=bp.MSE(), optimizer=bp.Adam(1e-2), epochs=500, batch_size=64, progress=False)["loss"]
    assert min(losses) < 0.1 * y.var() if residual else min(losses) > 0.9 * y.var()


class TakesFirst(bp.Layer):
    def forward(self, a, b):
        return a * 2.0


def test_a_layer_may_ignore_an_input():
    a, b = bp.Input(3, name="a"), bp.Input(3, name="b")
    model = bp.Network(a, TakesFirst()(a, bp.exp(a)), seed=0)
    np.testing.assert_array_equal(model.predict(np.ones((2, 3))), np.full((2, 3), 2.0))
    again = pickle.loads(pickle.dumps(bp.Network([a, b], TakesFirst()(a, b), seed=0)))
    np.testing.assert_array_equal(again.predict([np.ones((2, 3)), np.zeros((2, 3))]), np.full((2, 3), 2.0))


def test_a_call_that_fails_leaves_no_parameter_within():
    block = bp.Residual(bp.Dense(4))
    with pytest.raises(ValueError, match="keep the shape"):
        block(bp.Input(6))
    assert block(bp.Input(4)).shape == (None, 4)


def test_a_loaded_graph_can_be_built_upon(tmp_path):
    """Its layers are told apart from those of this process."""
    model = bp.Sequential(bp.Dense(5), bp.Dense(4), input_shape=3, seed=0)
    model.save(tmp_path / "model.safetensors")
    loaded = pickle.loads(pickle.dumps(bp.load(tmp_path / "model.safetensors")))
    output = bp.Dense(2)(loaded.graph.outputs[0])
    longer = bp.Network(loaded.graph.inputs, output, seed=0)
    assert list(longer.parameters())[-2:] == ["2.weight", "2.bias"]


@pytest.mark.parametrize("key", [(..., ...), 1.5, "a", [0.5], {}])
def test_an_index_that_is_none_is_refused(key):
    with pytest.raises((TypeError, IndexError)):
        bp.Input((3, 4))[key]
