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

__all__ = [
    "EighResult", "QRResult", "SlogdetResult", "cholesky", "det", "eigh", "eigvalsh", "inv", "logdet", "lstsq",
    "matrix_power", "pinv", "qr", "slogdet", "solve", "triangular_solve",
]  # fmt: skip


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


class EighResult(NamedTuple):
    """What `eigh` gives."""

    eigenvalues: Tensor
    eigenvectors: Tensor


def eigh(a: Tensor) -> EighResult:
    """Eigenvalues and eigenvectors of symmetric matrices.

    The gradient is symmetric (Giles 2008). Where values are equal, their vectors are any basis: gradients through the
    values are right, and through the vectors, what would turn them among each other is left out.

    Args:
        a: (..., n, n); only the lower triangle is read.

    Returns:
        (eigenvalues, eigenvectors): (..., n), ascending, and (..., n, n), in columns of length 1 whose largest element
        is positive.

    Raises:
        ValueError: if `a` is not square; in a run, "[eigh] matrix 3 is not finite".

    Example:
        >>> import backpass as bp
        >>> a = bp.input((2, 2), "float64")
        >>> values, vectors = bp.linalg.eigh(a)
        >>> bp.Graph([a], [values])([[2.0, 0.0], [1.0, 2.0]])[0].round(12).tolist()
        [1.0, 3.0]
    """
    return EighResult(*_core.eigh(a))


def eigvalsh(a: Tensor) -> Tensor:
    """The eigenvalues of symmetric matrices, (..., n), ascending; see `eigh`."""
    return eigh(a).eigenvalues


class QRResult(NamedTuple):
    """What `qr` gives."""

    Q: Tensor
    R: Tensor


def qr(a: Tensor) -> QRResult:
    """a = Q R, with orthonormal columns in Q and an upper triangular R; by Householder's reflections.

    Args:
        a: (..., m, n). For the gradient, the first k columns must be independent; with k = min(m, n).

    Returns:
        (Q, R): (..., m, k) and (..., k, n), with the signs of LAPACK, as in NumPy.

    Raises:
        ValueError: if `a` is no matrix; in the run of a gradient, if R has a 0 on its diagonal.

    Example:
        >>> import backpass as bp
        >>> a = bp.input((2, 2), "float64")
        >>> q, r = bp.linalg.qr(a)
        >>> bp.Graph([a], [r])([[3.0, 1.0], [4.0, 2.0]])[0].round(12).tolist()
        [[-5.0, -2.2], [0.0, 0.4]]
    """
    return QRResult(*_core.qr(a))


def matrix_power(a: Tensor, n: int) -> Tensor:
    """a multiplied with itself n times; its inverse where n is negative.

    Args:
        a: (..., n, n).
        n: any whole number.

    Raises:
        ValueError: if `a` is not square; in a run, if n is negative and a matrix is singular.

    Example:
        >>> import backpass as bp
        >>> a = bp.input((2, 2), "float64")
        >>> bp.Graph([a], [bp.linalg.matrix_power(a, 5)])([[1.0, 1.0], [0.0, 1.0]])
        [array([[1., 5.],
               [0., 1.]])]
    """
    return _core.matrix_power(a, n)


def pinv(a: Tensor, rtol: float | None = None) -> Tensor:
    """The inverse of Moore and Penrose, of matrices of any shape and rank.

    The gradient is that at constant rank (Golub and Pereyra 1973).

    Args:
        a: (..., m, n).
        rtol: singular values up to `rtol` times the largest count as 0; None is max(m, n) times the distance of 1 and
            the next number of the dtype.

    Returns:
        (..., n, m).

    Raises:
        ValueError: if `a` is no matrix, or rtol is negative; in a run, if a matrix is not finite.

    Example:
        >>> import backpass as bp
        >>> a = bp.input((2, 1), "float64")
        >>> bp.Graph([a], [bp.linalg.pinv(a)])([[3.0], [4.0]])[0].round(12).tolist()
        [[0.12, 0.16]]
    """
    return _core.pinv(a, rtol)


def lstsq(a: Tensor, b: Tensor, rtol: float | None = None) -> Tensor:
    """The x of the least |a x - b|, and of these that of the least |x|: the solution alone, as `pinv(a) @ b`.

    Args:
        a: (..., m, n), of any rank.
        b: (..., m, k), or one vector (m).
        rtol: as for `pinv`.

    Returns:
        (..., n, k), or (n).

    Raises:
        ValueError: if the shapes do not fit; in a run, if a matrix is not finite.

    Example:
        >>> import backpass as bp
        >>> a, b = bp.input((3, 2), "float64", "a"), bp.input((3,), "float64", "b")
        >>> graph = bp.Graph([a, b], [bp.linalg.lstsq(a, b)])
        >>> graph([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 5.0])[0].round(12).tolist()
        [1.0, 2.0]
    """
    return _core.lstsq(a, b, rtol)
