"""HostileError values: what careless and malicious callers pass. Each is made anew for each call."""

import datetime
import io
import math

import numpy as np


class HostileError(Exception):
    """What a hostile object raises: it may come out as it is."""


class RaisingArray:
    def __array__(self, *args, **kwargs):
        raise HostileError("__array__")


class RaisingNumber:
    def __index__(self):
        raise HostileError("__index__")

    def __float__(self):
        raise HostileError("__float__")


class LyingSequence:
    """Says that it holds two to the 62 elements, and holds two."""

    def __len__(self):
        return 2**62

    def __getitem__(self, at):
        if at in (0, 1):
            return 1
        raise IndexError(at)


class LyingArray:
    """Gives something else each time, and nothing like its shape."""

    shape, dtype, ndim = (2**40, 4), np.dtype("float32"), 2

    def __array__(self, *args, **kwargs):
        return np.zeros((3, 1), object)

    def __len__(self):
        return 7


class RaisingPath:
    def __fspath__(self):
        raise HostileError("__fspath__")


class RaisingCall:
    def __call__(self, *args, **kwargs):
        raise HostileError("__call__")


class RaisingIterator:
    def __iter__(self):
        yield 1
        raise HostileError("__iter__")


def within_itself():
    values = [1]
    values.append(values)
    return values


def closed_file():
    file = io.BytesIO(b"data")
    file.close()
    return file


def rows(dtype=np.float32):
    return np.arange(24).reshape(6, 4).astype(dtype)


def read_only():
    array = rows()
    array.flags.writeable = False
    return array


VALUES = {
    "None": lambda: None,
    "True": lambda: True,
    "nan": lambda: math.nan,
    "inf": lambda: math.inf,
    "-inf": lambda: -math.inf,
    "-1": lambda: -1,
    "0": lambda: 0,
    "1": lambda: 1,
    "0.5": lambda: 0.5,
    "1e300": lambda: 1e300,
    "5e-324": lambda: 5e-324,
    "2**31": lambda: 2**31,
    "2**62": lambda: 2**62,
    "2**64": lambda: 2**64,
    "-2**63": lambda: -(2**63),
    "10**30": lambda: 10**30,
    "10**400": lambda: 10**400,
    "1j": lambda: 1j,
    "empty string": lambda: "",
    "string": lambda: "x",
    "string with NUL": lambda: "a\0b",
    "lone surrogate": lambda: "\ud800",
    "surrogate of a byte": lambda: "\udcff",
    "long string": lambda: "x" * 100_000,
    "bytes": lambda: b"x",
    "pattern": lambda: "*" * 60 + "x",
    "empty list": list,
    "empty dict": dict,
    "ragged list": lambda: [[1.0, 2.0], [3.0]],
    "list of None": lambda: [None, None],
    "list of strings": lambda: ["a", "b"],
    "list of huge": lambda: [2**62, 2**62],
    "list of huger": lambda: [10**30, -(10**30)],
    "list of nan": lambda: [math.nan, math.nan],
    "shape with batch": lambda: (None, 3),
    "many dimensions": lambda: (1,) * 40,
    "within itself": within_itself,
    "dict of odd keys": lambda: {1: 2, "\ud800": None, None: []},
    "generator": lambda: (i for i in range(3)),
    "object": object,
    "a class": lambda: int,
    "closed file": closed_file,
    "date": lambda: datetime.date(2020, 1, 1),
    "array of objects": lambda: rows().astype(object),
    "array of complex": lambda: rows(complex),
    "array of dates": lambda: np.full((6, 4), np.datetime64("2020-01-01")),
    "array of strings": lambda: rows().astype(str),
    "masked array": lambda: np.ma.masked_array(rows(), mask=rows() > 3),
    "structured array": lambda: np.zeros(6, [("a", "f4"), ("b", "f4")]),
    "0-d array": lambda: np.array(3.0),
    "9-d array": lambda: np.zeros((1,) * 9),
    "no rows": lambda: np.zeros((0, 4), np.float32),
    "no columns": lambda: np.zeros((6, 0), np.float32),
    "non-contiguous": lambda: np.zeros((12, 8), np.float32)[::2, ::2],
    "column order": lambda: np.asfortranarray(rows()),
    "byte-swapped": lambda: rows(">f4"),
    "read-only": read_only,
    "negative strides": lambda: rows()[::-1, ::-1],
    "zero strides": lambda: np.broadcast_to(np.float32(1), (6, 4)),
    "unaligned": lambda: np.frombuffer(bytes(97), np.uint8)[1:].view(np.float32).reshape(6, 4),
    "float16": lambda: rows(np.float16),
    "long double": lambda: rows(np.longdouble),
    "array of nan": lambda: np.full((6, 4), np.nan, np.float32),
    "array of huge": lambda: np.full((6, 4), 1e300),
    "labels": lambda: np.array([0, 1, 2, 0, 1, 2]),
    "labels beyond int32": lambda: np.array([0, 1, 2**32, -(2**40), 1, 2]),
    "labels beyond int64": lambda: np.full(6, 2**64 - 1, np.uint64),
    "raising __array__": RaisingArray,
    "raising __index__": RaisingNumber,
    "raising __fspath__": RaisingPath,
    "raising __call__": RaisingCall,
    "raising iterator": RaisingIterator,
    "lying __len__": LyingSequence,
    "lying array": LyingArray,
}
