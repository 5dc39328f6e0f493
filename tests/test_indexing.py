"""x[...] as in NumPy: ranges, new axes, arrays of indices, masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import backpass as bp
from registry import generator


def indexed(array, key, dtype="float64"):
    x = bp.input(array.shape, dtype)
    y = x[key]
    return bp.Graph([x], [y])(array)[0]


@given(data=st.data(), shape=hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))
@settings(max_examples=200, deadline=None)
def test_basic_indexing_is_that_of_numpy(data, shape):
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, max_dims=8))
    array = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    expected = array[key]
    np.testing.assert_array_equal(indexed(array, key), expected)
    np.testing.assert_array_equal(indexed(array.astype(np.int32), key, "int32"), expected)


@given(data=st.data(), shape=hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
@settings(max_examples=200, deadline=None)
def test_arrays_of_indices_are_those_of_numpy(data, shape):
    """Beside each other and apart, with ranges and new axes between."""
    array = generator(*shape).standard_normal(shape)
    of = data.draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    key, some = [], False
    for n in shape:
        kind = data.draw(st.sampled_from(["array", "range", "new", "number"]))
        if kind == "array":
            some = True
            key.append(data.draw(hnp.arrays(np.int64, of, elements=st.integers(-n, n - 1))))
        elif kind == "number":
            key.append(data.draw(st.integers(-n, n - 1)))
        else:
            key += [None] * (kind == "new")
            key.append(slice(None, None, data.draw(st.sampled_from([1, -1, 2]))))
    if not some:
        return
    np.testing.assert_array_equal(indexed(array, tuple(key)), array[tuple(key)])


@given(data=st.data(), shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
@settings(max_examples=100, deadline=None)
def test_masks_are_those_of_numpy(data, shape):
    array = generator(*shape).standard_normal(shape)
    begin = data.draw(st.integers(0, len(shape) - 1))
    end = data.draw(st.integers(begin + 1, len(shape)))
    key = (slice(None),) * begin + (data.draw(hnp.arrays(bool, shape[begin:end])),)
    np.testing.assert_array_equal(indexed(array, key), array[key])


@pytest.mark.parametrize("key", [[], (slice(None), []), ([], slice(None)), (slice(None), np.zeros((2, 0), int))])
def test_nothing_may_be_taken(key):
    x = bp.input((3, 2), "float64")
    y = x[key]
    value, grad = bp.Graph([x], [y, *bp.gradients(bp.sum(y), [x])])(np.ones((3, 2)))
    assert value.shape == np.ones((3, 2))[key].shape
    np.testing.assert_array_equal(grad, np.zeros((3, 2)))


def test_tensors_are_indices():
    x, i = bp.input((4, 3), "float64"), bp.input((2,), "int32")
    array, at = generator("tensors").standard_normal((4, 3)), np.array([-1, 2], np.int32)
    results = bp.Graph([x, i], [x[i], x[:, i], x[i, [0, 1]], x[bp.argmax(x, 0)]])(array, at)
    expected = [array[at], array[:, at], array[at, [0, 1]], array[array.argmax(0)]]
    for ours, theirs in zip(results, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_of_several_indices_some_may_be_mapped():
    array = generator("mapped").standard_normal((5, 3, 4))

    def best(x):
        return x[x.argmax(axis=0), [0, 1, 2, 3]]

    np.testing.assert_array_equal(bp.vmap(best)(array), array.max(axis=1))
    slopes = bp.vmap(bp.grad(lambda x: best(x).sum()))(array)
    np.testing.assert_array_equal(slopes, (array == array.max(axis=1, keepdims=True)) * 1.0)


def test_gradients_of_what_is_taken_twice_add_up():
    x = bp.input((3, 2), "float64")
    (grad,) = bp.gradients(bp.sum(x[[0, 2, 0], [1, 1, 1]] * bp.constant([1, 10, 100], dtype="float64")), [x])
    np.testing.assert_array_equal(bp.Graph([x], [grad])(np.ones((3, 2)))[0], [[0, 101], [0, 0], [0, 10]])


def test_the_batch_is_taken_whole_or_by_indices():
    x = bp.Input((2, 3))
    assert x[:, 0].shape == (None, 3)
    assert x[..., ::-1].shape == (None, 2, 3)
    assert x[:, [1, 0, 1]].shape == (None, 3, 3)
    assert x[:, None].shape == (None, 1, 2, 3)
    rows = bp.Graph([x], [x[[0, -1]]])(np.arange(30).reshape(5, 2, 3))[0]
    np.testing.assert_array_equal(rows, np.arange(30).reshape(5, 2, 3)[[0, -1]])
    for key in (0, slice(1, None), slice(None, None, 2)):
        with pytest.raises(IndexError, match=r"\[Tensor\] the batch can only be taken whole"):
            x[key]


@pytest.mark.parametrize(
    ("key", "kind", "message"),
    [
        (3, IndexError, r"index 3 is out of range in axis 0 of \(3, 2\)"),
        ((0, 0, 0), IndexError, r"of shape \(3, 2\) takes no 3 indices"),
        ((..., 0, ...), IndexError, r"one \.\.\. at most"),
        (slice(None, None, 0), ValueError, "step of a range must not be 0"),
        (1.5, TypeError, r"takes whole numbers, ranges, \.\.\., None and arrays of indices, got 1\.5"),
        ("a", TypeError, "takes whole numbers"),
        (True, TypeError, "takes whole numbers"),
        ([3], IndexError, "an index in 3 to 3 is beyond axis 0 of 3 elements"),
        ([0.5], TypeError, "got dtype float64"),
        (np.array([True, False]), IndexError, r"a mask of shape \(2,\) does not fit axis 0 of \(3, 2\)"),
    ],
)
def test_what_is_no_index_is_refused(key, kind, message):
    with pytest.raises(kind, match=rf"\[Tensor\] .*{message}"):
        bp.input((3, 2))[key]


def test_a_mask_that_is_computed_has_no_known_count():
    x = bp.input((3, 2))
    with pytest.raises(TypeError, match="a mask that is computed gives a shape that is not known"):
        x[bp.step(x)]


def test_an_index_beyond_its_axis_ends_the_run():
    x, i = bp.input((3, 2)), bp.input((2,), "int32", "i")
    graph = bp.Graph([x, i], [x[i]])
    with pytest.raises(ValueError, match=r"\[index\] indices must be in \[-3, 3\), got -4"):
        graph(np.ones((3, 2)), [5, -4])
    assert graph(np.ones((3, 2)), [2, -3])[0].shape == (2, 2)


def test_tensors_are_walked_along_their_first_axis():
    x = bp.input((3, 2), "float64")
    assert len(x) == 3
    assert [row.shape for row in x] == [(2,)] * 3
    first, _, last = x
    np.testing.assert_array_equal(bp.Graph([x], [last - first])([[1.0, 2], [3, 4], [5, 7]])[0], [4, 5])
    assert (x.ndim, x.size, x.T.shape, x.mT.shape) == (2, 6, (2, 3), (2, 3))
    for ask in (len, list):
        with pytest.raises(TypeError, match="the batch has no length"):
            ask(bp.Input(3))
    with pytest.raises(TypeError, match="has no size"):
        bp.Input(3).size  # noqa: B018
