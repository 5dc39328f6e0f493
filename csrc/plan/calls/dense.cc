// Decompositions by rows: every inner loop adds a multiple of one row to another (Golub and Van Loan 2013, chapters 3
// and 4).
#include "plan/calls/dense.h"

#include <algorithm>
#include <cmath>

namespace backpass {

bool factor_cholesky(AddScaled add_scaled, double* u, Dim n) noexcept {
  for (Dim k = 0; k < n; ++k) {
    double* row = u + k * n;
    if (!(row[k] > 0)) return false;
    const double root = std::sqrt(row[k]);
    row[k] = root;
    for (Dim j = k + 1; j < n; ++j) row[j] /= root;
    for (Dim i = k + 1; i < n; ++i) add_scaled(u + i * n + i, row + i, -row[i], n - i);
  }
  return true;
}

bool factor_lu(AddScaled add_scaled, double* a, Dim* pivots, double& sign, Dim n) noexcept {
  bool regular = true;
  sign = 1;
  for (Dim k = 0; k < n; ++k) {
    Dim pivot = k;
    for (Dim i = k + 1; i < n; ++i)
      if (std::fabs(a[i * n + k]) > std::fabs(a[pivot * n + k])) pivot = i;
    pivots[k] = pivot;
    if (pivot != k) {
      std::swap_ranges(a + k * n, a + (k + 1) * n, a + pivot * n);
      sign = -sign;
    }
    const double* row = a + k * n;
    if (row[k] == 0) {  // and so is the column below
      regular = false;
      continue;
    }
    for (Dim i = k + 1; i < n; ++i) {
      double* below = a + i * n;
      below[k] /= row[k];
      add_scaled(below + k + 1, row + k + 1, -below[k], n - k - 1);
    }
  }
  return regular;
}

bool solve_in_place(AddScaled add_scaled, const TriangleView& a, double* x, Dim n, Dim columns) noexcept {
  for (Dim step = 0; step < n; ++step) {
    const Dim i = a.lower ? step : n - 1 - step;
    double* row = x + i * columns;
    const Dim begin = a.lower ? 0 : i + 1, end = a.lower ? i : n;
    if (columns == 1) {  // too short for a kernel
      double sum = *row;
      for (Dim p = begin; p < end; ++p) sum -= a.at(i, p) * x[p];
      *row = sum;
    } else {
      for (Dim p = begin; p < end; ++p) add_scaled(row, x + p * columns, -a.at(i, p), columns);
    }
    if (a.unit) continue;
    const double diagonal = a.at(i, i);
    if (diagonal == 0) return false;
    for (Dim j = 0; j < columns; ++j) row[j] /= diagonal;
  }
  return true;
}

void solve_lu(AddScaled add_scaled, const double* lu, const Dim* pivots, bool transpose, double* x, Dim n,
              Dim columns) noexcept {
  const auto exchange = [&](Dim k) {
    if (pivots[k] != k) std::swap_ranges(x + k * columns, x + (k + 1) * columns, x + pivots[k] * columns);
  };
  if (!transpose) {
    for (Dim k = 0; k < n; ++k) exchange(k);
    solve_in_place(add_scaled, {lu, n, 1, true, true}, x, n, columns);
    solve_in_place(add_scaled, {lu, n, 1, false, false}, x, n, columns);
    return;
  }
  solve_in_place(add_scaled, {lu, 1, n, true, false}, x, n, columns);  // Uᵀ
  solve_in_place(add_scaled, {lu, 1, n, false, true}, x, n, columns);  // Lᵀ
  for (Dim k = n; k-- > 0;) exchange(k);
}

}  // namespace backpass
