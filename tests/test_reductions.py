"""Reductions over any axes: NumPy's values and errors, and derivatives where elements tie or are zero."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
from registry import DTYPES, ISAS, generator, using_isa


def values(build, array, dtype="float64"):
    """What `build` makes of one input."""
    x = bp.input(np.shape(array), dtype)
    made = build(x)
    return bp.Graph([x], made if isinstance(made, list) else [made])(array)


def slope(build, array):
    """The gradient of the sum of what `build` makes, and the gradient of its square sum."""
    x = bp.input(np.shape(array), "float64")
    (first,) = bp.gradients(bp.sum(build(x)), [x])
    (second,) = bp.gradients(bp.sum(bp.square(first)), [x])
    return bp.Graph([x], [first, second])(array)


@st.composite
def arrays_and_axes(draw, least=0):
    shape = tuple(draw(st.lists(st.integers(least, 5), min_size=1, max_size=4)))
    axes = draw(st.none() | st.lists(st.sampled_from(range(len(shape))), unique=True, min_size=1))
    array = np.random.default_rng(draw(st.integers(0, 2**32))).uniform(-2, 2, shape)
    return np.round(array, draw(st.integers(0, 3))), None if axes is None else tuple(axes)


@given(case=arrays_and_axes(), keepdims=st.booleans())
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("name", ["sum", "prod", "any", "all", "count_nonzero"])
def test_of_any_shape_over_any_axes(name, case, keepdims):
    array, axes = case
    expected = getattr(np, name)(array, axis=axes, keepdims=keepdims)
    (value,) = values(lambda x: getattr(bp, name)(x, axes, keepdims), array)
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)
    assert value.shape == np.shape(expected)


@given(case=arrays_and_axes(least=1), keepdims=st.booleans())
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("name", ["max", "min", "var", "std", "mean"])
def test_of_any_elements_over_any_axes(name, case, keepdims):
    array, axes = case
    expected = getattr(np, name)(array, axis=axes, keepdims=keepdims)
    (value,) = values(lambda x: getattr(bp, name)(x, axes, keepdims=keepdims), array)
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)
    assert value.shape == np.shape(expected)


@given(case=arrays_and_axes(least=1), data=st.data(), keepdims=st.booleans())
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_choices_along_any_axis(name, case, data, keepdims):
    array, _ = case
    axis = data.draw(st.none() | st.integers(-array.ndim, array.ndim - 1))
    expected = getattr(np, name)(array, axis=axis, keepdims=keepdims)
    (value,) = values(lambda x: getattr(bp, name)(x, axis, keepdims), array)
    assert value.dtype == np.int32
    np.testing.assert_array_equal(value, expected)


@given(case=arrays_and_axes(), data=st.data())
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_scans_along_any_axis(name, case, data):
    array, _ = case
    axis = data.draw(st.none() | st.integers(-array.ndim, array.ndim - 1))
    (value,) = values(lambda x: getattr(bp, name)(x, axis), array)
    np.testing.assert_allclose(value, getattr(np, name)(array, axis), rtol=1e-12, atol=1e-12)


# Sizes that calls cut into tasks.


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(40000,), (3, 20000), (3000, 11), (2, 900, 70), (700, 600)])
def test_in_many_tasks(shape, dtype, isa):
    array = generator("tasks", shape).standard_normal(shape).astype(dtype)
    for axis in range(-1, len(shape) - 1):
        with using_isa(isa):
            most, at, product = values(
                lambda x, axis=axis: [bp.max(x, axis), bp.argmax(x, axis), bp.prod(bp.exp(x * 1e-3), axis)],
                array, dtype,
            )  # fmt: skip
        np.testing.assert_array_equal(most, array.max(axis))
        np.testing.assert_array_equal(at, array.argmax(axis))
        expected = np.exp(array.astype(np.float64) * 1e-3).prod(axis)
        np.testing.assert_allclose(product, expected, rtol=1e-11 if dtype == "float64" else 1e-3)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_bits_for_any_number_of_threads(threads):
    array = generator("threads").uniform(0.99, 1.01, (900, 700)).astype(np.float32)
    before = bp.get_threads()

    def all_of(x):
        return [bp.prod(x), bp.prod(x, 0), bp.max(x, 1), bp.cumsum(x, 0), bp.sort(x, 0), bp.flip(x), x.T[::2]]

    expected = values(all_of, array, "float32")
    try:
        bp.set_threads(threads)
        for ours, others in zip(values(all_of, array, "float32"), expected, strict=True):
            np.testing.assert_array_equal(ours, others)
    finally:
        bp.set_threads(before)


# Ties, zeros, what is not a number, nothing.


def test_ties_share_the_gradient_equally():
    x = np.array([[3.0, 1.0, 3.0], [0.0, 0.0, 0.0]])
    first, second = slope(lambda x: bp.max(x, 1), x)
    np.testing.assert_allclose(first, [[0.5, 0, 0.5], [1 / 3] * 3])
    np.testing.assert_array_equal(second, np.zeros((2, 3)))
    np.testing.assert_allclose(slope(bp.max, x)[0], [[0.5, 0, 0.5], [0, 0, 0]])
    np.testing.assert_allclose(slope(lambda x: bp.min(x, (0, 1)), x)[0], [[0, 0, 0], [1 / 3] * 3])


@pytest.mark.parametrize("name", ["max", "min"])
def test_not_a_number_is_passed_on(name):
    array = np.ones((5, 40))
    array[1, 3] = array[2, 39] = np.nan
    for axis in (0, 1):
        (value,) = values(lambda x, axis=axis: getattr(bp, name)(x, axis), array)
        np.testing.assert_array_equal(value, getattr(np, name)(array, axis))
        (at,) = values(lambda x, axis=axis: getattr(bp, f"arg{name}")(x, axis), array)
        np.testing.assert_array_equal(at, getattr(np, f"arg{name}")(array, axis))


@pytest.mark.parametrize("name", ["any", "all", "count_nonzero"])
def test_not_a_number_is_not_zero(name):
    array = np.array([[np.nan, 0.0], [0.0, -0.0], [np.inf, 1.0]])
    (value,) = values(lambda x: getattr(bp, name)(x, 1), array)
    np.testing.assert_array_equal(value, getattr(np, name)(array, axis=1))


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin"])
def test_of_no_elements_is_refused_where_that_is_known(name):
    x = bp.input((3, 0))
    with pytest.raises(ValueError, match=rf"\[{name}\] of no elements is not defined: shape \(3, 0\) along axis 1"):
        getattr(bp, name)(x, 1)
    assert getattr(bp, name)(x, 0).shape == (0,)


def test_an_empty_batch_has_the_limits():
    x = bp.Input(2, dtype="float64")
    most, least, product = bp.Graph([x], [bp.max(x, 0), bp.min(x, 0), bp.prod(x, 0)])(np.zeros((0, 2)))
    np.testing.assert_array_equal(most, [-np.inf] * 2)
    np.testing.assert_array_equal(least, [np.inf] * 2)
    np.testing.assert_array_equal(product, [1, 1])


@pytest.mark.parametrize("zeros", [(), (1,), (0, 2), (0, 1, 3)])
def test_products_differentiate_where_elements_are_zero(zeros):
    torch = pytest.importorskip("torch")
    x = np.array([2.0, -3.0, 0.5, 4.0])
    x[list(zeros)] = 0
    for ours, theirs in ((bp.prod, torch.prod), (lambda x: bp.cumprod(x, 0), lambda x: torch.cumprod(x, 0))):
        t = torch.tensor(x, requires_grad=True)
        (first,) = torch.autograd.grad(theirs(t).sum(), [t], create_graph=True)
        second = np.zeros(4)
        if first.requires_grad:
            second = torch.autograd.grad((first**2).sum(), [t])[0].numpy()
        for value, expected in zip(slope(ours, x), (first.detach().numpy(), second), strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)


def test_a_deviation_of_zero_has_the_derivative_zero():
    np.testing.assert_array_equal(slope(lambda x: bp.std(x, 1), np.ones((2, 3)))[0], np.zeros((2, 3)))
    for order in (1, 2):
        np.testing.assert_array_equal(slope(lambda x, o=order: bp.norm(x, ord=o), np.zeros(3))[0], np.zeros(3))


def test_logsumexp_neither_overflows_nor_goes_over_the_batch_and_more():
    array = np.array([[1e4, -1e4], [1e4, 3.0]])
    (value,) = values(bp.logsumexp, array)
    np.testing.assert_allclose(value, 1e4 + np.log(2), rtol=1e-12)
    with pytest.raises(ValueError, match=r"\[logsumexp\] goes over the batch of \(batch, 3\) alone"):
        bp.logsumexp(bp.Input(3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: bp.max(x, 2), r"\[max\] axis 2 is out of range for shape \(2, 3\)"),
        (lambda x: bp.argmax(x, -3), r"\[argmax\] axis -3 is out of range"),
        (lambda x: bp.prod(x, (0, 0)), r"\[prod\] an axis is named twice"),
        (lambda x: bp.norm(x, ord=3), r"\[norm\] order must be 0, 1, 2, inf or -inf, got 3"),
        (lambda x: bp.max(bp.argmax(x, 1)), r"\[max\] takes float32 or float64, got int32"),
        (lambda x: bp.cumprod(bp.Input(3), 0), r"\[cumprod\] does not go along the batch"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(bp.input((2, 3)))
