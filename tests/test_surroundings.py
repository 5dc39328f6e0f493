"""What traced functions read from around them: models, tensors with values, arrays."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, generator


def model(dtype="float64"):
    layers = bp.Dense(6, activation="tanh"), bp.BatchNorm(), bp.Dropout(0.5), bp.Dense(2)
    return bp.Sequential(*layers, input_shape=3, seed=0, dtype=dtype)


def data(dtype="float64"):
    rng = generator("surroundings")
    return rng.standard_normal((5, 3)).astype(dtype), rng.standard_normal((5, 2)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_model_in_a_function_is_read_where_it_lives(dtype):
    net, (x, y) = model(dtype), data(dtype)
    predict = bp.compile(lambda x: net(x))
    np.testing.assert_allclose(predict(x), net.predict(x), rtol=1e-6)
    before = predict(x)
    net.fit(x, y, loss="mse", optimizer="sgd", epochs=2)
    np.testing.assert_allclose(predict(x), net.predict(x), rtol=1e-6)
    assert np.abs(predict(x) - before).max() > 1e-3
    assert len(predict) == 1


def test_gradients_and_maps_of_a_model():
    net, (x, _) = model(), data()
    f, parameters = net.functional()
    got = bp.grad(lambda x: bp.sum(net(x) ** 2))(x)
    np.testing.assert_allclose(got, bp.grad(lambda x: bp.sum(f(parameters, x) ** 2))(x), rtol=1e-13)
    each = bp.vmap(lambda row: net(row[None])[0])(x)
    np.testing.assert_allclose(each, net.predict(x), rtol=1e-13)


def test_a_layer_that_a_model_has_built():
    layer = bp.Dense(2)
    net = bp.Sequential(layer, input_shape=3, seed=0, dtype="float64")
    x, _ = data()
    np.testing.assert_allclose(bp.compile(lambda x: layer(x))(x), net.predict(x), rtol=1e-14)


def test_a_layer_without_values_is_refused():
    layer = bp.Dense(2)
    with pytest.raises(ValueError, match='parameter "weight" has no value yet: call its model or layer before'):
        bp.compile(lambda x: layer(x))(np.ones((1, 3)))


def test_eager_tensors_are_read_at_each_call():
    w = bp.tensor(np.array([1.0, 2.0]), requires_grad=True)
    twice = 2 * w
    f = bp.compile(lambda x: (bp.sum(x * w), bp.sum(x * twice), w))
    x = np.array([1.0, 10.0])
    assert [float(v) for v in f(x)[:2]] == [21.0, 42.0]
    bp.SGD([w], lr=1.0).apply_gradients([(np.array([0.0, 1.0]), w)])
    first, second, itself = f(x)
    assert float(first) == 11.0
    assert float(second) == 42.0  # what was computed stays
    np.testing.assert_array_equal(itself, [1.0, 1.0])
    assert len(f) == 1


def test_a_parameter_of_a_model():
    net, (x, y) = model("float32"), data("float32")
    weight = net.trainable_variables[0]
    penalty = bp.compile(lambda scale: scale * bp.sum(weight**2))
    net.fit(x, y, loss="mse", optimizer="sgd", epochs=1)
    np.testing.assert_allclose(penalty(2.0), 2 * np.sum(net.parameters()["0.weight"] ** 2), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_arrays_are_inputs_that_were_copied(dtype):
    big = generator("big").standard_normal((300, 400)).astype(dtype)
    kept = big.copy()
    f = bp.compile(lambda x: big @ x)
    x = np.ones(400, dtype)
    np.testing.assert_allclose(f(x), kept @ x, rtol=1e-4, atol=1e-4)
    assert [t.kind for t in f.graph(x).ops].count("values") == 0
    big[:] = 0  # the copy stays
    np.testing.assert_allclose(f(x), kept @ x, rtol=1e-4, atol=1e-4)
    rows = np.arange(70_000) % 3
    table = bp.compile(lambda x: bp.take(x, rows))
    np.testing.assert_array_equal(table(np.arange(3.0)), np.arange(3.0)[rows])


def test_concat_stack_and_labels_take_arrays():
    ones = np.ones((2, 1))
    f = bp.compile(lambda x: (bp.concat([x, ones], axis=1), bp.stack([ones, x], axis=0)))
    side, behind = f(2 * ones)
    np.testing.assert_array_equal(side, [[2, 1], [2, 1]])
    np.testing.assert_array_equal(behind, [ones, 2 * ones])
    np.testing.assert_array_equal(bp.concat([np.zeros(2), bp.tensor([1.0])]).numpy(), [0, 0, 1])
    np.testing.assert_array_equal(bp.take_label(bp.tensor([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 0])).numpy(), [2, 3])
    with pytest.raises(TypeError, match=r"\[concat\] takes a tensor, got none"):
        bp.concat([ones, ones])
