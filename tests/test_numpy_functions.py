"""Functions that compute with NumPy, within functions that are transformed."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES


@bp.custom_gradient(numpy=True, shape=lambda a, b: (a[0], b[1]))
def product(a, b):
    return a @ b, lambda g: (g @ b.T, a.T @ g)


@bp.custom_gradient(numpy=True)
def cube(x):
    return x**3, lambda g: 3 * x**2 * g


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_and_gradients(dtype):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 4)).astype(dtype), rng.standard_normal((4, 2)).astype(dtype)
    np.testing.assert_array_equal(product(a, b), a @ b)
    ours = bp.grad(lambda a, b: bp.sum(bp.tanh(product(a, b))), argnums=(0, 1))(a, b)
    composed = bp.grad(lambda a, b: bp.sum(bp.tanh(a @ b)), argnums=(0, 1))(a, b)
    for got, expected in zip(ours, composed, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, rtol=1e-5 if dtype == "float32" else 1e-12)


def test_one_half_may_be_composed():
    """NumPy forward with a rule of operations, and operations with a rule in NumPy."""

    @bp.custom_gradient
    def forward(x):
        return cube(x), lambda g: 3 * x * x * g

    @bp.custom_gradient(numpy=True)
    def slope(x):
        return 3 * x**2, lambda g: 6 * x * g

    @bp.custom_gradient
    def backward(x):
        return x**3, lambda g: g * slope(x)

    x = np.array([1.0, 2.0])
    for f in (forward, backward):
        np.testing.assert_array_equal(bp.grad(lambda x, f=f: bp.sum(f(x)))(x), [3.0, 12.0])
        np.testing.assert_array_equal(bp.hvp(lambda x, f=f: bp.sum(f(x)))(x, np.ones(2)), [6.0, 12.0])


def test_eager_tensors():
    x = bp.tensor([2.0], requires_grad=True)
    bp.sum(cube(x)).backward()
    assert x.grad.tolist() == [12.0]


def test_what_cannot_be_is_refused():
    x = np.ones(2)
    with pytest.raises(ValueError, match="is computed by the host program, for one element at a time"):
        bp.vmap(cube)(np.ones((3, 2)))
    with pytest.raises(ValueError, match="has no derivative"):
        bp.hvp(lambda x: bp.sum(bp.square(cube(x))))(x, x)
    with pytest.raises(TypeError, match=r"gives \(value, rule\)"):
        bp.custom_gradient(lambda x: x, numpy=True)(x)
    with pytest.raises(ValueError, match="must give float64"):
        bp.custom_gradient(lambda x: (x[:1], np.negative), numpy=True)(x)
    with pytest.raises(ValueError, match="shape is for numpy=True"):
        bp.custom_gradient(lambda x: x, shape=(2,))
    with pytest.raises(TypeError, match="by position"):
        cube(x=x)
