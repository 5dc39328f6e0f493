"""Elementwise functions under test, beside the activations."""

import numpy as np
from scipy import special

import backpass as bp
from op_case import OpCase

PAIR = ((3, 5), (3, 5))


def special_of(name, reference, **domain):
    """A function that PyTorch has as `torch.special`."""
    return OpCase(name, getattr(bp, name), reference, torch=lambda t, x: getattr(t.special, name)(x), **domain)


def unary(name, reference=None, torch=None, **domain):
    function = torch or (lambda t, x: getattr(t, name)(x))
    return OpCase(name, getattr(bp, name), reference or getattr(np, name), torch=function, **domain)


def choice(name, reference, torch_of):
    """What has no gradient: 0 times its inputs stands beside it, so that they get zeros."""
    return OpCase(name, lambda *xs: getattr(bp, name)(*xs) + none_of(xs), lambda *xs: reference(*xs) * 1.0,
                  PAIR if torch_of.__code__.co_argcount == 3 else PAIR[:1], off_kinks=True,
                  torch=lambda t, *xs: torch_of(t, *xs) * 1.0 + none_of(xs))  # fmt: skip


def none_of(xs):
    """Zeros that depend on all of them."""
    total = xs[0] * 0
    for x in xs[1:]:
        total = total + x * 0
    return total


def flat(name):
    """Steps: derivative 0."""
    return unary(name, torch=lambda t, x: getattr(t, name)(x), off_kinks=True)


UNARY = (
    unary("reciprocal", low=0.3),
    unary("rsqrt", lambda x: 1 / np.sqrt(x), low=0.3),
    unary("cbrt", torch=lambda t, x: x ** (1 / 3), low=0.3),
    unary("exp2"),
    unary("expm1"),
    unary("log2", low=0.2),
    unary("log10", low=0.2),
    unary("log1p", low=-0.7),
    unary("cos"),
    unary("tan", low=-1.2, high=1.2),
    unary("arcsin", low=-0.9, high=0.9),
    unary("arccos", low=-0.9, high=0.9),
    unary("arctan"),
    unary("sinh"),
    unary("cosh"),
    special_of("erfc", special.erfc),
    unary("lgamma", special.gammaln, low=0.3, high=9.0),
    unary("digamma", special.digamma, low=0.3, high=9.0),
    OpCase("polygamma", lambda x: bp.polygamma(1, x), lambda x: special.polygamma(1, x), low=0.5, high=9.0,
           torch=lambda t, x: t.polygamma(1, x)),
    *(flat(name) for name in ("floor", "ceil", "round", "trunc")),
    OpCase("power by a whole number", lambda x: x**5, lambda x: x**5),
    OpCase("power by a negative number", lambda x: x**-2, lambda x: x**-2.0, low=0.4),
    OpCase("power by a fraction", lambda x: x**1.7, lambda x: x**1.7, low=0.3),
    OpCase("power of a number", lambda x: 3.0**x, lambda x: 3.0**x),
    OpCase("clip", lambda x: bp.clip(x, -0.8, 0.7), lambda x: np.clip(x, -0.8, 0.7), off_kinks=True,
           torch=lambda t, x: x.clip(-0.8, 0.7)),
    OpCase("clip from below", lambda x: x.clip(0.25), lambda x: np.maximum(x, 0.25), off_kinks=True,
           torch=lambda t, x: x.clip(0.25)),
)  # fmt: skip

BINARY = (
    OpCase("power", lambda a, b: a**b, lambda a, b: a**b, PAIR, low=0.3),
    OpCase("arctan2", bp.arctan2, np.arctan2, PAIR, off_kinks=True, torch=lambda t, a, b: t.arctan2(a, b)),
    OpCase("hypot", bp.hypot, np.hypot, PAIR, off_kinks=True, torch=lambda t, a, b: t.hypot(a, b)),
    OpCase("logaddexp", bp.logaddexp, np.logaddexp, PAIR, torch=lambda t, a, b: t.logaddexp(a, b)),
    OpCase("mod", lambda a, b: a % (b + 4), lambda a, b: np.mod(a, b + 4), PAIR, off_kinks=True,
           torch=lambda t, a, b: t.remainder(a, b + 4)),
    OpCase("where", lambda a, b: bp.where(a > b, a * b, b), lambda a, b: np.where(a > b, a * b, b), PAIR,
           off_kinks=True, torch=lambda t, a, b: t.where(a > b, a * b, b)),
    OpCase("clip by tensors", lambda a, b: bp.clip(a, b - 1, b + 0.5), lambda a, b: np.clip(a, b - 1, b + 0.5), PAIR,
           torch=lambda t, a, b: t.clip(a, b - 1, b + 0.5)),
)  # fmt: skip

CHOICES = (
    choice("equal", np.equal, lambda t, a, b: a == b),
    choice("not_equal", np.not_equal, lambda t, a, b: a != b),
    choice("less", np.less, lambda t, a, b: a < b),
    choice("less_equal", np.less_equal, lambda t, a, b: a <= b),
    choice("greater", np.greater, lambda t, a, b: a > b),
    choice("greater_equal", np.greater_equal, lambda t, a, b: a >= b),
    choice("logical_and", np.logical_and, lambda t, a, b: t.logical_and(a, b)),
    choice("logical_or", np.logical_or, lambda t, a, b: t.logical_or(a, b)),
    choice("logical_xor", np.logical_xor, lambda t, a, b: t.logical_xor(a, b)),
    choice("logical_not", np.logical_not, lambda t, x: t.logical_not(x)),
    choice("isnan", np.isnan, lambda t, x: t.isnan(x)),
    choice("isinf", np.isinf, lambda t, x: t.isinf(x)),
    choice("isfinite", np.isfinite, lambda t, x: t.isfinite(x)),
)

ELEMENTWISE = (*UNARY, *BINARY, *CHOICES)
