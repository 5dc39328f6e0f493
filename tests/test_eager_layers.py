"""Layers called one by one on eager tensors."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, generator


def rows(n=5, width=3, dtype="float32"):
    return generator("eager layers").standard_normal((n, width)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_layers_one_by_one_are_the_model_made_of_them(dtype):
    first, second = bp.Dense(4, activation="tanh"), bp.Dense(2)
    x = rows(dtype=dtype)
    y = second(first(bp.tensor(x)))
    assert y.is_eager
    assert y.dtype == dtype
    model = bp.Sequential(first, second, input_shape=3, dtype=dtype)
    np.testing.assert_allclose(y.numpy(), model.predict(x), rtol=1e-5)
    values = model.state_dict()
    weight = np.asarray(values["0.weight"])
    expected = np.tanh(x @ weight.T + values["0.bias"]) @ np.asarray(values["1.weight"]).T + values["1.bias"]
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_gradients_of_layers_train_the_model_made_of_them():
    first, second = bp.Dense(8, activation="tanh"), bp.Dense(1)
    x, y = rows(16), rows(16)[:, :1] ** 2
    model = bp.Sequential(first, second, input_shape=3, seed=0)
    optimizer = bp.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        h = first(bp.tensor(x))
        if float(bp.max(bp.abs(h))) > 2:  # never: control flow over values between layers
            h = h / 2
        loss = bp.MSE()(second(h), y)
        loss.backward()
        losses.append(float(loss))
        optimizer.step()
    assert losses[-1] < 0.05 * losses[0]


def test_gradients_are_those_of_the_model():
    first, second = bp.Dense(4, activation="tanh"), bp.Dense(2)
    x = rows()
    bp.sum(second(first(bp.tensor(x)))).backward()
    model = bp.Sequential(first, second, input_shape=3)
    one_by_one = {name: np.array(value) for name, value in model.gradients().items()}
    model.zero_grad()
    bp.sum(model(x)).backward()
    for name, value in model.gradients().items():
        assert np.abs(value).max() > 0
        np.testing.assert_allclose(one_by_one[name], value, rtol=1e-5, atol=1e-6)


def test_a_layer_has_one_home_for_all_numbers_of_rows_and_positions():
    layer = bp.Dense(2)
    x = rows(4)
    flat = layer(bp.tensor(x)).numpy()
    np.testing.assert_allclose(layer(bp.tensor(x[:1])).numpy(), flat[:1], rtol=1e-6)
    np.testing.assert_allclose(layer(bp.tensor(x[:, None])).numpy()[:, 0], flat, rtol=1e-6)


def test_a_layer_of_a_model_is_called_alone():
    model = bp.Sequential(bp.Dense(4), bp.Dense(2), input_shape=3, seed=0)
    x = rows()
    np.testing.assert_allclose(model.layers[0](bp.tensor(x)).numpy(), model[:1].predict(x), rtol=1e-6)


def test_layers_of_ones_own_and_of_whole_numbers():
    class Scale(bp.Layer):
        def forward(self, x):
            return x * self.parameter("scale", x.shape[-1:], "ones")

    assert Scale()(bp.tensor(rows())).tolist() == rows().tolist()
    table = bp.Embedding(7, 3)
    indices = bp.tensor(np.array([[1, 2], [2, 1]], np.int32))
    found = table(indices).numpy()
    assert found.shape == (2, 2, 3)
    assert found[0, 0].tolist() == found[1, 1].tolist()


def test_dropout_alone_follows_the_recording_of_gradients():
    layer = bp.Dropout(0.5)
    ones = bp.tensor(np.ones((64, 8), np.float32))
    with bp.no_grad():
        assert layer(ones).tolist() == ones.tolist()
    assert set(np.unique(layer(ones).numpy())) == {0.0, 2.0}


def test_copies_of_a_called_layer_begin_anew():
    layer = bp.Dense(2)
    x = bp.tensor(rows())
    y = layer(x).numpy()
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert repr(other) == repr(layer)
        assert (other(x).numpy() != y).any()


def test_what_does_not_fit_is_refused():
    layer = bp.Dense(2)
    layer(bp.tensor(rows()))
    with pytest.raises(ValueError, match="Dense"):
        layer(bp.tensor(rows(width=4)))
    with pytest.raises(ValueError, match=r"\[Dense\] needs a tensor whose first axis is the batch, got a number"):
        bp.Dense(2)(bp.tensor(1.0))
    with pytest.raises(TypeError, match=r"\[Dense\] is called with tensors, got ndarray"):
        layer(rows())
