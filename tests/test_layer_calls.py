"""Layers as functions: called twice, the same parameters twice; calls that do not fit."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp

ROWS = 7


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


def test_models_that_use_the_same_layer_share_its_values(rng):
    layer, x = bp.Dense(3), bp.Input(2)
    y = layer(x)
    models = [
        bp.Network(x, y, seed=1),
        bp.Network(x, bp.tanh(y), seed=2),
        bp.Sequential(layer, input_shape=2, seed=3),
    ]
    models[0].flat_parameters[:] = rng.standard_normal(9)
    for other in models[1:]:
        np.testing.assert_array_equal(other.flat_parameters, models[0].flat_parameters)
    rows = rng.standard_normal((ROWS, 2))
    np.testing.assert_allclose(models[1].predict(rows), np.tanh(models[2].predict(rows)), rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match=r"since its first call.*: a layer has one set of weights, a copy of it has"):
        bp.Sequential(layer, input_shape=5)
    assert bp.Sequential(copy.deepcopy(layer), input_shape=5).n_parameters == 18


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
    """Twice on two inputs: they share them, with the model that is made of it, too."""
    encoder = bp.Sequential(bp.Dense(5, activation="relu"), bp.Dense(2), input_shape=3, seed=1, dtype="float64")
    left, right = (bp.Input(3, dtype="float64", name=name) for name in ("left", "right"))
    model = bp.Network([left, right], encoder(left) - encoder(right), seed=1)
    assert [*model.parameters()] == [*encoder.parameters()]
    np.testing.assert_array_equal(model.flat_parameters, encoder.flat_parameters)
    x = list(rng.standard_normal((2, ROWS, 3)))
    np.testing.assert_allclose(model.predict(x), encoder.predict(x[0]) - encoder.predict(x[1]), rtol=0, atol=1e-15)
    model.flat_parameters[:] = 0
    assert not encoder.flat_parameters.any()
