"""Linear algebra of small dense matrices, one by one behind leading dimensions: NumPy's names and meanings.

All is computed in float64, whatever the dtype. A matrix that has no answer is an error of the run (ValueError) that
says which one it is; nothing is updated then. Derivatives are made of the same functions and of `matmul`, so that they
differentiate again (Giles 2008, "Collected matrix derivative results").

>>> import backpass as bp
>>> a = bp.input((2, 2), "float64")
>>> bp.Graph([a], [bp.linalg.det(a)])([[0.0, 2.0], [3.0, 5.0]])
[array(-6.)]
"""

from __future__ import annotations

from typing import NamedTuple

from backpass import _core
from backpass._core import Tensor

__all__ = ["SlogdetResult", "cholesky", "det", "inv", "logdet", "slogdet", "solve", "triangular_solve"]


def cholesky(a: Tensor) -> Tensor:
    """The lower triangular L with L L^T = a.

    The gradient is symmetric (Murray 2016, "Differentiation of the Cholesky decomposition").

    Args:
        a: (..., n, n), symmetric and positive definite; only the lower triangle is read.

    Returns:
        (..., n, n), with zeros above the diagonal.

    Raises:
        ValueError: if `a` is not square; in a run, "[cholesky] matrix 3 is not positive definite".

    Example:
        >>> import backpass as bp
        >>> a = bp.input((2, 2), "float64")
        >>> bp.Graph([a], [bp.linalg.cholesky(a)])([[4.0, 2.0], [2.0, 10.0]])
        [array([[2., 0.],
               [1., 3.]])]
    """
    return _core.cholesky(a)


def triangular_solve(
    a: Tensor, b: Tensor, lower: bool = True, transpose_a: bool = False, unit_diagonal: bool = False
) -> Tensor:
    """x with A x = b, where A is a triangle of `a`.

    Args:
        a: (..., n, n); what lies beyond the triangle is not read.
        b: (..., n, k), or one vector (n); leading dimensions broadcast.
        lower: which triangle.
        transpose_a: A^T x = b instead.
        unit_diagonal: ones stand on the diagonal, whatever lies there.

    Raises:
        ValueError: if the shapes do not fit; in a run, if a diagonal has a zero.

    Example:
        >>> import backpass as bp
        >>> a, b = bp.input((2, 2), "float64", "a"), bp.input((2,), "float64", "b")
        >>> bp.Graph([a, b], [bp.linalg.triangular_solve(a, b)])([[2.0, 0.0], [1.0, 4.0]], [2.0, 9.0])
        [array([1., 2.])]
    """
    return _core.triangular_solve(a, b, lower, transpose_a, unit_diagonal)


def solve(a: Tensor, b: Tensor) -> Tensor:
    """x with a x = b, by an LU decomposition with partial pivoting.

    Args:
        a: (..., n, n).
        b: (..., n, k), or one vector (n); leading dimensions broadcast.

    Raises:
        ValueError: if the shapes do not fit; in a run, "[solve] matrix 3 is singular".

    Example:
        >>> import backpass as bp
        >>> a, b = bp.input((2, 2), "float64", "a"), bp.input((2,), "float64", "b")
        >>> bp.Graph([a, b], [bp.linalg.solve(a, b)])([[0.0, 2.0], [1.0, 1.0]], [4.0, 5.0])
        [array([3., 2.])]
    """
    return _core.solve(a, b)


def inv(a: Tensor) -> Tensor:
    """The inverse of each matrix; `solve` is quicker and more accurate where it is multiplied with something.

    Args:
        a: (..., n, n).

    Raises:
        ValueError: if `a` is not square; in a run, "[inv] matrix 3 is singular".

    Example:
        >>> import backpass as bp
        >>> a = bp.input((2, 2), "float64")
        >>> bp.Graph([a], [bp.linalg.inv(a)])([[0.0, 2.0], [1.0, 0.0]])
        [array([[0. , 1. ],
               [0.5, 0. ]])]
    """
    return _core.inv(a)


def det(a: Tensor) -> Tensor:
    """The determinant of each matrix: 0 of a singular one, where asking for the gradient is an error of the run.

    Args:
        a: (..., n, n).

    Example:
        >>> import backpass as bp
        >>> a = bp.input((2, 2), "float64")
        >>> bp.Graph([a], [bp.linalg.det(a)])([[2.0, 1.0], [0.0, 3.0]])
        [array(6.)]
    """
    return _core.det(a)


class SlogdetResult(NamedTuple):
    """What `slogdet` gives."""

    sign: Tensor
    logabsdet: Tensor


def slogdet(a: Tensor) -> SlogdetResult:
    """The sign of the determinant, through which no gradient flows, and the logarithm of its magnitude.

    Args:
        a: (..., n, n).

    Returns:
        (sign, logabsdet), each (...); 0 and -inf of a singular matrix.

    Example:
        >>> import backpass as bp
        >>> a = bp.input((2, 2), "float64")
        >>> sign, logabsdet = bp.linalg.slogdet(a)
        >>> bp.Graph([a], [sign, logabsdet])([[0.0, 1.0], [1.0, 0.0]])
        [array(-1.), array(0.)]
    """
    return SlogdetResult(*_core.slogdet(a))


def logdet(a: Tensor) -> Tensor:
    """The logarithm of the determinant; nan where that is negative.

    Of a positive definite matrix, 2 sum(log(diagonal of cholesky(a))) says the same in half the time.

    Args:
        a: (..., n, n).

    Example:
        >>> import backpass as bp
        >>> a = bp.input((2, 2), "float64")
        >>> bp.Graph([a], [bp.linalg.logdet(a)])([[2.0, 0.0], [0.0, 0.5]])
        [array(0.)]
    """
    return _core.logdet(a)
