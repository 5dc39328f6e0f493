"""Operands that repeat along any axes: read where they are, wherever tiles end, and never written out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
from registry import generator

SHAPES = [(3, 4, 5), (200, 32, 18), (2, 3, 4, 2), (7, 1, 300), (3, 2, 1), (5, 40), (2, 1200), (2, 2, 2, 3), (64, 2, 1)]


def masked(shape, mask):
    """The shape with ones where the mask has zeros."""
    return tuple(n if mask >> i & 1 else 1 for i, n in enumerate(shape))


def operands(name, shape, masks):
    rng = generator(name)
    return [rng.standard_normal(masked(shape, mask)).astype(np.float32) for mask in masks]


def without_copies(f, *args):
    assert "copy" not in {call.name for call in f.plan(*args).calls}
    return f(*args)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_pattern_beside_a_full_operand(shape):
    for mask in range(2 ** len(shape)):
        x, full = operands("patterns", shape, (mask, -1))
        f = bp.compile(lambda x, full: bp.maximum(x, full) * x - full)
        np.testing.assert_array_equal(without_copies(f, x, full), np.maximum(x, full) * x - full)


@given(rank=st.integers(2, 4), data=st.data())
@settings(max_examples=80, deadline=None)
def test_patterns_meet_in_one_program(rank, data):
    shape = tuple(data.draw(st.sampled_from([1, 2, 3, 8, 40])) for _ in range(rank))
    masks = [data.draw(st.integers(0, 2**rank - 1)) for _ in range(4)]
    a, b, c, d = operands("meeting", shape, masks)
    f = bp.compile(lambda a, b, c, d: (a + b) * (c - d) + a * d)
    np.testing.assert_allclose(without_copies(f, a, b, c, d), (a + b) * (c - d) + a * d, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 40, 30), (5, 2, 1)])
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2)])
def test_sums_of_repeated_operands(shape, axes):
    for mask in range(8):
        (x,) = operands("sums", shape, (mask,))
        f = bp.compile(lambda x: bp.sum(bp.broadcast_to(x, shape), axis=axes))
        expected = np.broadcast_to(x, shape).astype(np.float64).sum(axes)
        np.testing.assert_allclose(f(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mask", range(8))
def test_rows_of_repeated_operands(mask):
    shape = (4, 3, 5)
    (x,) = operands("rows", shape, (mask,))
    z = np.broadcast_to(x, shape).astype(np.float64)
    e = np.exp(z - z.max(-1, keepdims=True))
    f = bp.compile(lambda x: bp.softmax(bp.broadcast_to(x, shape)))
    np.testing.assert_allclose(f(x), e / e.sum(-1, keepdims=True), rtol=1e-5)
    line = bp.compile(lambda x: bp.softmax(bp.reshape(bp.broadcast_to(x, shape), -1)))
    all_of = np.exp(z - z.max()).reshape(-1)
    np.testing.assert_allclose(line(x), all_of / all_of.sum(), rtol=1e-5)


@pytest.mark.parametrize("target", [(12, 5), (60,), (4, 15), (2, 2, 3, 5), (20, 3)])
@pytest.mark.parametrize("mask", range(8))
def test_repeated_operands_in_another_shape(target, mask):
    shape = (4, 3, 5)
    (x,) = operands("reshaped", shape, (mask,))
    y = generator("beside").standard_normal((2, *target)).astype(np.float32)
    f = bp.compile(lambda x, y: y * bp.reshape(bp.broadcast_to(x, shape), target))
    np.testing.assert_array_equal(f(x, y), y * np.broadcast_to(x, shape).reshape(target))


@pytest.mark.parametrize("rows", [1, 2, 33])
def test_products_take_repeated_operands_as_epilogue(rows):
    rng = generator("epilogue")
    a, b = rng.standard_normal((5, rows, 4)), rng.standard_normal((5, 4, 6))
    bias, common, one = (rng.standard_normal(shape) for shape in ((5, 1, 6), (rows, 6), (5, rows, 1)))
    f = bp.compile(lambda a, b, bias, common, one: (bp.tanh(a @ b + bias) * common + bias) * one)
    args = a, b, bias, common, one
    assert [call.name for call in f.plan(*args).calls] == ["matmul"]
    np.testing.assert_allclose(f(*args), (np.tanh(a @ b + bias) * common + bias) * one, rtol=1e-12)


@pytest.mark.parametrize("mask", range(16))
def test_products_read_repeated_operands(mask):
    shape = (3, 2, 4, 5)
    (a,) = operands("products", shape, (mask,))
    b = generator("right").standard_normal((3, 2, 5, 6)).astype(np.float32)
    f = bp.compile(lambda a, b: bp.broadcast_to(a, shape) @ b)
    expected = np.broadcast_to(a, shape).astype(np.float64) @ b
    np.testing.assert_allclose(f(a, b), expected, rtol=1e-5, atol=1e-5)
    swapped = bp.compile(lambda a, b: bp.swapaxes(bp.broadcast_to(a, shape), -1, -2) @ b[..., :4, :])
    expected = np.swapaxes(np.broadcast_to(a, shape), -1, -2).astype(np.float64) @ b[..., :4, :]
    np.testing.assert_allclose(swapped(a, b), expected, rtol=1e-5, atol=1e-5)


def test_threads_change_no_bit():
    shape = (200, 32, 18)
    args = operands("threads", shape, (0b110, 0b101, 0b011, 0b010))
    f = bp.compile(lambda a, b, c, d: bp.tanh((a + b) * (c - d)) * a)
    before = bp.get_threads()
    results = []
    for threads in (1, 2, 5):
        bp.set_threads(threads)
        results.append(f(*args))
    bp.set_threads(before)
    assert results[0].size == math.prod(shape)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
