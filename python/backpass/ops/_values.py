"""What tensors with values answer where Python and NumPy ask: computed now, if nobody has asked before."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass import _core
from backpass.ops._eager import Hook, _leaf

_PRECISION = 4  # digits that are printed


def numpy(self: _core.Tensor) -> Any:
    """Its elements, as a new array: changing that does not change the tensor."""
    return np.asarray(self)


def item(self: _core.Tensor) -> float | int:
    """The number that it is."""
    _need_value(self)
    return self._item()


def numel(self: _core.Tensor) -> int:
    """How many elements the tensor has.

    Raises:
        ValueError: if one of its dimensions is the batch, which is not known.

    Example:
        >>> import backpass as bp
        >>> bp.zeros((2, 3)).numel()
        6
    """
    count = 1
    for size in self.shape:
        if size is None:
            raise ValueError(f"[numel] the batch of {self!r} is not known")
        count *= size
    return count


def tolist(self: _core.Tensor) -> Any:
    """Its elements as a number or nested lists."""
    return np.asarray(self).tolist()


def assign(self: _core.Tensor, values: Any) -> None:
    """Writes new elements, of the same shape, into a leaf: where its values live, in a model too."""
    _need_value(self)
    self._assign(values)


def zero_(self: _core.Tensor) -> _core.Tensor:
    """Sets all elements of a leaf to 0."""
    assign(self, np.zeros(self.shape, self.dtype))
    return self


def register_hook(self: _core.Tensor, hook: Callable[[_core.Tensor], Any]) -> Hook:
    """Calls `hook` with the gradient of this tensor when `backward` computes it.

    What it returns, unless that is None, takes the gradient's place from there on. The result's `remove` ends it.
    """
    _need_value(self)
    return Hook(self, self._add_hook(hook))


def shown(self: _core.Tensor) -> str:
    """As an array, in the words of `tensor`."""
    array = np.asarray(self)
    text = np.array2string(array, precision=_PRECISION, separator=", ", prefix="tensor(")
    dtype = "" if self.dtype == "float32" else f", dtype={self.dtype}"
    return f"tensor({text}{dtype}{', requires_grad=True' if self.requires_grad else ''})"


def _need_value(tensor: _core.Tensor) -> None:
    if not tensor.has_value:
        raise TypeError("[Tensor] has no elements while a graph is built: predict, or calling a Graph, computes them")


def _changed_in_place(operation: Callable[[Any, Any], Any]) -> Callable[[_core.Tensor, Any], _core.Tensor]:
    """`w -= x`: a leaf that requires a gradient is given the new value, within no_grad; of others, a new tensor."""

    def change(self: _core.Tensor, other: Any) -> _core.Tensor:
        if not (self.is_eager and self.requires_grad and self.is_leaf):
            return operation(self, other)  # type: ignore[no-any-return]
        if _core.recording_gradients():
            raise RuntimeError(
                "[Tensor] a leaf that requires a gradient is changed in place within bp.no_grad(); "
                "otherwise w = w - x makes another tensor"
            )
        self._assign(operation(self, other))
        return self

    return change


def _reduced(self: _core.Tensor) -> Any:
    """Copies and pickles are leaves with the same elements; a gradient stays behind."""
    if not self.has_value:
        raise TypeError("[Tensor] of a graph that is being built has no value, and cannot be copied or pickled")
    if self.requires_grad and not self.is_leaf:
        raise TypeError("[Tensor] is not a leaf: copy what detach() gives, the value without what it was made from")
    return _leaf, (self.numpy(), self.requires_grad, self.is_eager and _core.is_parameter(self))


VALUES: dict[str, Callable[..., Any]] = {
    "__array__": lambda self, dtype=None, copy=None: self._array() if dtype is None else self._array().astype(dtype),
    "__bool__": lambda self: bool(self._item()),
    "__complex__": lambda self: complex(self._item()),
    "__format__": lambda self, spec: format(self._item(), spec) if spec else str(self),
    "__float__": lambda self: float(self._item()),
    "__int__": lambda self: int(self._item()),
    "__index__": lambda self: operator.index(self._item()),
    "__round__": lambda self, *digits: round(self._item(), *digits),
    "__ceil__": lambda self: math.ceil(self._item()),
    "__floor__": lambda self: math.floor(self._item()),
    "__trunc__": lambda self: math.trunc(self._item()),
}
METHODS: dict[str, Callable[..., Any]] = {
    "__reduce__": _reduced,
    "__iadd__": _changed_in_place(operator.add),
    "__isub__": _changed_in_place(operator.sub),
    "__imul__": _changed_in_place(operator.mul),
    "__itruediv__": _changed_in_place(operator.truediv),
    "numpy": numpy,
    "item": item,
    "numel": numel,
    "tolist": tolist,
    "assign": assign,
    "zero_": zero_,
    "register_hook": register_hook,
}
