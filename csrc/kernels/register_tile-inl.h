// The register kernel of the matrix product: a tile of sums, and what is done with them before they are stored;
// compiled per instruction set.
#pragma once

#include "kernels/table.h"

namespace backpass::kernels {
namespace {

// What a tile does with its sums when its part of k is through.
template <class T>
struct TileEnd {
  bool add = false;  // to what earlier passes left in c
  RegisterEpilogue<T> epilogue = {};
};

// And what a tile that fetches does until then.
template <class T>
struct FetchingEnd : TileEnd<T> {
  const char* ahead = nullptr;  // where memory begins that is read soon
  Size ahead_step = 0;          // bytes of it with each step of k, at most a line
};

// Up to a whole vector.
template <class T>
inline Vec<T> load_up_to(const T* from, Size n) noexcept {
  return n >= Vec<T>::kLanes ? load(from) : load_n(from, n);
}

template <class T>
inline void store_up_to(T* to, Vec<T> x, Size n) noexcept {
  n >= Vec<T>::kLanes ? store(to, x) : store_n(to, x, n);
}

// f(i, j, elements left) for every vector of a tile; only the last of a row may be cut short.
template <class T, int M, int N, class F>
inline void for_vectors(Size width, F f) noexcept {
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) f(i, j, j + 1 < N ? Vec<T>::kLanes : width - j * Vec<T>::kLanes);
  }
}

template <class T, int M, int N>
inline void end_tile(Vec<T> (&sums)[M][N], T* c, Size ldc, Size width, const TileEnd<T>& end) noexcept {
  constexpr Size lanes = Vec<T>::kLanes;
  const RegisterEpilogue<T>& epilogue = end.epilogue;
  const Vec<T> zero = broadcast(static_cast<T>(0));
  if (end.add) {
    for_vectors<T, M, N>(
        width, [&](int i, int j, Size n) { sums[i][j] = load_up_to(c + i * ldc + j * lanes, n) + sums[i][j]; });
  }
  if (epilogue.bias) {
    for_vectors<T, M, N>(
        width, [&](int i, int j, Size n) { sums[i][j] = sums[i][j] + load_up_to(epilogue.bias + j * lanes, n); });
  }
  if (epilogue.relu) for_vectors<T, M, N>(width, [&](int i, int j, Size) { sums[i][j] = max(zero, sums[i][j]); });
  if (epilogue.relu_out) {
    for_vectors<T, M, N>(width, [&](int i, int j, Size n) {
      const Vec<T> out = load_up_to(epilogue.relu_out + i * epilogue.ld_relu_out + j * lanes, n);
      sums[i][j] = select(less(zero, out), sums[i][j], zero);
    });
  }
  for_vectors<T, M, N>(width, [&](int i, int j, Size n) { store_up_to(c + i * ldc + j * lanes, sums[i][j], n); });
}

// sums += column p of a * row p of b.
template <class T, int M, int N>
inline void add_outer_product(Vec<T> (&sums)[M][N], const T* a, Size a_row, const T* b) noexcept {
  Vec<T> row[N];
#pragma GCC unroll 8
  for (int j = 0; j < N; ++j) row[j] = load(b + j * Vec<T>::kLanes);
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) {
    const Vec<T> x = broadcast(a[i * a_row]);
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) sums[i][j] = fma(x, row[j], sums[i][j]);
  }
}

// The register kernel: c (M, width) = or += a (M, k) * b (k, N vectors), and what `end` says. Of packed operands the
// strides are known, so that several steps of k need one addition of an address: fewer instructions per multiply-add.
// Fetching is spread over the steps: many fetches at once keep loads waiting.
template <class T, int M, int N, bool packed, bool fetches>
void tile(T* c, Size ldc, Size width, const T* a, Size a_row, Size a_k, const T* b, Size b_k, Size k,
          const TileEnd<T>& end) noexcept {
  constexpr Size steps = packed ? 3 : 1;  // with four, gcc spills sums
  if constexpr (packed) {
    a_row = 1;
    a_k = M;
    b_k = N * Vec<T>::kLanes;
  }
  [[maybe_unused]] const char* ahead = nullptr;
  [[maybe_unused]] Size ahead_step = 0;
  if constexpr (fetches) {
    const auto& fetching = static_cast<const FetchingEnd<T>&>(end);
    ahead = fetching.ahead;
    ahead_step = steps * fetching.ahead_step;
  }
  Vec<T> sums[M][N];
  for_vectors<T, M, N>(width, [&](int i, int j, Size) { sums[i][j] = broadcast(static_cast<T>(0)); });
  for (; k >= steps; k -= steps, a += steps * a_k, b += steps * b_k) {
    if constexpr (fetches) {
      __builtin_prefetch(ahead);
      ahead += ahead_step;
    }
#pragma GCC unroll 4
    for (Size step = 0; step < steps; ++step) add_outer_product<T, M, N>(sums, a + step * a_k, a_row, b + step * b_k);
  }
  for (; k > 0; --k, a += a_k, b += b_k) add_outer_product<T, M, N>(sums, a, a_row, b);
  end_tile<T, M, N>(sums, c, ldc, width, end);
}

template <class T>
using Tile = void (*)(T*, Size, Size, const T*, Size, Size, const T*, Size, Size, const TileEnd<T>&) noexcept;

// Register kernels by rows and vectors. One vector wide, twice the rows keep the multipliers busy; one row, many
// vectors.
template <class T>
struct Tiles {
  static constexpr int kRows = Blocks<T>::kRows, kVectors = Blocks<T>::kVectors, kNarrowRows = Blocks<T>::kNarrowRows;
  static constexpr int kWide = 8;
  Tile<T> by_size[2][kVectors + 1][kNarrowRows + 1] = {};  // the second for operands that are both packed
  Tile<T> fetching[2][kRows + 1] = {};                     // likewise, of kVectors
  Tile<T> wide[kWide + 1] = {};

  template <int m, int n>
  constexpr void fill() {
    by_size[0][n][m] = &tile<T, m, n, false, false>;
    by_size[1][n][m] = &tile<T, m, n, true, false>;
    if constexpr (n == kVectors && m <= kRows) {
      fetching[0][m] = &tile<T, m, n, false, true>;
      fetching[1][m] = &tile<T, m, n, true, true>;
    }
    if constexpr (m > 1)
      fill<m - 1, n>();
    else if constexpr (n > 1)
      fill<(n == 2 ? kNarrowRows : kRows), n - 1>();
  }

  template <int n>
  constexpr void fill_wide() {
    wide[n] = &tile<T, 1, n, false, false>;
    if constexpr (n > 1) fill_wide<n - 1>();
  }

  constexpr Tiles() {
    fill<(kVectors == 1 ? kNarrowRows : kRows), kVectors>();
    fill_wide<kWide>();
  }
};

template <class T>
constexpr Tiles<T> kTiles;

}  // namespace
}  // namespace backpass::kernels
