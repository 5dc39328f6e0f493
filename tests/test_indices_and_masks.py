"""int64 and int32 indices, and masks of truth values, where indices and masks go."""

import numpy as np
import pytest

import backpass as bp


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool"])
def test_inputs_of_int32_take_integers_that_fit(dtype):
    table, rows = bp.input((2, 3), "float64"), bp.input((3,), "int32", "rows")
    indices = np.array([1, 0, 1], dtype)
    values = np.arange(6.0).reshape(2, 3)
    (taken,) = bp.Graph([table, rows], [bp.take(table, rows)])(values, indices)
    np.testing.assert_array_equal(taken, values[[1, 0, 1]])


def test_int64_beyond_int32_and_indices_out_of_range_are_errors():
    table, rows = bp.input((2, 3), "float64"), bp.input((1,), "int32", "rows")
    graph = bp.Graph([table, rows], [bp.take(table, rows)])
    assert graph(np.arange(6.0).reshape(2, 3), np.array([-1]))[0].tolist() == [[3.0, 4.0, 5.0]]
    for index in (2**40, 2, -3):
        with pytest.raises(ValueError, match=r"take|int32|rows"):
            graph(np.zeros((2, 3)), np.array([index]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_masks_are_zeros_and_ones(dtype):
    x, mask = bp.input((3,), dtype), bp.input((3,), dtype, "mask")
    graph = bp.Graph([x, mask], [bp.where(mask, x, -x), x * mask, mask & (x > 1)])
    chosen, kept, both = graph(np.array([1, 2, 3], dtype), np.array([True, False, True]))
    np.testing.assert_array_equal(chosen, [1, -2, 3])
    np.testing.assert_array_equal(kept, [1, 0, 3])
    np.testing.assert_array_equal(both, [0, 0, 1])
