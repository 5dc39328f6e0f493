// Decompositions of one dense matrix into orthogonal ones, in float64: symmetric eigenvalues, QR.
#pragma once

#include "backpass/types.h"

namespace backpass {

// v (n, n): a symmetric matrix, of which the lower triangle is read; becomes its eigenvectors, as rows. w (n): their
// values, ascending. e (n): memory. The largest element of each vector, the first of several, is positive. False where
// it is not finite. Householder's reduction to three diagonals, then QL steps with implicit shifts (Bowdler, Martin,
// Reinsch and Wilkinson 1968).
bool decompose_symmetric(double* v, double* w, double* e, Dim n) noexcept;

// q: n columns of m >= n elements, one after the other; become orthonormal, with the same span up to each. tau (n):
// memory. Householder's reflections, with the signs of LAPACK.
void make_orthonormal(double* q, double* tau, Dim m, Dim n) noexcept;

}  // namespace backpass
