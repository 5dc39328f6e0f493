"""What NumPy and Python are told where they take a tensor for an array or a number: a graph is built by operations."""

from __future__ import annotations

import operator
from typing import Any, NoReturn

import numpy as np

from backpass import _core
from backpass.ops._values import METHODS, VALUES, shown

_OPERATORS = {
    "add": operator.add,
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "bitwise_xor": operator.xor,
    "divide": operator.truediv,
    "equal": operator.eq,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "less": operator.lt,
    "less_equal": operator.le,
    "matmul": operator.matmul,
    "multiply": operator.mul,
    "not_equal": operator.ne,
    "power": operator.pow,
    "remainder": operator.mod,
    "subtract": operator.sub,
    "true_divide": operator.truediv,
}
_OTHERWISE = {
    "absolute": "bp.abs",
    "around": "bp.round",
    "concatenate": "bp.concat",
    "fabs": "bp.abs",
    "negative": "-x",
    "rint": "bp.round",
}


# What jumps from one value to the next: its slope is zero wherever there is one.
_JUMPS = {
    *("argmax", "argmin", "nanargmax", "nanargmin", "argsort", "argpartition", "argwhere", "nonzero", "flatnonzero"),
    *("ceil", "fix", "floor", "rint", "round", "trunc", "digitize", "searchsorted"),
    "isclose",
}
_AROUND_JUMPS = (
    "a choice has no gradient. bp.softmax weighs all that it chooses from; bp.stop_gradient(hard - soft) + soft passes "
    "on the gradient of soft (straight-through); else choose from what predict or a Graph returns"
)


def _ufunc(tensor: _core.Tensor, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
    """A number of NumPy beside an operator is a number, an array is a tensor: with a value beside one that has some,
    otherwise a constant of the graph. Anything else is refused."""
    own = _OPERATORS.get(ufunc.__name__)
    if any(isinstance(x, _core.Tensor) and x.is_eager for x in inputs):
        if method == "__call__" and not options and (own := own or getattr(_core, ufunc.__name__, None)):
            return own(*(beside(tensor, x) for x in inputs))
        return getattr(ufunc, method)(*map(_value, inputs), **options)
    if own is None or method != "__call__" or options:
        _refuse(ufunc.__name__)
    return own(*(beside(tensor, x) for x in inputs))


def beside(tensor: _core.Tensor, x: Any) -> Any:
    """An operand beside a tensor, in its type."""
    if isinstance(x, _core.Tensor):
        return x
    return float(x) if np.ndim(x) == 0 else _core.beside(tensor, np.asarray(x))


def _value(x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        return type(x)(map(_value, x))
    return np.asarray(x) if isinstance(x, _core.Tensor) else x


def _function(tensor: _core.Tensor, function: Any, types: Any, args: Any, options: Any) -> Any:
    """NumPy's own functions see the values of tensors that have some."""
    if not tensor.is_eager:
        _refuse(function.__name__)
    return function(*map(_value, args), **{name: _value(x) for name, x in options.items()})


def _refuse(name: str) -> NoReturn:
    own = _OTHERWISE.get(name) or (f"bp.{name}" if callable(getattr(_core, name, None)) else "")
    cures = [f"write {own}"] * bool(own) + [_AROUND_JUMPS] * (name in _JUMPS)
    cure = "; ".join(cures) or "it is for what predict or a Graph returns"
    raise TypeError(f"[Tensor] numpy.{name} takes arrays, and a tensor has no elements while a graph is built: {cure}")


def _array(tensor: _core.Tensor, *args: Any, **options: Any) -> NoReturn:
    raise TypeError("[Tensor] has no elements while a graph is built: predict, or calling a Graph, computes them")


def _truth(tensor: _core.Tensor) -> NoReturn:
    raise TypeError(
        "[Tensor] is neither true nor false while a graph is built: bp.where, bp.maximum and bp.minimum choose "
        "element by element, & | ~ are the logic of elements, and a.id == b.id tells whether both are one tensor; "
        "static_argnums of bp.compile makes an argument a value"
    )


def _number(tensor: _core.Tensor, *args: Any) -> NoReturn:
    raise TypeError(
        "[Tensor] is no number while a graph is built: functions of backpass (bp.exp, bp.mean, ...) compute with it, "
        "and predict, or calling a Graph, gives numbers"
    )


def _with_values(name: str, otherwise: Any) -> Any:
    """A method that answers for tensors with values, and says `otherwise` why there are none."""
    answer = VALUES[name]
    return lambda tensor, *args, **options: (answer if tensor.has_value else otherwise)(tensor, *args, **options)


def _shown(tensor: _core.Tensor) -> str:
    return shown(tensor) if tensor.is_eager else _plain_repr(tensor)


_plain_repr = _core.Tensor.__repr__


def teach_numpy() -> None:
    """Gives tensors the methods by which NumPy, `if`, `float` and `math` ask them."""
    unknown = {**dict.fromkeys(VALUES, _number), "__array__": _array, "__bool__": _truth}
    methods = {
        **METHODS,
        **{name: _with_values(name, otherwise) for name, otherwise in unknown.items()},
        "__array_function__": _function,
        "__array_ufunc__": _ufunc,
        "__repr__": _shown,
    }
    for name, method in methods.items():
        setattr(_core.Tensor, name, method)
