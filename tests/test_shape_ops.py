"""Operations on shapes, lookups and sorting: sizes, types and errors; values are in the registry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
from registry import DTYPES, generator


def values(build, array, dtype="float64"):
    x = bp.input(np.shape(array), dtype)
    made = build(x)
    return bp.Graph([x], made if isinstance(made, list) else [made])(array)


@given(n=st.integers(1, 6), before=st.integers(0, 15), after=st.integers(0, 15))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
def test_pads_of_any_width(mode, n, before, after):
    array = np.arange(2.0 * n).reshape(2, n)
    width = ((0, 0), (before, after))
    (value,) = values(lambda x: bp.pad(x, width, mode), array)
    np.testing.assert_array_equal(value, np.pad(array, width, mode))


@given(rows=st.integers(0, 5), cols=st.integers(0, 5), k=st.integers(-7, 7))
@settings(max_examples=80, deadline=None)
def test_diagonals_of_any_matrix(rows, cols, k):
    array = np.arange(1.0, 1 + rows * cols).reshape(rows, cols)
    ours = values(
        lambda x: [bp.tril(x, k), bp.triu(x, k), bp.diagonal(x, k), bp.trace(x, k), bp.eye(rows, cols, k, "float64")],
        array,
    )
    expected = [np.tril(array, k), np.triu(array, k), np.diagonal(array, k), np.trace(array, k), np.eye(rows, cols, k)]
    for value, theirs in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(value, theirs)


def test_what_a_triangle_leaves_out_may_be_anything():
    array = np.array([[1.0, np.nan], [2.0, np.inf]])
    np.testing.assert_array_equal(values(lambda x: bp.tril(x, -1), array)[0], [[0, 0], [2, 0]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 17, 1000])
def test_sorting_is_stable_and_puts_not_a_number_last(n, dtype):
    array = generator("sort", n).integers(0, 9, (3, n)).astype(dtype)
    array[1, ::4] = np.nan
    ordered, order, back = values(
        lambda x: [bp.sort(x), bp.argsort(x), bp.argsort(x, descending=True)], array, dtype
    )  # fmt: skip
    np.testing.assert_array_equal(ordered, np.sort(array))
    np.testing.assert_array_equal(order, np.argsort(array, kind="stable"))
    np.testing.assert_array_equal(back[0], np.argsort(-array[0], kind="stable"))
    assert order.dtype == np.int32


def test_the_best_come_first():
    best, at = (lambda x: bp.Graph([x], list(bp.topk(x, 2, axis=0)))([[1.0], [4], [4], [2]]))(bp.input((4, 1)))
    np.testing.assert_array_equal(best, [[4], [4]])
    np.testing.assert_array_equal(at, [[1], [2]])
    with pytest.raises(ValueError, match=r"\[topk\] k must be in \[0, 4\] for shape \(4, 1\), got 5"):
        bp.topk(bp.input((4, 1)), 5, 0)


def test_integers_pass_through():
    array = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    cases = (
        (lambda x: x, lambda x: x),
        (lambda x: x.T, lambda x: x.T),
        (lambda x: bp.flip(x, 1), lambda x: np.flip(x, 1)),
        (lambda x: bp.broadcast_to(x[:, :1], (2, 3, 4)), lambda x: np.broadcast_to(x[:, :1], (2, 3, 4))),
        (lambda x: bp.concat([x, bp.zeros((2, 1, 4), "int32")], 1), lambda x: np.concatenate([x, 0 * x[:, :1]], 1)),
        (lambda x: bp.pad(x, 1), lambda x: np.pad(x, 1)),
        (lambda x: bp.take(x, [2, 0], 1), lambda x: np.take(x, [2, 0], 1)),
        (lambda x: bp.repeat(x, 2, 1), lambda x: np.repeat(x, 2, 1)),
        (lambda x: bp.stop_gradient(x)[0], lambda x: x[0]),
    )
    x = bp.input(array.shape, "int32")
    results = bp.Graph([x], [ours(x) for ours, _ in cases])(array)
    for value, (_, theirs) in zip(results, cases, strict=True):
        assert value.dtype == np.int32
        np.testing.assert_array_equal(value, theirs(array))


def test_constants_by_rule():
    made = {
        bp.arange(4): np.arange(4, dtype=np.int32), bp.arange(1.0, 2.0, 0.25): np.arange(1, 2, 0.25, np.float32),
        bp.arange(5, 0, -2): np.arange(5, 0, -2, np.int32), bp.linspace(-1, 1, 5, "float64"): np.linspace(-1, 1, 5),
        bp.zeros((2, 3)): np.zeros((2, 3), np.float32), bp.ones(2, "int32"): np.ones(2, np.int32),
        bp.full((2,), 2.5): np.full(2, 2.5, np.float32),
        bp.one_hot([1, 0, -1, 3], 3, "float64"): np.eye(4)[[1, 0, 3, 3], :3],
    }  # fmt: skip
    for tensor, expected in made.items():
        (value,) = bp.Graph([], [tensor])()
        assert value.dtype == expected.dtype
        np.testing.assert_array_equal(value, expected)
    like = bp.Input(2, dtype="float64")
    (value,) = bp.Graph([like], [bp.ones_like(like) + bp.full_like(like, 2.0) + bp.zeros_like(like)])(np.zeros((3, 2)))
    np.testing.assert_array_equal(value, np.full((3, 2), 3.0))


def test_with_a_batch():
    x, actions = bp.Input((3, 2)), bp.Input(1, dtype="int32")
    assert [y.shape for y in (bp.flatten(x), bp.stack([x, x], 1), bp.moveaxis(x, 1, 2), bp.tile(x, 2))] == [
        (None, 6), (None, 2, 3, 2), (None, 2, 3), (None, 3, 4)]  # fmt: skip
    assert [y.shape for y in bp.split(x, 3, 1)] == [(None, 1, 2)] * 3
    q = bp.Input(4, dtype="float64")
    taken = bp.Graph([q, actions], [bp.take_along_axis(q, actions, 1)])(np.arange(8.0).reshape(2, 4), [[3], [-4]])
    np.testing.assert_array_equal(taken[0], [[3], [4]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: bp.concat([x, x]), r"\[concat\] the batch dimension cannot be cut or joined"),
        (lambda x: bp.flip(bp.slice(x, 0, 0, 1)), r"\[slice\] the batch dimension"),
        (lambda x: bp.roll(x, 1, 0), r"\[roll\] the batch dimension"),
        (lambda x: bp.repeat(x, 2, 0), r"\[repeat\] the batch dimension"),
        (lambda x: bp.pad(x, 1), r"\[pad\] the batch dimension"),
        (lambda x: bp.unstack(x), r"\[unstack\] the batch dimension"),
        (lambda x: bp.diagonal(x), r"\[diagonal\] of a batch takes \(batch, batch\)"),
        (lambda x: bp.split(x, 2, 1), r"\[split\] axis 1 of \(batch, 3\) has no 2 equal parts"),
        (lambda x: bp.squeeze(x, 1), r"\[squeeze\] axis 1 of \(batch, 3\) has not one element"),
        (lambda x: bp.reshape(x, (-1, 2, -1, -1)), r"\[reshape\] only one dimension"),
        (lambda x: bp.slice(x, 1, 0, 3, 0), r"\[slice\] step must be positive"),
        (lambda x: bp.pad(x, ((0, 0), (0, -1))), r"\[pad\] widths must not be negative"),
        (lambda x: bp.pad(x, 0, "mirror"), r"\[pad\] mode must be one of constant, edge, reflect, wrap"),
        (lambda x: bp.stack([]), r"\[stack\] needs at least one tensor"),
        (lambda x: bp.gather(x, 1, [1, 2]), r"\[gather\] needs indices of as many dimensions"),
        (lambda x: bp.arange(0, 1, 0), r"\[arange\] needs finite numbers and a step that is not 0"),
        (lambda x: bp.full((2,), 0.5, "int32"), r"\[constant\] must be whole numbers within int32, got 0.5"),
        (lambda x: bp.argsort(bp.argsort(x)), r"\[argsort\] takes float32 or float64, got int32"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(bp.Input(3))
