"""NumPy in and out: views of one buffer, inputs read in place, no Python in a step."""

import gc
import sys
import tracemalloc

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, generator
from test_training import FIT, blobs, classifier


@pytest.mark.row("X4")
@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_and_gradients_are_views_of_one_buffer(dtype):
    model = classifier(dtype=dtype)
    for flat, named in ((model.flat_parameters, model.parameters()), (model.flat_gradients, model.gradients())):
        assert flat.dtype == np.dtype(dtype)
        assert flat.flags.c_contiguous
        assert flat.flags.writeable
        assert flat.ctypes.data % 64 == 0
        for value in named.values():
            assert value.flags.writeable
            assert np.shares_memory(value, flat)
    model.parameters()["3.bias"][:] = 7
    np.testing.assert_array_equal(model.flat_parameters[-3:], 7)
    model.parameters()["3.weight"][:] = 0
    np.testing.assert_array_equal(model.predict(np.ones((2, 4))), np.full((2, 3), 7))


@pytest.mark.row("X4")
def test_views_outlive_the_model():
    weight = classifier().parameters()["0.weight"]
    np.testing.assert_array_equal(weight, classifier().parameters()["0.weight"])


@pytest.mark.row("X4")
@pytest.mark.parametrize("dtype", DTYPES)
def test_large_inputs_are_read_in_place(dtype):
    """No array the size of the input is made, neither by NumPy nor by us; the result alone is new."""
    x = np.ones((60_000, 20), dtype=dtype)
    model = bp.Sequential(bp.Dense(1), input_shape=(20,), seed=1, dtype=dtype)
    model.predict(x[:8])
    tracemalloc.start()
    model.predict(x)
    model.fit(x, x[:, 0], loss=bp.MSE(), optimizer=bp.SGD(1e-3), batch_size=1000, progress=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes / 5


@pytest.mark.row("X4")
def test_strided_and_converted_inputs_give_the_same_bits():
    x = generator("strided").integers(-4, 4, (12, 8))
    model = bp.Sequential(bp.Dense(3), input_shape=(4,), seed=1)
    expected = model.predict(np.ascontiguousarray(x[::2, ::2], dtype=np.float32))
    for view in (
        x[::2, ::2],
        x.astype(np.float16)[::2, ::2],
        x.astype(np.float64)[::2, ::2],
        np.asfortranarray(x[::2, ::2]),
    ):
        np.testing.assert_array_equal(model.predict(view), expected)


@pytest.mark.row("D8")
def test_no_python_runs_per_sample_or_per_step():
    """The number of Python calls in fit and predict does not depend on the number of rows."""
    model = classifier()

    def calls(rows):
        x, y = blobs(rows)
        count = 0

        def profile(frame, event, argument):
            nonlocal count
            count += event in ("call", "c_call")

        gc.collect()
        gc.disable()  # what it finalizes for other tests would count
        sys.setprofile(profile)
        try:
            model.fit(x, y, optimizer=bp.SGD(0.1), batch_size=8, **FIT)
            model.predict(x)
        finally:
            sys.setprofile(None)
            gc.enable()
        return count

    calls(64)
    assert calls(64) == calls(6400)
