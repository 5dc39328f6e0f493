// Products of which one operand is read through windows over an image; compiled per instruction set.
//
// The loops are those of matmul-inl.h, with A in place: a pass takes some runs of the inner dimension, and every panel
// of B meets all rows of all lines of A.
#pragma once

#include "kernels/pack-inl.h"
#include "kernels/parts-inl.h"
#include "kernels/register_tile-inl.h"

namespace backpass::kernels {
namespace {

// The register kernel over runs: sums stay in registers from one to the next.
template <class T, int M, int N>
void window_tile(T* c, Size ldc, Size width, const T* a, Size a_row, Size a_k, const Run* run, const Run* end,
                 const T* b, Size b_k, const TileEnd<T>& how) noexcept {
  Vec<T> sums[M][N];
  for_vectors<T, M, N>(width, [&](int i, int j, Size) { sums[i][j] = broadcast(static_cast<T>(0)); });
  for (; run != end; ++run) {
    const T* at = a + run->a;
    for (Size k = run->length; k > 0; --k, at += a_k, b += b_k) add_outer_product<T, M, N>(sums, at, a_row, b);
  }
  end_tile<T, M, N>(sums, c, ldc, width, how);
}

template <class T>
using WindowTile = void (*)(T*, Size, Size, const T*, Size, Size, const Run*, const Run*, const T*, Size,
                            const TileEnd<T>&) noexcept;

// By vectors and rows, as in Tiles.
template <class T>
struct WindowTiles {
  static constexpr int kRows = Blocks<T>::kRows, kVectors = Blocks<T>::kVectors, kNarrowRows = Blocks<T>::kNarrowRows;
  WindowTile<T> by_size[kVectors + 1][kNarrowRows + 1] = {};

  template <int m, int n>
  constexpr void fill() {
    by_size[n][m] = &window_tile<T, m, n>;
    if constexpr (m > 1)
      fill<m - 1, n>();
    else if constexpr (n > 1)
      fill<(n == 2 ? kNarrowRows : kRows), n - 1>();
  }

  constexpr WindowTiles() { fill<(kVectors == 1 ? kNarrowRows : kRows), kVectors>(); }
};

template <class T>
constexpr WindowTiles<T> kWindowTiles;

// Some runs, the whole of the columns from j on that a panel has, all lines.
template <class T>
void window_panel(const WindowBlock<T>& x, const Run* run, const Run* end, Size j, Size width, const T* b, Size b_k,
                  bool add) noexcept {
  constexpr Size lanes = Vec<T>::kLanes;
  const Parts rows(x.rows, x.n <= lanes ? Blocks<T>::kNarrowRows : Blocks<T>::kRows);
  const auto& tiles = kWindowTiles<T>.by_size[(width + lanes - 1) / lanes];
  TileEnd<T> how{add};
  const bool last = end == x.runs + x.run_count;
  if (last) how.epilogue = {.relu = x.epilogue.relu, .ld_relu_out = x.ldc};
  if (last && x.epilogue.bias) how.epilogue.bias = x.epilogue.bias + j;
  for (Size line = 0; line < x.lines; ++line) {
    const T* a = x.a + line * x.a_line;
    Size at = line * x.c_line + j;
    for (Size i = 0; i < rows.count; ++i) {
      const Size m = rows[i];
      if (last && x.epilogue.relu_out) how.epilogue.relu_out = x.epilogue.relu_out + at;
      tiles[m](x.c + at, x.ldc, width, a, x.a_row, x.a_k, run, end, b, b_k, how);
      a += m * x.a_row;
      at += m * x.ldc;
    }
  }
}

template <class T>
void window_product(const WindowBlock<T>& x) noexcept {
  constexpr Size lanes = Vec<T>::kLanes, nr = Blocks<T>::kVectors * lanes;
  if (x.lines <= 0 || x.rows <= 0 || x.n <= 0) return;
  const Run *run = x.runs, *const end = x.runs + x.run_count;
  Size done = 0;
  do {  // once at least: without runs there are zeros
    const Run* next = run;
    Size k = 0;
    while (next != end && k + next->length <= Blocks<T>::kDepth) k += (next++)->length;
    for (Size j = 0; j < x.n; j += nr) {
      const Size width = nr < x.n - j ? nr : x.n - j, whole = (width + lanes - 1) / lanes * lanes;
      const bool add = x.add || done > 0;
      if (x.packed_b) {
        window_panel(x, run, next, j, width, x.b + j * x.k + done * whole, whole, add);
      } else if (width == whole) {
        window_panel(x, run, next, j, width, x.b + done * x.b_k + j, x.b_k, add);
      } else {
        pack_panel(x.scratch, whole, x.b + done * x.b_k + j, x.b_k, 1, width, k);
        window_panel(x, run, next, j, width, x.scratch, whole, add);
      }
    }
    done += k;
    run = next;
  } while (run != end);
}

template <class T>
void pack_runs(T* out, const T* b, Size b_k, Size b_col, Size n, const Run* runs, Size run_count) noexcept {
  constexpr Size lanes = Vec<T>::kLanes;
  const Size whole = (n + lanes - 1) / lanes * lanes;
  for (Size i = 0; i < run_count; ++i) {
    pack_panel(out, whole, b + runs[i].b, b_k, b_col, n, runs[i].length);
    out += runs[i].length * whole;
  }
}

}  // namespace
}  // namespace backpass::kernels
