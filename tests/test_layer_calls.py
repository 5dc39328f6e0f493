"""Layers as functions: called twice, held by other layers, and around a skip connection."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp

ROWS = 7


# Called twice: the same parameters twice.


@pytest.mark.row("A12")
def test_the_gradient_of_a_shared_layer_is_the_sum_over_its_uses(rng):
    left, right = (bp.Input(3, dtype="float64", name=name) for name in ("left", "right"))
    shared, first, second = (bp.Dense(4, activation="tanh") for _ in range(3))
    once = bp.Network([left, right], shared(left) * shared(right), seed=1)
    twice = bp.Network([left, right], first(left) * second(right), seed=1)
    assert [*once.parameters()] == ["0.weight", "0.bias"]
    assert [*twice.parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    for name, value in twice.parameters().items():
        value[:] = once.parameters()[f"0.{name[2:]}"]

    x, y = list(rng.standard_normal((2, ROWS, 3))), rng.standard_normal((ROWS, 4))
    np.testing.assert_array_equal(once.predict(x), twice.predict(x))
    _, grads = once.value_and_grad(x, y, bp.MSE())
    _, parts = twice.value_and_grad(x, y, bp.MSE())
    for name in ("weight", "bias"):
        np.testing.assert_allclose(grads[f"0.{name}"], parts[f"0.{name}"] + parts[f"1.{name}"], rtol=0, atol=1e-15)
    assert bp.gradcheck(once, bp.MSE(), x, y) < 1e-6


def test_a_layer_twice_in_a_sequential_is_shared(rng):
    """As in PyTorch. The layer keeps the name of its first place; those behind it count on."""
    layer = bp.Dense(3, activation="tanh")
    model = bp.Sequential(layer, layer, bp.Dense(1), input_shape=3, seed=1, dtype="float64")
    assert [*model.parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert model.n_parameters == 3 * 3 + 3 + 3 + 1
    x, y = rng.standard_normal((ROWS, 3)), rng.standard_normal(ROWS)
    w, b = model.parameters()["0.weight"], model.parameters()["0.bias"]
    twice = np.tanh(np.tanh(x @ w.T + b) @ w.T + b)
    expected = twice @ model.parameters()["2.weight"].T + model.parameters()["2.bias"]
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-13)
    assert bp.gradcheck(model, bp.MSE(), x, y) < 1e-6
    assert [line.split()[-1] for line in str(model.summary()).splitlines()[2:5]] == ["12", "0", "4"]


def by_pickle(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, by_pickle])
@pytest.mark.parametrize("input_shape", [3, None])
def test_twins_share_what_is_shared(twin, input_shape, rng):
    layer = bp.Dense(3)
    model = bp.Sequential(layer, bp.ReLU(), layer, input_shape=input_shape, seed=1)
    other = twin(model)
    x = rng.standard_normal((ROWS, 3))
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    assert [*other.parameters()] == ["0.weight", "0.bias"]


def test_a_shared_layer_is_saved_as_one(tmp_path, rng):
    layer = bp.Dense(3)
    model = bp.Sequential(layer, bp.ReLU(), layer, input_shape=3, seed=1)
    model.save(tmp_path / "model.safetensors")
    other, x = bp.load(tmp_path / "model.safetensors"), rng.standard_normal((ROWS, 3))
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    settings = {"loss": bp.MSE(), "optimizer": bp.Adam(), "seed": 1, "progress": False}
    assert other.fit(x, x, **settings) == model.fit(x, x, **{**settings, "optimizer": bp.Adam()})
    np.testing.assert_array_equal(other.flat_parameters, model.flat_parameters)


def test_models_that_use_the_same_layer_have_values_of_their_own(rng):
    layer, x = bp.Dense(3), bp.Input(2)
    y = layer(x)
    models = [
        bp.Network(x, y, seed=1),
        bp.Network(x, bp.tanh(y), seed=1),
        bp.Sequential(layer, input_shape=2, seed=1),
        bp.Sequential(layer, input_shape=5, seed=1, dtype="float64"),
    ]
    models[0].flat_parameters[:] = 0
    for other in models[1:]:
        assert other.flat_parameters.any()
    rows = rng.standard_normal((ROWS, 2))
    np.testing.assert_allclose(models[1].predict(rows), np.tanh(models[2].predict(rows)), rtol=0, atol=1e-6)


@pytest.mark.row("C5")
def test_a_call_that_does_not_fit_is_told_and_leaves_the_layer_usable():
    layer, x = bp.Dense(3), bp.Input(2)
    first = layer(x)
    for bad, error, message in (
        ([bp.Input(4)], ValueError, r"\[Dense\] its weight is float32 \(3, 2\) since its first call; .* \(3, 4\)"),
        ([bp.Input(2, dtype="float64")], ValueError, r"\[Dense\] its weight is float32 .* needs float64"),
        ([x, x], ValueError, r"\[Dense\] takes one input, got 2"),
        ([], ValueError, r"\[Dense\] takes one input, got 0"),
        ([np.ones((4, 2))], TypeError, r"\[Dense\] is called with tensors, got ndarray"),
    ):
        with pytest.raises(error, match=message):
            layer(*bad)
    model = bp.Network(x, first + layer(x), seed=0)
    assert [*model.parameters()] == ["0.weight", "0.bias"]
    np.testing.assert_allclose(
        model.predict(np.ones((1, 2))), 2 * model.parameters()["0.weight"].sum(1)[None], rtol=1e-6
    )


def test_a_first_call_that_fails_decides_nothing():
    """The width, above all."""
    block = bp.Residual(bp.Dense(3))
    with pytest.raises(ValueError, match=r"\[Residual\] its layers turn \(batch, 2\) into \(batch, 3\)"):
        block(bp.Input(2))
    layer = bp.Dense(3)
    with pytest.raises(ValueError, match=r"\[Dense\] needs an input of shape"):
        layer(bp.input((None,)))
    assert layer(bp.Input(2)).shape == (None, 3)


@pytest.mark.row("C5")
def test_a_sequential_names_the_layer_that_does_not_fit():
    layer = bp.Dense(3)
    with pytest.raises(ValueError, match=r"\[Dense 2\] its weight is float32 \(3, 4\) since its first call"):
        bp.Sequential(layer, bp.Dense(2), layer, input_shape=4)
    with pytest.raises(ValueError, match=r"\[Residual 1\] its layers turn \(batch, 4\) into \(batch, 3\)"):
        bp.Sequential(bp.Dense(4), bp.Residual(layer), input_shape=4)


def test_a_sequential_called_on_a_tensor_is_its_layers(rng):
    """Twice on two inputs: they share them. The model has weights of its own."""
    encoder = bp.Sequential(bp.Dense(5, activation="relu"), bp.Dense(2), input_shape=3, seed=1, dtype="float64")
    left, right = (bp.Input(3, dtype="float64", name=name) for name in ("left", "right"))
    model = bp.Network([left, right], encoder(left) - encoder(right), seed=1)
    assert [*model.parameters()] == [*encoder.parameters()]
    np.testing.assert_array_equal(model.flat_parameters, encoder.flat_parameters)
    x = list(rng.standard_normal((2, ROWS, 3)))
    np.testing.assert_allclose(model.predict(x), encoder.predict(x[0]) - encoder.predict(x[1]), rtol=0, atol=1e-15)
    model.flat_parameters[:] = 0
    assert encoder.flat_parameters.any()


# Layers within layers.


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


# Skip connections.


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


@pytest.mark.parametrize("key", [(..., ...), 1.5, None, [0], True])
def test_an_index_that_is_none_is_refused(key):
    with pytest.raises((TypeError, IndexError)):
        bp.Input((3, 4))[key]
