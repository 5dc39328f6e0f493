"""Arrays of NumPy beside tensors of a function that is traced."""

import numpy as np
import pytest

import backpass as bp

A = np.array([[1.0, -2.0, 0.5], [3.0, 0.0, 1.5]])
CASES = {
    "matmul on the left": lambda x: A @ x,
    "matmul on the right": lambda x: x @ A,
    "on both sides": lambda x: A.T * x - A.T,
    "broadcast": lambda x: x / (2.0 + A.T**2) + A[:, 0],
    "mask": lambda x: (A.T > 0) * x,
    "whole numbers": lambda x: np.arange(2) - x,
    "compared": lambda x: (x < A.T) + 0.0 * x,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("f", CASES.values(), ids=CASES)
def test_they_are_constants(f, dtype):
    x = np.array([[0.5, 1.0], [-1.0, 2.0], [0.25, -0.75]], dtype)
    got = bp.compile(f)(x)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, f(x), rtol=1e-6 if dtype == np.float32 else 1e-14)


def test_gradients_and_maps():
    x = np.array([[0.5, 1.0], [-1.0, 2.0], [0.25, -0.75]])
    grad = bp.grad(lambda x: bp.sum(bp.square(A @ x)))
    np.testing.assert_allclose(grad(x), 2 * A.T @ A @ x, rtol=1e-14)
    many = np.stack([x, -x, 2 * x])
    np.testing.assert_allclose(bp.vmap(grad)(many), [2 * A.T @ A @ each for each in many], rtol=1e-14)


def test_what_is_no_number_is_refused():
    with pytest.raises(TypeError, match="real numbers, got dtype complex128"):
        bp.compile(lambda x: np.ones(2, complex) * x)(np.ones(2))


def test_functions_take_arrays_beside_a_tensor():
    x, mask, twos = bp.tensor([1.0, 4.0]), np.array([True, False]), np.array([2, 2])
    results = {
        "maximum": (bp.maximum(x, twos), [2.0, 4.0]),
        "minimum": (bp.minimum(twos, x), [1.0, 2.0]),
        "where, mask": (bp.where(mask, x, 0.0), [1.0, 0.0]),
        "where, array": (bp.where(x > 2, x, twos), [2.0, 4.0]),
        "clip": (bp.clip(x, twos, np.array(3.0)), [2.0, 3.0]),
        "power": (bp.power(twos, x), [2.0, 16.0]),
        "hypot": (bp.hypot(x, np.zeros(2)), [1.0, 4.0]),
    }
    for name, (ours, expected) in results.items():
        np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-6, err_msg=name)


def test_functions_in_functions_take_arrays():
    mask = np.array([True, False, True])
    gradient = bp.grad(lambda t: bp.sum(bp.where(mask, t * t, bp.maximum(t, np.full(3, 5.0)))))
    np.testing.assert_array_equal(gradient(np.array([1.0, 2.0, 3.0])), [2.0, 0.0, 6.0])


def test_arrays_alone_are_refused():
    with pytest.raises(TypeError, match=r"\[maximum\] takes a tensor, got none; bp.tensor\(array\) makes one"):
        bp.maximum(np.ones(2), 3.0)
    with pytest.raises(TypeError, match="array of real numbers"):
        bp.maximum(bp.tensor([1.0]), np.array(["a"]))
