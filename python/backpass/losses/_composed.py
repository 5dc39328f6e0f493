"""Losses called with tensors of a graph: while a function is traced or a graph is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import _core, _functions

if TYPE_CHECKING:
    from backpass._types import Shape


def composed(loss: _core.Loss, prediction: _core.Tensor, target: Any, sample_weight: Any) -> _core.Tensor:
    """The operations of the loss: what is written for any number of rows, for those of the prediction."""
    if not prediction.shape:
        raise ValueError(f"[{loss.type}] prediction needs rows, got one number")
    rows = prediction.shape[0]
    given = [prediction, _target(loss, prediction, target)]
    if sample_weight is not None:
        weight = constant(sample_weight, prediction.dtype)
        if weight.shape != (rows,):
            raise ValueError(f"[sample_weight] expected shape ({rows},), got {weight.shape}")
        given.append(weight)
    stand_ins = [_core.input((None, *t.shape[1:]), t.dtype, "x") for t in given]
    return _core.transforms.substitute([loss.build(*stand_ins)], stand_ins, given)[0]


def constant(value: Any, dtype: str) -> _core.Tensor:
    """Tensors as they are, arrays as constants."""
    if isinstance(value, _core.Tensor):
        return value
    return _core.constant_values(np.array(value, np.float64, order="C"), dtype)


def _target(loss: _core.Loss, prediction: _core.Tensor, target: Any) -> _core.Tensor:
    """In the shape that the loss takes: (n,) is (n, 1), whole numbers are labels where it takes them."""
    rows = prediction.shape[0]
    expected = (rows, *loss.target_shape((None, *prediction.shape[1:]))[1:])
    y = target if isinstance(target, _core.Tensor) else np.asarray(target)
    whole = y.dtype == "int32" if isinstance(y, _core.Tensor) else y.dtype.kind in "iu"
    if whole and _are_labels(loss, prediction.shape, y.shape, expected):
        return _shaped(constant(y, "int32"), (rows,))
    if isinstance(y, _core.Tensor) and whole:
        raise TypeError(f"[{loss.type}] takes targets of floats here, got a tensor of int32, shape {y.shape}")
    if y.shape != expected and not (y.shape == (rows,) and expected == (rows, 1)):
        raise ValueError(f"[y] expected shape {expected}, got {y.shape}".replace("None", "batch"))
    return _shaped(constant(y, prediction.dtype), expected)


def _are_labels(loss: _core.Loss, prediction: Shape, shape: Shape, expected: Shape) -> bool:
    rows = prediction[0]
    if not loss.takes_labels or len(prediction) != 2:
        return False
    return shape == (rows,) or (shape == (rows, 1) and expected != shape)


def _shaped(t: _core.Tensor, shape: Shape) -> _core.Tensor:
    return t if t.shape == shape else _functions.reshape(t, shape)
