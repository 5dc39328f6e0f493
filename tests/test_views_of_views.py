"""Views of repeated elements: seen in other shapes, two of one kind in one program, and beside what has no elements."""

import numpy as np
import pytest

import backpass as bp
from registry import generator

TRAINING = {True: "training", False: "inference"}


@pytest.mark.parametrize("shape", [(30,), (30, 1), (1, 30), (15, 2), (15, 2, 1), (5, 6), (2, 5, 3)])
@pytest.mark.parametrize(
    "repeat",
    [lambda m, x: m.tile(x, (3, 1)), lambda m, x: m.repeat(x, 3, 0), lambda m, x: m.broadcast_to(x, (3, 2, 5))],
    ids=["tile", "repeat", "broadcast"],
)
def test_repeated_elements_in_another_shape(repeat, shape):
    x = generator("shapes").standard_normal((2, 5))
    f = bp.compile(lambda x: (bp.reshape(repeat(bp, x * x), shape), bp.reshape(repeat(bp, x), shape) * 2))
    square, double = f(x)
    np.testing.assert_array_equal(square, repeat(np, x * x).reshape(shape))
    np.testing.assert_array_equal(double, repeat(np, x).reshape(shape) * 2)
    np.testing.assert_array_equal(bp.reshape(repeat(bp, bp.tensor(x)), shape).numpy(), repeat(np, x).reshape(shape))
    slope = bp.grad(lambda x: bp.sum(bp.square(bp.reshape(repeat(bp, x), shape))))(x)
    np.testing.assert_allclose(slope, 6 * x, rtol=1e-12)


@pytest.mark.parametrize("training", [True, False], ids=TRAINING.get)
def test_other_views_between_two_shapes(training):
    x = generator("between").standard_normal((2, 5))

    def seen(x):
        rows = bp.reshape(bp.broadcast_to(x, (3, 2, 5)), (6, 5))
        return bp.reshape(bp.by_mode(bp.stop_gradient(rows), rows), (10, 3)) + 1

    expected = np.broadcast_to(x, (3, 2, 5)).reshape(10, 3) + 1
    np.testing.assert_array_equal(bp.compile(seen, training=training)(x), expected)


@pytest.mark.parametrize("function", ["add", "maximum", "where"])
@pytest.mark.parametrize(("shape", "rows"), [((3, 1, 1, 2), 3), ((2, 1, 3), 2), ((2, 1, 5, 1), 7), ((40, 1, 3), 5)])
def test_two_values_that_repeat_alike(function, shape, rows):
    """Each is brought together where a tile ends within blocks; neither in the place of the other."""
    rng = generator(f"alike {function}")
    a, b = rng.standard_normal(shape), rng.standard_normal(shape)
    whole = (shape[0], rows, *shape[2:])

    def mixed(m, x, y):
        if function == "where":
            return m.where(x > y, x * 2, y)
        return x + y if function == "add" else m.maximum(x, y)

    def f(a, b):
        return mixed(bp, bp.broadcast_to(a, whole), bp.broadcast_to(b, whole))

    expected = mixed(np, np.broadcast_to(a, whole), np.broadcast_to(b, whole))
    np.testing.assert_array_equal(bp.compile(f)(a, b), expected)
    slopes = bp.grad(lambda a, b: bp.sum(bp.square(f(a, b))), argnums=(0, 1))(a, b)
    both = bp.grad(lambda a, b: bp.sum(bp.square(mixed(bp, a, b))) * rows, argnums=(0, 1))(a, b)
    for slope, expected in zip(slopes, both, strict=True):
        np.testing.assert_allclose(slope, expected, rtol=1e-12)


def test_columns_beside_rows_of_nothing():
    a, column, nothing = generator("nothing").standard_normal((2, 1)), np.ones((2, 1)), np.zeros((2, 0))
    f = bp.compile(lambda a, column, nothing: (nothing + column, bp.minimum(column, a), bp.minimum(column, a) @ a.T))
    empty, least, product = f(a, column, nothing)
    assert empty.shape == (2, 0)
    np.testing.assert_array_equal(least, np.minimum(a, 1))
    np.testing.assert_allclose(product, np.minimum(a, 1) @ a.T, rtol=1e-12)
    after = bp.compile(lambda a, nothing: (a * 2, nothing * a, a + 1))(a, nothing)
    np.testing.assert_array_equal(after[0], a * 2)
    np.testing.assert_array_equal(after[2], a + 1)
    one = bp.compile(lambda x, nothing: (bp.maximum(nothing, x), bp.where(x > 0, x, x * 2)))
    one = one(np.float64(0.5), np.zeros((1, 0)))
    assert one[0].shape == (1, 0)
    assert one[1] == 0.5
