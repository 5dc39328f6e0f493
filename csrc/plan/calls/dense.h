// Decompositions of one dense matrix, row-major, in float64: Cholesky, LU, triangles.
#pragma once

#include "backpass/types.h"
#include "kernels/table.h"

namespace backpass {

// y += factor * x, of n elements; a kernel.
using AddScaled = void (*)(double* y, const double* x, double factor, kernels::Size n) noexcept;

// u (n, n): of the upper triangle of a symmetric matrix its factor U, with Uᵀ U = a; below is not touched. False where
// the matrix is not positive definite.
bool factor_cholesky(AddScaled add_scaled, double* u, Dim n) noexcept;

// a (n, n): P a = L U, with L (ones on its diagonal) below and U above; row k has changed places with row pivots[k].
// False where a pivot is 0. `sign` is that of P.
bool factor_lu(AddScaled add_scaled, double* a, Dim* pivots, double& sign, Dim n) noexcept;

// The triangle of a stored matrix, or of its transpose.
struct TriangleView {
  const double* data;
  Dim row, col;  // steps
  bool lower, unit;

  double at(Dim i, Dim j) const { return data[i * row + j * col]; }
};

// x (n, columns) becomes the solution of A x' = x. False where the diagonal has a 0.
bool solve_in_place(AddScaled add_scaled, const TriangleView& a, double* x, Dim n, Dim columns) noexcept;

// x (n, columns) becomes the solution of a x' = x, or of aᵀ x' = x, from what factor_lu left.
void solve_lu(AddScaled add_scaled, const double* lu, const Dim* pivots, bool transpose, double* x, Dim n,
              Dim columns) noexcept;

}  // namespace backpass
