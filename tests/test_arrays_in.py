"""Arrays in: every kind of number and every layout is read right, and stays as it is."""

import numpy as np
import pytest

from test_api import CE, fit

KINDS = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@pytest.mark.row("X4")
@pytest.mark.parametrize("dtype", [*KINDS, "bool", ">f4", ">i2"])
def test_every_kind_of_number_is_taken(model, dtype):
    x = np.array([[0, 1, 1, 0], [1, 1, 0, 1]], dtype=dtype)
    np.testing.assert_array_equal(model.predict(x), model.predict(x.astype("float32")))


class OnlyArray:
    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


class OnlyDlpack:
    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def unaligned(x):
    raw = bytearray(x.nbytes + 1)
    view = np.frombuffer(raw, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    view[:] = x
    return view


LAYOUTS = {
    "list": lambda x: x.tolist(),
    "fortran": np.asfortranarray,
    "every second row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "every second column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "part of each row": lambda x: np.hstack([x, x])[:, :4],
    "reversed": lambda x: x[::-1].copy()[::-1],
    "broadcast": lambda x: np.broadcast_to(x[0], x.shape),
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "unaligned": unaligned,
    "__array__": OnlyArray,
    "__dlpack__": OnlyDlpack,
}


@pytest.mark.row("X4")
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_read_right(model, data, name):
    x = data[0].copy()
    expected = np.broadcast_to(x[0], x.shape).copy() if name == "broadcast" else x
    np.testing.assert_array_equal(model.predict(LAYOUTS[name](x)), model.predict(expected))
    y = data[1]
    value, _ = model.value_and_grad(LAYOUTS[name](x), y, CE)
    assert value == model.value_and_grad(expected, y, CE)[0]


def test_inputs_stay_as_they_are(model, data):
    x, y = data
    kept = x.copy(), y.copy()
    fit(model, x, y)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(y, kept[1])


def test_outputs_are_fresh(model, data):
    first = model.predict(data[0])
    kept = first.copy()
    model.predict(data[0] * 2)
    np.testing.assert_array_equal(first, kept)
