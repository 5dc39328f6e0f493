"""Functions of tensors as methods: `x.sum(axis=0)` is `bp.sum(x, axis=0)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backpass import _checks, _core, _functions
from backpass.ops._indexing import getitem

_METHODS = (
    "abs", "all", "any", "argmax", "argmin", "argsort", "clip", "cos", "cumprod", "cumsum", "diagonal", "dot", "exp",
    "flatten", "flip", "log", "log_softmax", "logsumexp", "max", "mean", "min", "norm", "prod", "ravel", "relu",
    "repeat", "round", "sigmoid", "sin", "softmax", "sort", "sqrt", "square", "squeeze", "std", "sum", "swapaxes",
    "take", "tanh", "tile", "topk", "trace", "tril", "triu", "var",
)  # fmt: skip


def _method(name: str) -> Callable[..., Any]:
    function = getattr(_core, name)

    def method(self: _core.Tensor, *args: Any, **options: Any) -> Any:
        if "dim" in options:  # as PyTorch spells it
            options["axis"] = options.pop("dim")
        if "keepdim" in options:
            options["keepdims"] = options.pop("keepdim")
        return function(self, *args, **options)

    method.__name__, method.__qualname__ = name, f"Tensor.{name}"
    method.__doc__ = f"As `bp.{name}`.\n\n{function.__doc__.partition(chr(10))[2].strip(chr(10))}"
    return method


def reshape(self: _core.Tensor, *shape: Any) -> _core.Tensor:
    """As `bp.reshape`: `x.reshape(2, 3)` or `x.reshape((2, 3))`.

    Example:
        >>> import backpass as bp
        >>> bp.Input((2, 3)).reshape(None, -1).shape
        (None, 6)
    """
    return _functions.reshape(self, shape[0] if len(shape) == 1 else shape)


def transpose(self: _core.Tensor, *axes: Any) -> _core.Tensor:
    """As `bp.transpose`: `x.transpose(1, 0)`, `x.transpose((1, 0))`, or without axes all in the opposite order.

    Example:
        >>> import backpass as bp
        >>> bp.input((2, 3, 4)).transpose(0, 2, 1).shape
        (2, 4, 3)
    """
    if not axes or axes == (None,):
        return _functions.transpose(self)
    return _functions.transpose(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes)


def unsqueeze(self: _core.Tensor, dim: int) -> _core.Tensor:
    """`bp.expand_dims`, as PyTorch calls it."""
    return _functions.expand_dims(self, dim)


def clamp(self: _core.Tensor, min: Any = None, max: Any = None) -> _core.Tensor:
    """`bp.clip`, as PyTorch calls it; either limit may be left out.

    Example:
        >>> import backpass as bp
        >>> bp.tensor([-1.0, 0.5, 3.0]).clamp(min=0).tolist()
        [0.0, 0.5, 3.0]
    """
    return _functions.clip(self, min, max)


def gather(self: _core.Tensor, dim: int, index: Any) -> _core.Tensor:
    """`bp.take_along_axis`, as PyTorch calls it.

    Example:
        >>> import backpass as bp, numpy as np
        >>> values, actions = bp.tensor([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 0])
        >>> values.gather(1, actions[:, None]).tolist()
        [[2.0], [3.0]]
    """
    return _functions.take_along_axis(self, index, dim)


def masked_fill(self: _core.Tensor, mask: Any, value: Any) -> _core.Tensor:
    """`bp.where(mask, value, x)`, as PyTorch calls it.

    Example:
        >>> import backpass as bp, numpy as np
        >>> bp.tensor([1.0, 2.0]).masked_fill(np.array([True, False]), -9.0).tolist()
        [-9.0, 2.0]
    """
    return _functions.where(mask, value, self)


def power(self: _core.Tensor, exponent: Any) -> _core.Tensor:
    """`x ** exponent`, as PyTorch calls it."""
    return self**exponent  # type: ignore[no-any-return]


def clone(self: _core.Tensor) -> _core.Tensor:
    """The same elements as another tensor, through which gradients flow."""
    return _functions.reshape(self, (*self.shape, 1))[..., 0]


def astype(self: _core.Tensor, dtype: Any) -> _core.Tensor:
    """In another type, as NumPy casts: int32 by `bp.cast`; real numbers where they have a value and no gradient.

    Args:
        dtype: "float32", "float64" or "int32", or what NumPy takes for it.

    Raises:
        ValueError: if real numbers of a graph, or that require a gradient, should become another type.

    Example:
        >>> import backpass as bp
        >>> bp.tensor([1.5, 2.0]).argmax().astype("float32").item()
        1.0
    """
    name = _checks.choice("astype", "dtype", np.dtype(dtype).name, ("float32", "float64", "int32"))
    if name == self.dtype or self.dtype == "int32" or self.requires_grad or not self.has_value:
        return _functions.cast(self, name)
    return _core.tensor(np.asarray(self).astype(name), name, False)


def teach_methods() -> None:
    """Gives tensors their methods."""
    methods: dict[str, Callable[..., Any]] = {
        **{name: _method(name) for name in _METHODS},
        "__getitem__": getitem,
        "reshape": reshape,
        "transpose": transpose,
        "view": reshape,
        "permute": transpose,
        "unsqueeze": unsqueeze,
        "pow": power,
        "clamp": clamp,
        "gather": gather,
        "masked_fill": masked_fill,
        "clone": clone,
        "astype": astype,
        "to": astype,
    }
    for name, method in methods.items():
        setattr(_core.Tensor, name, method)
