"""Copies that transpose: every order of axes, at the edges of blocks, alone and behind slices and reversals."""

import itertools

import numpy as np
import pytest

import backpass as bp

DTYPES = ["float32", "float64", "int32"]


@pytest.fixture(params=bp.available_isas())
def isa(request):
    before = bp.isa()
    bp.set_isa(request.param)
    yield request.param
    bp.set_isa(before)


def counted(shape, dtype):
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 5, 4, 6), (17, 1, 4, 33), (2, 16, 8, 9)])
def test_every_order_of_axes(shape, dtype, isa):
    x = counted(shape, dtype)
    for order in itertools.permutations(range(4)):
        f = bp.compile(lambda x, order=order: bp.transpose(x, order))
        np.testing.assert_array_equal(f(x), x.transpose(order))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [3, 4, 15, 16, 17, 65, 300])
@pytest.mark.parametrize("cols", [1, 4, 31, 128])
def test_matrices_of_any_size(rows, cols, dtype, isa):
    x = counted((rows, cols), dtype)
    f = bp.compile(lambda x: bp.swapaxes(x, 0, 1))
    np.testing.assert_array_equal(f(x), x.T)


def test_what_is_no_number_keeps_its_bits(isa):
    x = np.full((20, 24), np.nan, np.float32)
    x.view(np.uint32)[...] += np.arange(x.size, dtype=np.uint32).reshape(x.shape)
    x[:4] = 1e-42
    y = bp.compile(lambda x: bp.swapaxes(x, 0, 1))(x)
    np.testing.assert_array_equal(y.view(np.uint32), x.T.view(np.uint32))


def test_behind_slices_and_reversals():
    x = counted((9, 20, 21), "float32")
    f = bp.compile(lambda x: bp.transpose(x[1:8, ::2, ::-1], (2, 0, 1))[3:])
    np.testing.assert_array_equal(f(x), x[1:8, ::2, ::-1].transpose(2, 0, 1)[3:])
    joined = bp.compile(lambda x: bp.concat([bp.swapaxes(x, 1, 2), bp.swapaxes(x, 1, 2)], 1))
    np.testing.assert_array_equal(joined(x), np.concatenate([x.swapaxes(1, 2)] * 2, 1))
