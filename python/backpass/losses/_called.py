"""Losses called with tensors."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import _core, _functions
from backpass.losses._composed import constant

if TYPE_CHECKING:
    from backpass.losses._loss import Loss

_LASTING: dict[int, tuple[weakref.ref[Loss], _core.Loss]] = {}  # by the identity of losses, which may be equal


def lasting(loss: Loss) -> _core.Loss:
    """The native form, always the same: so that a loop of calls compiles once."""
    kept = _LASTING.get(id(loss))
    if kept is None or kept[0]() is not loss:
        number = id(loss)
        kept = _LASTING[number] = weakref.ref(loss, lambda _: _LASTING.pop(number, None)), loss._native
    return kept[1]


def called(loss: Loss, prediction: Any, target: Any, sample_weight: Any) -> _core.Tensor:
    """A loss that composes operations, recorded as they are."""
    name = type(loss).__name__
    first = prediction[0] if isinstance(prediction, (list, tuple)) else prediction
    given = (prediction,) if target is None else (prediction, _tensors(target, first))
    value = loss._function(*given)
    if not isinstance(value, _core.Tensor):
        raise TypeError(f"[{name}] must give a tensor, got {type(value).__name__}")
    if value.shape == ():
        if sample_weight is not None:
            raise ValueError(f"[{name}] gives one number: to take sample_weight it must give one per row")
        return value
    rows = _functions.mean(value, list(range(1, len(value.shape)))) if len(value.shape) > 1 else value
    if sample_weight is None:
        return _functions.mean(rows)
    if isinstance(sample_weight, _core.Tensor):
        size = _functions.sum(_functions.abs(sample_weight))
        return _functions.sum(rows * sample_weight) / _functions.maximum(size, 1e-30)
    weight = np.asarray(sample_weight, first.dtype)
    return _functions.sum(rows * _like(first, weight, first.dtype)) / float(max(np.abs(weight).sum(), 1e-30))


def _tensors(target: Any, prediction: _core.Tensor) -> Any:
    """Arrays as tensors, in whatever form they are given."""
    if isinstance(target, dict):
        return {name: _tensors(each, prediction) for name, each in target.items()}
    if isinstance(target, tuple):
        return tuple(_tensors(each, prediction) for each in target)
    if isinstance(target, _core.Tensor):
        return target
    whole = np.asarray(target).dtype.kind in "iu"
    return _like(prediction, target, "int32" if whole else prediction.dtype)


def _like(prediction: _core.Tensor, value: Any, dtype: str) -> _core.Tensor:
    """An array as a tensor that goes with the prediction: a constant where that has no value."""
    return _core.tensor(value, dtype, False) if prediction.is_eager else constant(value, dtype)
