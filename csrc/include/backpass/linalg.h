// Linear algebra of small dense matrices, (..., n, n), one by one behind leading dimensions; NumPy's names and
// meanings.
#pragma once

#include <utility>

#include "backpass/graph.h"

// All is computed in float64. A matrix that has no answer ends the run with std::invalid_argument, which says which one
// it is: nothing is updated. Derivatives are made of the same functions and of matmul, so that they differentiate again
// (Giles 2008, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation").
namespace backpass::linalg {

// L, lower triangular, with L Lᵀ = a. Reads the lower triangle of a, which must be positive definite. The gradient is
// symmetric (Murray 2016, "Differentiation of the Cholesky decomposition").
Tensor cholesky(const Tensor& a);
// x with A x = b, or Aᵀ x = b, where A is the lower (or upper) triangle of a, with ones on its diagonal where that is
// `unit`. b: (..., n, k), or one vector (n); leading dimensions broadcast.
struct Triangle {
  bool lower = true, transpose = false, unit = false;
};
Tensor triangular_solve(const Tensor& a, const Tensor& b, Triangle triangle = {});
// x with a x = b, by an LU decomposition with partial pivoting. b: (..., n, k), or one vector (n).
Tensor solve(const Tensor& a, const Tensor& b);
Tensor inv(const Tensor& a);
// Of a singular matrix 0; its gradient is an error of the run then.
Tensor det(const Tensor& a);
// The sign of the determinant, through which no gradient flows, and the logarithm of its magnitude.
std::pair<Tensor, Tensor> slogdet(const Tensor& a);
// The logarithm of the determinant; nan where that is negative.
Tensor logdet(const Tensor& a);
// Of symmetric matrices, of which the lower triangle is read: values (..., n), ascending, and vectors (..., n, n), in
// columns whose largest element is positive. The gradient is symmetric (Giles 2008). Where values are equal, their
// vectors are any basis: gradients through the values are right, and through the vectors, what would turn them among
// each other is left out.
struct Eigen {
  Tensor values, vectors;
};
Eigen eigh(const Tensor& a);
// a = q r, with q (..., m, k) of orthonormal columns and r (..., k, n) upper triangular, k = min(m, n); by
// Householder's reflections, with the signs of LAPACK. Its derivative needs the first k columns to be independent
// (Walter and Lehmann 2010).
struct QR {
  Tensor q, r;
};
QR qr(const Tensor& a);
// a multiplied with itself, n times; its inverse where n is negative.
Tensor matrix_power(const Tensor& a, Dim n);
// The inverse of Moore and Penrose (..., n, m) of matrices (..., m, n), of any rank: singular values up to `rtol` times
// the largest count as 0. Without it: max(m, n) times the distance of 1 and the next number. The derivative is that at
// constant rank (Golub and Pereyra 1973).
Tensor pinv(const Tensor& a, std::optional<double> rtol = {});
// The x of the least |a x - b|, and of these that of the least |x|: pinv(a) b. b: (..., m, k), or one vector (m).
Tensor lstsq(const Tensor& a, const Tensor& b, std::optional<double> rtol = {});

}  // namespace backpass::linalg
