"""Layers by NumPy: the same as those of operations, with arrays of their own, on any thread."""

import numpy as np
import pytest

import backpass as bp
import reference
from backpass._core import set_sharing_cut
from registry import DTYPES
from test_own_layers import FEATURES, ROWS, UNITS, fit, model_of


class HostLinear(bp.Layer):
    """A linear layer by NumPy. `fault` breaks a result; `calls` counts."""

    def __init__(self, units):
        self.units = units
        self._fault, self._calls = {}, []

    def build(self, x):
        return [self.parameter("weight", (self.units, x.shape[-1])), self.parameter("bias", (self.units,), "zeros")]

    def output_shape(self, shape):
        return (*shape[:-1], self.units)

    def forward(self, x, weight, bias):
        self._calls.append("forward")
        return self._result("forward", x @ weight.T + bias)

    def backward(self, grad, x, weight, bias):
        self._calls.append("backward")
        return self._result("backward", reference.dense_backward(x, weight, grad))

    def _result(self, what, result):
        return self._fault[what](result) if what in self._fault else result


@pytest.fixture
def shared():
    """Every stage is shared between workers, however small."""
    set_sharing_cut(False)
    yield
    set_sharing_cut(True)


@pytest.fixture
def x(rng):
    return rng.standard_normal((ROWS, FEATURES))


@pytest.fixture
def y(rng):
    return rng.standard_normal((ROWS, 2))


@pytest.mark.row("C2")
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_layer_by_numpy_is_the_same_layer(x, y, dtype):
    own, ours = model_of(HostLinear(UNITS), dtype), model_of(bp.Dense(UNITS), dtype)
    np.testing.assert_array_equal(own.flat_parameters, ours.flat_parameters)
    limit = 1e-6 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(own.predict(x), ours.predict(x), rtol=limit, atol=limit)
    theirs, expected = fit(own, x, y, epochs=10)["loss"], fit(ours, x, y, epochs=10)["loss"]
    np.testing.assert_allclose(theirs, expected, rtol=10 * limit)
    assert theirs[-1] < 0.8 * theirs[0]
    assert bp.gradcheck(own, bp.MSE(), x, y) < 1e-6


def test_forward_and_backward_are_called_once_each(x, y):
    layer = HostLinear(UNITS)
    model = model_of(layer)
    layer._calls.clear()
    bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).step(x, y)
    assert layer._calls == ["forward", "backward"]
    model.forward(x)
    model.backward(y)
    assert layer._calls == ["forward", "backward"] * 2
    model.predict(x)
    assert layer._calls == [*["forward", "backward"] * 2, "forward"]


class Seen(bp.Layer):
    """Keeps what it gets."""

    def __init__(self):
        self._arrays = []

    def forward(self, x):
        self._arrays.append((x, x.copy()))
        return 2 * x

    def backward(self, grad, x):
        self._arrays += [(grad, grad.copy()), (x, x.copy())]
        return 2 * grad


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_belong_to_whom_they_are_given(x, y, dtype):
    layer = Seen()
    model = model_of(layer, dtype)
    fit(model, x, y, epochs=3)
    assert len(layer._arrays) == 3 * 3 * 3
    for array, copied in layer._arrays:
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, copied)


class Scribbler(bp.Layer):
    """Writes into what it got, which is its own."""

    def forward(self, x):
        y = 2 * x
        x[:] = np.nan
        return y

    def backward(self, grad, x):
        given = 2 * grad
        x[:] = grad[:] = np.nan
        return given


def test_writing_into_the_arrays_changes_nothing(x, y):
    own, seen = model_of(Scribbler()), model_of(Seen())
    assert fit(own, x, y, epochs=3) == fit(seen, x, y, epochs=3)
    np.testing.assert_array_equal(own.flat_parameters, seen.flat_parameters)


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("layers", [1, 3])
def test_two_threads_give_the_bits_of_one(x, layers):
    """Also where there is nothing but the layer."""
    models = [
        bp.Sequential(*(HostLinear(FEATURES) for _ in range(layers)), input_shape=FEATURES, seed=1) for _ in range(2)
    ]
    results = [fit(model, x, x, epochs=5, threads=threads) for threads, model in zip((1, 2), models, strict=True)]
    assert results[0] == results[1]
    np.testing.assert_array_equal(models[0].flat_parameters, models[1].flat_parameters)
    np.testing.assert_array_equal(models[0].predict(x, threads=1), models[1].predict(x, threads=2))


class Subnormals(bp.Layer):
    """Whether the smallest numbers are still numbers."""

    def __init__(self):
        self._kept = []

    def _look(self):
        smallest = np.array([5e-324]), np.array([1e-45], dtype=np.float32)
        self._kept.append(all((number * 1 != 0).all() for number in smallest) and float.fromhex("0x1p-1074") * 1 != 0)

    def forward(self, x):
        self._look()
        return x

    def backward(self, grad, x):
        self._look()
        return grad


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("threads", [1, 2])
def test_numpy_sees_ordinary_floating_point(x, y, threads):
    """Our own workers flush subnormals."""
    layer = Subnormals()
    model = model_of(layer)
    fit(model, x, y, threads=threads)
    model.predict(x, threads=threads)
    model.backward(model.forward(x))
    assert len(layer._kept) == 3 * 2 + 1 + 2
    assert all(layer._kept)


class Nested(bp.Layer):
    """Calls another model."""

    def __init__(self, model):
        self._model = model

    def forward(self, x):
        return self._model.forward(x)

    def backward(self, grad, x):
        self._model.forward(x)
        return self._model.backward(grad)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_model_within_a_model(x, y, threads):
    """Its own runs begin in the middle of another's."""
    inner = bp.Sequential(bp.Dense(FEATURES, activation="gelu"), input_shape=FEATURES, seed=5, dtype="float64")
    model = model_of(Nested(inner))
    assert bp.gradcheck(model, bp.MSE(), x, y) < 1e-6
    assert np.isfinite(fit(model, x, y, threads=threads)["loss"]).all()
