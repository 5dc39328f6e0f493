"""Inputs of graphs, in the words that describe a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backpass import _checks, _core
from backpass.layers._layer import initializer_of


def Input(shape: int | tuple[int, ...], *, dtype: str = "float32", name: str = "x") -> _core.Tensor:
    """An input of a `Network`: any number of rows of some shape.

    Args:
        shape: of one row.
        dtype: "float32", "float64" or "int32".
        name: its name in messages and files.

    Returns:
        A tensor of shape (None, *shape), None being the batch. `input` makes one without a batch.

    Example:
        >>> import backpass as bp
        >>> bp.Input(3).shape
        (None, 3)
        >>> a = bp.input((2,), dtype="float64", name="a")
        >>> slope, = bp.gradients(bp.sum(a * a), [a])
        >>> bp.Graph([a], [slope])([1.0, 2.0])
        [array([2., 4.])]
    """
    return _core.input((None, *_checks.shape("Input", "shape", shape)), dtype, name)


def constant(value: Any, shape: Sequence[int | None] = (), dtype: str | None = None) -> _core.Tensor:
    """A constant tensor.

    Args:
        value: a number for every element, or an array of the elements, which has a shape of its own.
        shape: of the tensor, where the value is a number; None as first dimension is the batch.
        dtype: "float32", "float64" or, of whole numbers, "int32". None is what `bp.tensor` makes of it: float64 of an
            array of float64, int32 of one of whole numbers, float32 of all else.

    Example:
        >>> import backpass as bp, numpy as np
        >>> x = bp.Input(2, dtype="float64")
        >>> bp.Graph([x], [x * bp.constant(np.array([1.0, 10.0]))])([[1.0, 2.0]])
        [array([[ 1., 20.]])]
    """
    if not hasattr(value, "__len__"):
        return _core.constant(_checks.number("constant", "value", value), shape, dtype or "float32")
    elements = np.asarray(value)
    if elements.dtype.kind not in "fiub":
        raise TypeError(f"[constant] value must be real numbers, got dtype {elements.dtype}")
    return _core.constant_values(np.ascontiguousarray(elements, np.float64), dtype or _dtype_of(value, elements))


def _dtype_of(value: Any, elements: np.ndarray[Any, Any]) -> str:
    """As `bp.tensor` has it: of arrays their own, as far as there is one like it; of lists float32."""
    if not hasattr(value, "__array__") or elements.dtype.kind == "b":
        return "float32"
    return "int32" if elements.dtype.kind in "iu" else "float64" if elements.dtype == np.float64 else "float32"


def parameter(
    shape: Sequence[int],
    dtype: str = "float32",
    name: str = "w",
    initializer: str | Callable[..., Any] = "zeros",
    gain: float = 1.0,
) -> _core.Tensor:
    """A trainable tensor outside of layers; layers create theirs with `Layer.parameter`.

    Args:
        shape: its dimensions.
        dtype: "float32" or "float64".
        name: how the model calls it.
        initializer: a name as `Dense` takes it, or a function (shape, generator) -> array.
        gain: multiplies the values.

    Raises:
        ValueError: if the name of the initializer is unknown, or it gives an array of another shape.

    Example:
        >>> import backpass as bp
        >>> w = bp.parameter((3, 2), initializer="he_normal")
        >>> bp.Network(x := bp.Input(3), x @ w, seed=0).parameters()["w"].shape
        (3, 2)
    """
    return _core.parameter(shape, dtype, name, initializer_of(initializer), gain)
