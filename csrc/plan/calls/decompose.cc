// Symmetric eigenvalues and QR.
#include "plan/calls/decompose.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

namespace backpass {
namespace {

double dot(const double* a, const double* b, Dim begin, Dim end) noexcept {
  double sum = 0;
  for (Dim i = begin; i < end; ++i) sum += a[i] * b[i];
  return sum;
}

// The last row that is not yet reduced, d (i), as a reflection of all before it; 0 where there is nothing to reflect.
double reflect_row(double* v, double* d, double* e, Dim i, Dim n, double scale) noexcept {
  for (Dim k = 0; k < i; ++k) d[k] /= scale;
  double h = dot(d, d, 0, i);
  const double last = d[i - 1], length = last > 0 ? -std::sqrt(h) : std::sqrt(h);
  e[i] = scale * length;
  h -= last * length;
  d[i - 1] = last - length;
  std::fill_n(e, i, 0.0);
  for (Dim j = 0; j < i; ++j) {  // e = A d, of one triangle
    const double f = d[j];
    double* column = v + j * n;
    v[i * n + j] = f;
    double g = e[j] + column[j] * f;
    for (Dim k = j + 1; k < i; ++k) {
      g += column[k] * d[k];
      e[k] += column[k] * f;
    }
    e[j] = g;
  }
  for (Dim j = 0; j < i; ++j) e[j] /= h;
  const double half = dot(e, d, 0, i) / (h + h);
  for (Dim j = 0; j < i; ++j) e[j] -= half * d[j];
  for (Dim j = 0; j < i; ++j) {
    const double f = d[j], g = e[j];
    double* column = v + j * n;
    for (Dim k = j; k < i; ++k) column[k] -= f * e[k] + g * d[k];
    d[j] = column[i - 1];
    column[i] = 0;
  }
  return h;
}

// Three diagonals: d and, beside it, e from 1 on; v: what leads there.
void reduce(double* v, double* d, double* e, Dim n) noexcept {
  for (Dim j = 0; j < n; ++j) d[j] = v[j * n + n - 1];
  for (Dim i = n - 1; i > 0; --i) {
    double scale = 0;
    for (Dim k = 0; k < i; ++k) scale += std::fabs(d[k]);
    if (scale > 0) {
      d[i] = reflect_row(v, d, e, i, n, scale);
      continue;
    }
    e[i] = d[i - 1];
    for (Dim j = 0; j < i; ++j) {
      d[j] = v[j * n + i - 1];
      v[j * n + i] = v[i * n + j] = 0;
    }
    d[i] = 0;
  }
}

// The reflections that reduce() left in v and d, multiplied.
void collect(double* v, double* d, Dim n) noexcept {
  for (Dim i = 0; i + 1 < n; ++i) {
    v[i * n + n - 1] = v[i * n + i];
    v[i * n + i] = 1;
    double* next = v + (i + 1) * n;
    if (const double h = d[i + 1]; h != 0) {
      for (Dim k = 0; k <= i; ++k) d[k] = next[k] / h;
      for (Dim j = 0; j <= i; ++j) {
        const double g = dot(next, v + j * n, 0, i + 1);
        for (Dim k = 0; k <= i; ++k) v[j * n + k] -= g * d[k];
      }
    }
    std::fill_n(next, i + 1, 0.0);
  }
  for (Dim j = 0; j < n; ++j) d[j] = std::exchange(v[j * n + n - 1], 0.0);
  v[n * n - 1] = 1;
}

// One sweep from m down to l, with the shift by which d[l] is reduced.
void sweep(double* v, double* d, double* e, Dim l, Dim m, Dim n, double& moved) noexcept {
  const double g = d[l], p0 = (d[l + 1] - g) / (2 * e[l]);
  const double r0 = std::copysign(std::hypot(p0, 1.0), p0);
  d[l] = e[l] / (p0 + r0);
  d[l + 1] = e[l] * (p0 + r0);
  const double second = d[l + 1], shift = g - d[l], beside = e[l + 1];
  for (Dim i = l + 2; i < n; ++i) d[i] -= shift;
  moved += shift;
  double p = d[m], c = 1, c2 = 1, c3 = 1, s = 0, s2 = 0;
  for (Dim i = m - 1; i >= l; --i) {
    c3 = c2;
    c2 = c;
    s2 = s;
    const double f = c * e[i], h = c * p, r = std::hypot(p, e[i]);
    e[i + 1] = s * r;
    s = e[i] / r;
    c = p / r;
    p = c * d[i] - s * f;
    d[i + 1] = h + s * (c * f + s * d[i]);
    double *low = v + i * n, *high = low + n;
    for (Dim k = 0; k < n; ++k) {
      const double was = high[k];
      high[k] = s * low[k] + c * was;
      low[k] = c * low[k] - s * was;
    }
  }
  p = -s * s2 * c3 * beside * e[l] / second;
  e[l] = s * p;
  d[l] = c * p;
}

bool diagonalize(double* v, double* d, double* e, Dim n) noexcept {
  constexpr int kMostSweeps = 60;  // for each value; two or three are the rule
  constexpr double kEps = std::numeric_limits<double>::epsilon();
  std::copy(e + 1, e + n, e);
  e[n - 1] = 0;
  double moved = 0, largest = 0;
  for (Dim l = 0; l < n; ++l) {
    largest = std::max(largest, std::fabs(d[l]) + std::fabs(e[l]));
    Dim m = l;
    while (m + 1 < n && std::fabs(e[m]) > kEps * largest) ++m;
    for (int sweeps = 0; m > l && std::fabs(e[l]) > kEps * largest; ++sweeps) {
      if (sweeps == kMostSweeps) return false;
      sweep(v, d, e, l, m, n, moved);
    }
    d[l] += moved;
    e[l] = 0;
  }
  return true;
}

void sort_ascending(double* v, double* w, Dim n) noexcept {
  for (Dim i = 0; i + 1 < n; ++i) {
    const Dim least = std::min_element(w + i, w + n) - w;
    if (least == i) continue;
    std::swap(w[i], w[least]);
    std::swap_ranges(v + i * n, v + (i + 1) * n, v + least * n);
  }
}

void choose_sign(double* vector, Dim n) noexcept {
  const double* most =
      std::max_element(vector, vector + n, [](double a, double b) { return std::fabs(a) < std::fabs(b); });
  if (*most < 0) std::transform(vector, vector + n, vector, std::negate<>());
}

// H = 1 - tau v vᵀ, with v (m - j) and 1 as its first element, on another column.
void reflect(const double* v, double tau, double* column, Dim j, Dim m) noexcept {
  const double sum = tau * (column[j] + dot(v, column, j + 1, m));
  column[j] -= sum;
  for (Dim i = j + 1; i < m; ++i) column[i] -= sum * v[i];
}

double length_of(const double* x, Dim begin, Dim end) noexcept {
  double largest = 0;
  for (Dim i = begin; i < end; ++i) largest = std::max(largest, std::fabs(x[i]));
  if (!(largest > 0) || !std::isfinite(largest)) return largest;
  double sum = 0;
  for (Dim i = begin; i < end; ++i) sum += x[i] / largest * (x[i] / largest);
  return largest * std::sqrt(sum);
}

}  // namespace

bool decompose_symmetric(double* v, double* w, double* e, Dim n) noexcept {
  if (n == 0) return true;
  double largest = 0;
  for (Dim i = 0; i < n; ++i)
    for (Dim j = 0; j <= i; ++j) {
      if (!std::isfinite(v[i * n + j])) return false;
      v[j * n + i] = v[i * n + j];
      largest = std::max(largest, std::fabs(v[i * n + j]));
    }
  // By a power of two, which rounds nothing: then no square is too large or too small.
  int exponent = 0;
  std::frexp(largest, &exponent);
  for (Dim i = 0; i < n * n; ++i) v[i] = std::ldexp(v[i], -exponent);
  reduce(v, w, e, n);
  collect(v, w, n);
  if (!diagonalize(v, w, e, n)) return false;
  for (Dim i = 0; i < n; ++i) w[i] = std::ldexp(w[i], exponent);
  sort_ascending(v, w, n);
  for (Dim i = 0; i < n; ++i) choose_sign(v + i * n, n);
  return true;
}

void make_orthonormal(double* q, double* tau, Dim m, Dim n) noexcept {
  for (Dim j = 0; j < n; ++j) {
    double* v = q + j * m;
    const double first = v[j], rest = length_of(v, j + 1, m);
    tau[j] = 0;
    if (rest == 0) continue;
    const double all = -std::copysign(std::hypot(first, rest), first);
    tau[j] = (all - first) / all;
    for (Dim i = j + 1; i < m; ++i) v[i] /= first - all;
    for (Dim k = j + 1; k < n; ++k) reflect(v, tau[j], q + k * m, j, m);
  }
  for (Dim j = n - 1; j >= 0; --j) {  // the reflections become their product, the last first
    double* v = q + j * m;
    for (Dim k = j + 1; k < n; ++k) reflect(v, tau[j], q + k * m, j, m);
    for (Dim i = j + 1; i < m; ++i) v[i] *= -tau[j];
    v[j] = 1 - tau[j];
    std::fill_n(v, j, 0.0);
  }
}

}  // namespace backpass
