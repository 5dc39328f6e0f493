"""Proof that a product is right without computing it: C v against A (B v), for random signs v (Freivalds 1979)."""

from __future__ import annotations

import numpy as np

from .cases import Array, Problem

VECTORS = 4
# Of one rounding. Sums of k products of unit roundings wander by about sqrt(k).
ROUNDING = {"highest": 0.0, "high": 2.0**-15, "medium": 2.0**-7}


def tolerance(problem: Problem) -> float:
    own = float(np.finfo(problem.case.dtype).eps) * (4 + problem.case.k**0.5)
    reduced = ROUNDING[problem.precision] if problem.case.dtype == "float32" else 0.0
    return max(own, reduced)


def error_of(problem: Problem, product: Array) -> float:
    """Relative, in norm; a single wrong element of n stands out as one part of sqrt(m n)."""
    a, b = (operand.astype(np.longdouble) for operand in problem.operands())
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (problem.case.n, VECTORS)).astype(np.longdouble)
    expected = a @ (b @ signs)
    return float(np.linalg.norm(product.astype(np.longdouble) @ signs - expected) / np.linalg.norm(expected))
