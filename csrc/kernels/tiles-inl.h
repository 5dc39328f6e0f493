// The product of split operands on tiles; written over the vocabulary of tile_amx.h.
//
// C is cut into blocks of 2 x 2 tiles of 16 x 16 floats, k into steps of 32. Each product of parts is added to the
// block: a0 * b0, and those that correct it, down to 2^-24 of it.
#pragma once

#include "kernels/blocks.h"
#include "kernels/matmul-inl.h"
#include "kernels/split-inl.h"

namespace backpass::kernels {
namespace {

// Which parts of a and b are multiplied, in an order that changes one of the two at a time. Of six, the first kSmall
// are summed over all of k before the last begins: they are small, and so is what their sums are rounded by. Non-zero
// operands and products are at least kLowest: what is flushed, below 2^-126, is nothing beside their rounding.
template <int products>
struct Terms;
template <>
struct Terms<1> {
  static constexpr int kParts = 1, kTerms = 1, kSmall = 0, kA[] = {0}, kB[] = {0};
  static constexpr double kLowest = 0;
};
template <>
struct Terms<3> {
  static constexpr int kParts = 2, kTerms = 3, kSmall = 0, kA[] = {1, 0, 0}, kB[] = {0, 0, 1};
  static constexpr double kLowest = 0x1p-108;
};
template <>
struct Terms<6> {
  static constexpr int kParts = 3, kTerms = 6, kSmall = 5, kA[] = {2, 1, 1, 0, 0, 0}, kB[] = {0, 0, 1, 1, 2, 0};
  static constexpr double kLowest = 0x1p-100;
};

// A block of C in tiles: tile 2 i + j is c(i, j), tiles 4 + i and 6 + j are operands.
template <int M, int N>
struct TileBlock {
  const std::uint32_t *a, *b;  // one step of the first strip
  Size strip;                  // words to the next

  template <int part>
  void load_a() const noexcept {
    tile_load<4>(a + part * kTileWords, 64);
    if constexpr (M > 1) tile_load<5>(a + strip + part * kTileWords, 64);
  }
  template <int part>
  void load_b() const noexcept {
    tile_load<6>(b + part * kTileWords, 64);
    if constexpr (N > 1) tile_load<7>(b + strip + part * kTileWords, 64);
  }
  static void multiply() noexcept {
    tile_dot<0, 4, 6>();
    if constexpr (N > 1) tile_dot<1, 4, 7>();
    if constexpr (M > 1) tile_dot<2, 5, 6>();
    if constexpr (M > 1 && N > 1) tile_dot<3, 5, 7>();
  }
  // Terms t .. end, loading what the one before has not.
  template <class T, int t, int end, bool first = true>
  void step() const noexcept {
    if constexpr (first || T::kA[t] != T::kA[t - !first]) load_a<T::kA[t]>();
    if constexpr (first || T::kB[t] != T::kB[t - !first]) load_b<T::kB[t]>();
    multiply();
    if constexpr (t + 1 < end) step<T, t + 1, end, false>();
  }
  static void clear() noexcept {
    tile_zero<0>();
    if constexpr (N > 1) tile_zero<1>();
    if constexpr (M > 1) tile_zero<2>();
    if constexpr (M > 1 && N > 1) tile_zero<3>();
  }
  static void store_c(float* c, Size ldc) noexcept {
    tile_store<0>(c, 4 * ldc);
    if constexpr (N > 1) tile_store<1>(c + kTile, 4 * ldc);
    if constexpr (M > 1) tile_store<2>(c + kTile * ldc, 4 * ldc);
    if constexpr (M > 1 && N > 1) tile_store<3>(c + kTile * ldc + kTile, 4 * ldc);
  }
};

// c (16 M, 16 N) = packed a * packed b, over `steps` of k.
template <int M, int N, int products>
void tile_block(float* c, Size ldc, const std::uint32_t* a, const std::uint32_t* b, Size steps) noexcept {
  using T = Terms<products>;
  using Block = TileBlock<M, N>;
  constexpr Size words = T::kParts * kTileWords;
  const auto at = [&](Size s) { return Block{a + s * words, b + s * words, steps * words}; };
  Block::clear();
  if constexpr (T::kSmall > 0) {
    for (Size s = 0; s < steps; ++s) at(s).template step<T, 0, T::kSmall>();
  }
  for (Size s = 0; s < steps; ++s) at(s).template step<T, T::kSmall, T::kTerms>();
  Block::store_c(c, ldc);
}

// c (rows, cols) = or += block, whose rows are two tiles wide.
inline void put_block(float* c, Size ldc, const float* block, Size rows, Size cols, bool add) {
  constexpr Size lanes = Vec<float>::kLanes;
  for (Size i = 0; i < rows; ++i, c += ldc, block += 2 * kTile) {
    for (Size j = 0; j < cols; j += lanes) {
      const Vec<float> sum = load(block + j);
      store_up_to(c + j, add ? load_up_to(c + j, cols - j) + sum : sum, cols - j);
    }
  }
}

// c (rows, cols) = or += packed a * packed b; up to two tiles each way. What is not whole, or added, takes a copy.
template <int products>
void tile_product(float* c, Size ldc, Size rows, Size cols, const std::uint32_t* a, const std::uint32_t* b, Size steps,
                  bool add) noexcept {
  static constexpr decltype(&tile_block<1, 1, products>) kBlocks[] = {
      &tile_block<1, 1, products>, &tile_block<1, 2, products>, &tile_block<2, 1, products>,
      &tile_block<2, 2, products>};
  const auto block = kBlocks[2 * (rows > kTile) + (cols > kTile)];
  if (!add && rows % kTile == 0 && cols % kTile == 0) return block(c, ldc, a, b, steps);
  alignas(64) float whole[4 * kTileWords];
  block(whole, 2 * kTile, a, b, steps);
  put_block(c, ldc, whole, rows, cols, add);
}

// A whole product, packed panel by panel.
template <int products>
class SplitProduct {
 public:
  explicit SplitProduct(const MatmulBlock<float>& x) noexcept
      : x_(x), packed_b_(reinterpret_cast<std::uint32_t*>(x.scratch)), packed_a_(packed_b_ + kParts * kSplitPanel) {}

  // False where the values do not split well, and C is to be computed otherwise.
  bool run() const noexcept {
    const TileUse use;
    const Parts passes((x_.k + kTileDepth - 1) / kTileDepth, kSplitDepth / kTileDepth);
    const Parts blocks((x_.m + kTile - 1) / kTile, kSplitRows / kTile);
    for (Size pass = 0, p = 0; pass < passes.count; p += passes[pass++] * kTileDepth) {
      for (Size block = 0, i = 0; block < blocks.count; i += blocks[block++] * kTile) {
        if (!run_rows(i, least(blocks[block] * kTile, x_.m - i), p, passes[pass])) return false;
      }
    }
    return true;
  }

 private:
  using T = Terms<products>;
  static constexpr Size kParts = T::kParts, kPanel = 2 * kTile;
  static Size least(Size a, Size b) { return a < b ? a : b; }

  // Rows i .. i + rows, `steps` of k from p on.
  bool run_rows(Size i, Size rows, Size p, Size steps) const noexcept {
    const Size k = least(steps * kTileDepth, x_.k - p);
    Range range;
    split_lines<kParts>(packed_a_, {x_.a + i * x_.a_row + p * x_.a_k, x_.a_row, x_.a_k, rows, k}, true, range);
    for (Size j = 0; j < x_.n; j += kPanel) {
      const Size cols = least(kPanel, x_.n - j);
      Range panel;
      split_lines<kParts>(packed_b_, {x_.b + p * x_.b_k + j * x_.b_col, x_.b_col, x_.b_k, cols, k}, false, panel);
      if (!splits_well(range, panel, x_.k, T::kLowest)) return false;
      for (Size r = 0; r < rows; r += kPanel) {
        tile_product<products>(x_.c + (i + r) * x_.ldc + j, x_.ldc, least(kPanel, rows - r), cols,
                               packed_a_ + r / kTile * steps * kParts * kTileWords, packed_b_, steps, p > 0);
      }
    }
    return true;
  }

  const MatmulBlock<float>& x_;
  std::uint32_t *packed_b_, *packed_a_;
};

// Whether a path of split operands has computed the product.
inline bool split_product(const MatmulBlock<float>& x) noexcept {
  if (x.m <= 0 || x.n <= 0 || x.k <= 0) return false;
  if (x.path == MatmulPath::split1) return SplitProduct<1>(x).run();
  if (x.path == MatmulPath::split3) return SplitProduct<3>(x).run();
  return x.path == MatmulPath::split6 && SplitProduct<6>(x).run();
}

// Any path: those of split operands here, where their values allow it, all others by `otherwise`.
inline void tile_matmul(const MatmulBlock<float>& x, void (*otherwise)(const MatmulBlock<float>&) noexcept) noexcept {
  if (split_product(x)) return apply_epilogue(x);
  MatmulBlock<float> plain = x;
  if (x.path >= MatmulPath::split1) plain.path = MatmulPath::pack_ab;
  otherwise(plain);
}

}  // namespace
}  // namespace backpass::kernels
