"""Normalization of what is constant, far from 0, or too large to be squared."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, ISAS, using_isa

CONSTANTS = (12345.0, 12345.678, 0.1, 1e6 + 0.3, -3e-5)


def layer_norm(x, eps=1e-5):
    x = x.astype(np.longdouble)
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt(np.square(centred).mean(-1, keepdims=True) + eps)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 7, 10, 33, 1000])
def test_layer_norm_of_a_constant_is_0(n, dtype, isa):
    x = np.array(CONSTANTS, dtype)[:, None].repeat(n, axis=1)
    with using_isa(isa):
        model = bp.Sequential(bp.LayerNorm(), input_shape=n, dtype=dtype)
        assert not model.predict(x).any()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [2, 7, 64, 700])
def test_batch_norm_of_a_constant_is_0(rows, dtype, isa):
    x = np.array(CONSTANTS, dtype)[None].repeat(rows, axis=0)
    with using_isa(isa):
        model = bp.Sequential(bp.BatchNorm(momentum=1.0), input_shape=len(CONSTANTS), dtype=dtype)
        y = model.forward(x)
    np.testing.assert_allclose(y, 0, rtol=0, atol=1e-6 if dtype == "float64" else 0)
    np.testing.assert_allclose(model.states()["0.running_mean"], CONSTANTS, rtol=1e-15 if dtype == "float64" else 6e-8)
    np.testing.assert_allclose(model.states()["0.running_var"], 0, rtol=0, atol=1e-20)


@pytest.mark.parametrize("dtype", DTYPES)
def test_small_deviations_of_large_numbers(dtype):
    """Numbers that float32 holds exactly: what their mean is rounded by is not taken for a deviation."""
    x = (4096 + np.arange(-3, 4) / 64).astype(dtype)[None]
    expected = layer_norm(x)
    rows = bp.Sequential(bp.LayerNorm(), input_shape=7, dtype=dtype).predict(x)
    np.testing.assert_allclose(rows, expected, rtol=2e-6, atol=2e-6)
    columns = bp.Sequential(bp.BatchNorm(), input_shape=1, dtype=dtype).forward(x.T)
    np.testing.assert_allclose(columns.T, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("dtype", "size"), [("float32", 1e30), ("float32", 1e34), ("float64", 1e200)])
@pytest.mark.parametrize("layer", [bp.LayerNorm, bp.RMSNorm])
def test_rows_that_are_too_large_to_be_squared(layer, dtype, size, isa):
    """A norm of rows does not change with their scale; its gradient is divided by it."""
    rng = np.random.default_rng(3)
    x, seed = rng.standard_normal((5, 9)).astype(dtype), rng.standard_normal((5, 9)).astype(dtype)
    with using_isa(isa):
        model = bp.Sequential(layer(), input_shape=9, dtype=dtype, seed=1)
        y = model.forward(x * np.array(1e6, dtype))
        dx = model.backward(seed)
        far = model.forward(x * np.array(size, dtype))
        dx_far = model.backward(seed)
    np.testing.assert_allclose(far, y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dx_far * (size / 1e6), dx, rtol=1e-4, atol=1e-5 * np.abs(dx).max())


def test_a_batch_variance_that_overflows_is_no_silent_zero():
    x = np.array([[1e30, 1.0], [-1e30, 2.0], [2e30, 3.0]], np.float32)
    model = bp.Sequential(bp.BatchNorm(), bp.Dense(1), input_shape=2, seed=1)
    before, states = model.flat_parameters.copy(), model.states()
    with pytest.raises(bp.DivergedError):
        model.fit(x, np.zeros(3), loss=bp.MSE(), optimizer=bp.SGD(0.1), epochs=1, batch_size=3, progress=False)
    np.testing.assert_array_equal(model.flat_parameters, before)
    for name, value in model.states().items():
        np.testing.assert_array_equal(value, states[name])


@pytest.mark.parametrize("layer", [bp.LayerNorm, bp.BatchNorm])
def test_an_eps_that_is_0_in_float32(layer):
    x = np.ones((3, 4), np.float32)
    y = bp.Sequential(layer(eps=1e-300), input_shape=4).forward(x)
    assert not y.any()
