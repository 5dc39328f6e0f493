"""Indexing of tensors by arrays, as in NumPy: of whole numbers (lists and tensors too), and of truth values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backpass import _core, _functions

Key = Any
_ARRAYS = (list, np.ndarray, _core.Tensor)
_by_ranges = _core.Tensor.__getitem__


def getitem(x: _core.Tensor, key: Key) -> _core.Tensor:
    """`x[key]`, as in NumPy: whole numbers, ranges, ..., None, and arrays of indices or truth values.

    Args:
        x: a tensor. A batch (None) can only be taken whole, or by an array of indices.
        key: arrays of truth values must be known while the graph is built. Negative indices count from the end.

    Raises:
        IndexError: where a number is beyond its axis. What a tensor of indices holds is looked at when the graph runs.
        TypeError: where a key is none of these.

    Example:
        >>> import backpass as bp
        >>> x = bp.input((2, 3), "float64")
        >>> bp.Graph([x], [x[1, ::-1], x[:, [0, 2]]])([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        [array([6., 5., 4.]), array([[1., 3.],
               [4., 6.]])]
    """
    keys = key if isinstance(key, tuple) else (key,)
    if any(isinstance(one, _ARRAYS) for one in keys):
        return _by_arrays(x, _expanded(x, keys))
    return _by_ranges(x, key)


def _expanded(x: _core.Tensor, keys: Sequence[Key]) -> list[Key]:
    """Truth values as the indices where they are true, ... as ranges, and lists as arrays."""
    found: list[Key] = []
    for key in keys:
        if isinstance(key, list):
            key = np.asarray(key) if key else np.empty(0, np.int64)
        if isinstance(key, np.ndarray) and key.dtype == bool:
            found += _where_true(x, _axis_after(x, found), key)
        else:
            found.append(key)
    if sum(key is Ellipsis for key in found) > 1:
        raise IndexError("[Tensor] an index has one ... at most")
    missing = x.ndim - sum(key is not None and key is not Ellipsis for key in found)
    if missing < 0:
        raise IndexError(f"[Tensor] of shape {x.shape} takes at most {x.ndim} indices")
    at = next((i for i, key in enumerate(found) if key is Ellipsis), len(found))
    return found[:at] + [slice(None)] * missing + found[at + 1 :]


def _axis_after(x: _core.Tensor, keys: Sequence[Key]) -> int | None:
    """The axis that the next key is for; None behind `...`, where it is not looked at."""
    return None if any(key is Ellipsis for key in keys) else sum(key is not None for key in keys)


def _where_true(x: _core.Tensor, axis: int | None, mask: np.ndarray) -> list[np.ndarray]:
    if axis is not None and x.shape[axis : axis + mask.ndim] != mask.shape:
        raise IndexError(f"[Tensor] a mask of shape {mask.shape} does not fit axis {axis} of {x.shape}")
    return list(np.nonzero(mask))


def _by_arrays(x: _core.Tensor, keys: Sequence[Key]) -> _core.Tensor:
    """Ranges first, then the arrays; whole numbers beside arrays are arrays too."""
    ranges: list[Key] = []
    arrays: list[Any] = []
    axes: list[int] = []  # of the result of the ranges
    places: list[int] = []  # among the keys
    axis = 0  # of x
    for place, key in enumerate(keys):
        if key is None or isinstance(key, slice):
            ranges.append(key)
            axis += key is not None
            continue
        arrays.append(_array(key, x.shape[axis], axis))
        axes.append(len(ranges))
        places.append(place)
        ranges.append(slice(None))
        axis += 1
    y = _by_ranges(x, tuple(ranges))
    if places[-1] - places[0] + 1 != len(places):  # apart: what they take comes first
        y = _functions.transpose(y, [*axes, *(i for i in range(y.ndim) if i not in axes)])
        axes = [0]
    return _core.index_axes(y, _of_one_shape(arrays), axes[0])


def _array(key: Key, size: int | None, axis: int) -> Any:
    if isinstance(key, _core.Tensor):
        if key.dtype != "int32":
            raise TypeError(
                f"[Tensor] takes int32 tensors as indices, got {key.dtype}: a mask that is computed gives a shape that "
                "is not known; multiply by it, or use bp.take_along_axis"
            )
        return key
    array = np.asarray(key)
    if array.dtype.kind not in "iu":
        raise TypeError(f"[Tensor] takes whole numbers and truth values as indices, got dtype {array.dtype}")
    if size is not None and array.size and (array.min() < -size or array.max() >= size):
        raise IndexError(
            f"[Tensor] an index in {array.min()} to {array.max()} is beyond axis {axis} of {size} elements"
        )
    return array


def _of_one_shape(arrays: Sequence[Any]) -> list[_core.Tensor]:
    if len(arrays) == 1:
        return [_constant(arrays[0])]
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    return [_functions.broadcast_to(_constant(array), shape) for array in arrays]


def _constant(array: Any) -> _core.Tensor:
    return array if isinstance(array, _core.Tensor) else _core.constant_values(array.astype(np.float64), "int32")
