"""Many matrix products that together exceed a cache: what is fetched and copied for the next one changes no value."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, ISAS, generator, using_isa

STACKS = [  # leading of a and b, m, k, n
    ((96,), (96,), 64, 32, 64),
    ((9,), (9,), 131, 70, 150),
    ((8,), (8,), 128, 256, 256),
    ((4, 6), (6,), 90, 65, 100),
    ((30,), (1,), 100, 40, 70),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("transposes", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("stack", STACKS)
def test_products_from_far_for_any_number_of_threads(stack, transposes, isa, dtype):
    left, right, m, k, n = stack
    rng = generator("from far", stack)
    a = rng.standard_normal((*left, *((k, m) if transposes[0] else (m, k)))).astype(dtype)
    b = rng.standard_normal((*right, *((n, k) if transposes[1] else (k, n)))).astype(dtype)
    x, y = bp.input(a.shape, dtype, "a"), bp.input(b.shape, dtype, "b")
    graph = bp.Graph([x, y], [bp.matmul(x, y, *transposes)])
    threads, values = bp.get_threads(), []
    try:
        with using_isa(isa):
            for count in (1, 2, 3):
                bp.set_threads(count)
                values += graph(a, b)
    finally:
        bp.set_threads(threads)
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    exact = (wide_a.swapaxes(-1, -2) if transposes[0] else wide_a) @ (
        wide_b.swapaxes(-1, -2) if transposes[1] else wide_b
    )
    np.testing.assert_allclose(values[0], exact, rtol=0, atol=(2e-5 if dtype == "float32" else 1e-13) * np.sqrt(k))
    for value in values[1:]:
        np.testing.assert_array_equal(value, values[0])
