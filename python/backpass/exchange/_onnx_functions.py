"""Elementwise functions in ONNX's words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Unary = Callable[[Any, str, str, float], str]
Binary = Callable[[Any, str, str, str, float], str]


def _plain(kind: str, **attributes: Any) -> Unary:
    return lambda w, x, dtype, alpha: str(w.node(kind, [x], **attributes))


def _with_number(kind: str) -> Unary:
    """The function of x and alpha."""
    return lambda w, x, dtype, alpha: str(w.node(kind, [x, w.constant(alpha, dtype)]))


def _slope(kind: str) -> Unary:
    return lambda w, x, dtype, alpha: str(w.node(kind, [x], alpha=alpha))


def _as_number(w: Any, truth: str, dtype: str) -> str:
    return str(w.node("Cast", [truth], to=w.type_of(dtype)))


def _square(w: Any, x: str, dtype: str, alpha: float) -> str:
    return str(w.node("Mul", [x, x]))


def _step(w: Any, x: str, dtype: str, alpha: float) -> str:
    return _as_number(w, w.node("Greater", [x, w.constant(0, dtype)]), dtype)


def _exp(w: Any, x: str, dtype: str) -> str:
    return str(w.node("Exp", [x]))


def _log_of(base: float) -> Unary:
    return lambda w, x, dtype, alpha: str(w.node("Mul", [w.node("Log", [x]), w.constant(1 / math.log(base), dtype)]))


def _rsqrt(w: Any, x: str, dtype: str, alpha: float) -> str:
    return str(w.node("Reciprocal", [w.node("Sqrt", [x])]))


def _cbrt(w: Any, x: str, dtype: str, alpha: float) -> str:
    root = w.node("Pow", [w.node("Abs", [x]), w.constant(1 / 3, dtype)])
    return str(w.node("Mul", [w.node("Sign", [x]), root]))


def _exp2(w: Any, x: str, dtype: str, alpha: float) -> str:
    return str(w.node("Pow", [w.constant(2, dtype), x]))


def _expm1(w: Any, x: str, dtype: str, alpha: float) -> str:
    return str(w.node("Sub", [w.node("Exp", [x]), w.constant(1, dtype)]))


def _log1p(w: Any, x: str, dtype: str, alpha: float) -> str:
    return str(w.node("Log", [w.node("Add", [x, w.constant(1, dtype)])]))


def _erfc(w: Any, x: str, dtype: str, alpha: float) -> str:
    return str(w.node("Sub", [w.constant(1, dtype), w.node("Erf", [x])]))


def _silu(w: Any, x: str, dtype: str, alpha: float) -> str:
    return str(w.node("Mul", [x, w.node("Sigmoid", [x])]))


def _log_sigmoid(w: Any, x: str, dtype: str, alpha: float) -> str:
    return str(w.node("Neg", [w.node("Softplus", [w.node("Neg", [x])])]))


def _log_cosh(w: Any, x: str, dtype: str, alpha: float) -> str:
    """|x| + log(1 + exp(-2 |x|)) - log 2."""
    far = w.node("Abs", [x])
    tail = w.node("Softplus", [w.node("Mul", [far, w.constant(-2, dtype)])])
    return str(w.node("Sub", [w.node("Add", [far, tail]), w.constant(math.log(2), dtype)]))


def _trunc(w: Any, x: str, dtype: str, alpha: float) -> str:
    return str(w.node("Mul", [w.node("Sign", [x]), w.node("Floor", [w.node("Abs", [x])])]))


def _is(kind: str) -> Unary:
    return lambda w, x, dtype, alpha: _as_number(w, w.node(kind, [x]), dtype)


def _is_finite(w: Any, x: str, dtype: str, alpha: float) -> str:
    less = w.node("Sub", [x, x])  # nan where it is not
    return _as_number(w, w.node("Not", [w.node("IsNaN", [less])]), dtype)


def _logical_not(w: Any, x: str, dtype: str, alpha: float) -> str:
    return _as_number(w, w.node("Equal", [x, w.constant(0, dtype)]), dtype)


def _gelu(kind: str) -> Unary:
    return lambda w, x, dtype, alpha: str(w.node("Gelu", [x], approximate=kind))


UNARY: dict[str, Unary] = {
    "copy": _plain("Identity"),
    "negate": _plain("Neg"),
    "abs": _plain("Abs"),
    "sign": _plain("Sign"),
    "step": _step,
    "square": _square,
    "sqrt": _plain("Sqrt"),
    "reciprocal": _plain("Reciprocal"),
    "exp": _plain("Exp"),
    "log": _plain("Log"),
    "erf": _plain("Erf"),
    "scale": _with_number("Mul"),
    "shift": _with_number("Add"),
    "relu": _plain("Relu"),
    "leaky_relu": _slope("LeakyRelu"),
    "sigmoid": _plain("Sigmoid"),
    "tanh": _plain("Tanh"),
    "gelu": _gelu("none"),
    "gelu_tanh": _gelu("tanh"),
    "softplus": _plain("Softplus"),
    "elu": _slope("Elu"),
    "silu": _silu,
    "mish": _plain("Mish"),
    "log_cosh": _log_cosh,
    "rsqrt": _rsqrt,
    "cbrt": _cbrt,
    "exp2": _exp2,
    "expm1": _expm1,
    "log2": _log_of(2),
    "log10": _log_of(10),
    "log1p": _log1p,
    "sin": _plain("Sin"),
    "cos": _plain("Cos"),
    "tan": _plain("Tan"),
    "arcsin": _plain("Asin"),
    "arccos": _plain("Acos"),
    "arctan": _plain("Atan"),
    "sinh": _plain("Sinh"),
    "cosh": _plain("Cosh"),
    "erfc": _erfc,
    "softsign": _plain("Softsign"),
    "log_sigmoid": _log_sigmoid,
    "floor": _plain("Floor"),
    "ceil": _plain("Ceil"),
    "round": _plain("Round"),
    "trunc": _trunc,
    "isnan": _is("IsNaN"),
    "isinf": _is("IsInf"),
    "isfinite": _is_finite,
    "logical_not": _logical_not,
}


def _two(kind: str) -> Binary:
    return lambda w, a, b, dtype, alpha: str(w.node(kind, [a, b]))


def _compared(kind: str, negated: bool = False) -> Binary:
    def function(w: Any, a: str, b: str, dtype: str, alpha: float) -> str:
        truth = w.node(kind, [a, b])
        return _as_number(w, w.node("Not", [truth]) if negated else truth, dtype)

    return function


def _logical(kind: str) -> Binary:
    def function(w: Any, a: str, b: str, dtype: str, alpha: float) -> str:
        zero = w.constant(0, dtype)
        truths = [w.node("Not", [w.node("Equal", [x, zero])]) for x in (a, b)]
        return _as_number(w, w.node(kind, truths), dtype)

    return function


def _where_positive(w: Any, a: str, b: str, dtype: str, alpha: float) -> str:
    """a where b > 0, else 0."""
    zero = w.constant(0, dtype)
    return str(w.node("Where", [w.node("Greater", [b, zero]), a, zero]))


def _hypot(w: Any, a: str, b: str, dtype: str, alpha: float) -> str:
    return str(w.node("Sqrt", [w.node("Add", [w.node("Mul", [a, a]), w.node("Mul", [b, b])])]))


def _logaddexp(w: Any, a: str, b: str, dtype: str, alpha: float) -> str:
    far = w.node("Neg", [w.node("Abs", [w.node("Sub", [a, b])])])
    return str(w.node("Add", [w.node("Max", [a, b]), w.node("Softplus", [far])]))


def _mod(w: Any, a: str, b: str, dtype: str, alpha: float) -> str:
    whole = w.node("Floor", [w.node("Div", [a, b])])
    return str(w.node("Sub", [a, w.node("Mul", [whole, b])]))


BINARY: dict[str, Binary] = {
    "add": _two("Add"),
    "subtract": _two("Sub"),
    "multiply": _two("Mul"),
    "divide": _two("Div"),
    "maximum": _two("Max"),
    "minimum": _two("Min"),
    "power": _two("Pow"),
    "greater": _compared("Greater"),
    "less": _compared("Less"),
    "greater_equal": _compared("GreaterOrEqual"),
    "less_equal": _compared("LessOrEqual"),
    "equal": _compared("Equal"),
    "not_equal": _compared("Equal", True),
    "logical_and": _logical("And"),
    "logical_or": _logical("Or"),
    "logical_xor": _logical("Xor"),
    "relu_grad": _where_positive,
    "hypot": _hypot,
    "logaddexp": _logaddexp,
    "mod": _mod,
}
