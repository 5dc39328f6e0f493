"""Functions of NumPy arrays within functions of tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backpass import _core
from backpass.functions._transform import Transform, as_tensor, real_dtype

Shape = Sequence[int] | Callable[..., Sequence[int]] | None


class NumpyFunction(Transform):
    """`custom_gradient` of a function that computes with NumPy: a plan calls it between its kernels."""

    def __init__(self, f: Callable[..., Any], shape: Shape) -> None:
        super().__init__(f)
        self._shape = shape

    def _symbolic(self, *args: Any, **kwargs: Any) -> Any:
        name = getattr(self._f, "__name__", "custom_gradient")
        if kwargs or not args:
            raise TypeError(f"[{name}] with numpy=True the arguments are arrays, by position")
        tensors = [as_tensor(arg, real_dtype(args)) for arg in args]
        shapes = [t.shape for t in tensors]
        shape = self._shape(*shapes) if callable(self._shape) else self._shape
        return _core.host_call(name, self._forward, self._backward, tensors, shapes[0] if shape is None else shape)

    def _forward(self, *arrays: Any) -> Any:
        return np.asarray(self._pair(arrays)[0])

    def _backward(self, grad: Any, *arrays: Any) -> Any:
        return self._pair(arrays)[1](grad)

    def _pair(self, arrays: Sequence[Any]) -> Any:
        result = self._f(*arrays)
        if not (isinstance(result, tuple) and len(result) == 2 and callable(result[1])):
            raise TypeError(f"[custom_gradient] the function gives (value, rule), got {result!r:.60}")
        return result
