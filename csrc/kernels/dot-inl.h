// The product whose operands both lie along k: tiles of dot products; compiled per instruction set.
#pragma once

#include "kernels/parts-inl.h"

namespace backpass::kernels {
namespace {

// c (M, N) = or += rows of a (M, k) times rows of b (N, k).
template <class T, int M, int N>
void dot_tile(T* c, Size c_row, Size c_col, const T* a, Size a_row, const T* b, Size b_row, Size k, bool add) noexcept {
  constexpr Size lanes = Vec<T>::kLanes;
  Vec<T> sums[M][N];
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) sums[i][j] = broadcast(static_cast<T>(0));
  }
  Size p = 0;
  for (; p + lanes <= k; p += lanes) {
    Vec<T> y[N];
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) y[j] = load(b + j * b_row + p);
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) {
      const Vec<T> x = load(a + i * a_row + p);
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) sums[i][j] = fma(x, y[j], sums[i][j]);
    }
  }
  if (const Size rest = k - p; rest > 0) {
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) {
      const Vec<T> x = load_n(a + i * a_row + p, rest);
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) sums[i][j] = fma(x, load_n(b + j * b_row + p, rest), sums[i][j]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) {
      T& out = c[i * c_row + j * c_col];
      out = add ? out + sum(sums[i][j]) : sum(sums[i][j]);
    }
  }
}

template <class T>
using DotTile = void (*)(T*, Size, Size, const T*, Size, const T*, Size, Size, bool) noexcept;

template <class T>
struct DotTiles {
  static constexpr int kRows = Blocks<T>::kDotRows, kCols = Blocks<T>::kDotCols, kLine = 8;
  DotTile<T> by_size[kRows + 1][kCols + 1] = {};
  DotTile<T> line[kLine + 1] = {};  // one row of A

  template <int m, int n>
  constexpr void fill() {
    by_size[m][n] = &dot_tile<T, m, n>;
    if constexpr (n > 1)
      fill<m, n - 1>();
    else if constexpr (m > 1)
      fill<m - 1, kCols>();
  }

  template <int n>
  constexpr void fill_line() {
    line[n] = &dot_tile<T, 1, n>;
    if constexpr (n > 1) fill_line<n - 1>();
  }

  constexpr DotTiles() {
    fill<kRows, kCols>();
    fill_line<kLine>();
  }
};

template <class T>
constexpr DotTiles<T> kDotTiles;

// One row x against n rows of y, in tiles as long as there are registers to hide latency.
template <class T>
void dot_line(T* c, Size c_col, const T* x, const T* y, Size y_row, Size n, Size k, bool add) noexcept {
  constexpr Size line = DotTiles<T>::kLine;
  for (Size j = 0; j < n; j += line) {
    const Size width = line < n - j ? line : n - j;
    kDotTiles<T>.line[width](c + j * c_col, 0, c_col, x, 0, y + j * y_row, y_row, k, add);
  }
}

// One pass: elements p .. p + k of the inner dimension.
template <class T>
void dot_pass(const MatmulBlock<T>& x, Size p, Size k) noexcept {
  const T *a = x.a + p, *b = x.b + p;
  const bool add = p > 0;
  if (x.m == 1) return dot_line(x.c, 1, a, b, x.b_col, x.n, k, add);
  if (x.n == 1) return dot_line(x.c, x.ldc, b, a, x.a_row, x.m, k, add);
  const Parts cols(x.n, DotTiles<T>::kCols), rows(x.m, DotTiles<T>::kRows);
  for (Size jj = 0, j = 0; jj < cols.count; j += cols[jj++]) {
    for (Size ii = 0, i = 0; ii < rows.count; i += rows[ii++]) {
      kDotTiles<T>.by_size[rows[ii]][cols[jj]](x.c + i * x.ldc + j, x.ldc, 1, a + i * x.a_row, x.a_row, b + j * x.b_col,
                                               x.b_col, k, add);
    }
  }
}

// In long passes, so that no sum runs over the whole of a very long k.
template <class T>
void dot_product(const MatmulBlock<T>& x) noexcept {
  constexpr Size depth = 8 * Blocks<T>::kDepth;
  for (Size p = 0; p < x.k; p += depth) dot_pass(x, p, depth < x.k - p ? depth : x.k - p);
}

}  // namespace
}  // namespace backpass::kernels
