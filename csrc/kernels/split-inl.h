// Operands split into bfloat16 parts and packed as tiles; compiled per instruction set.
//
// x = x0 + x1 + x2 + ..., each part the bfloat16 number nearest to what those before it leave. Three parts are x
// itself, as long as the last one is not subnormal.
#pragma once

#include "kernels/isa.h"

namespace backpass::kernels {
namespace {

// A tile: 16 rows of 16 words. Word q of a line holds its elements q and q + 16, the first in the low half: each half
// is summed in a chain of its own, in the order of k.
constexpr Size kTileDepth = 2 * kTile, kTileWords = kTile * kTile;

// What has been seen of an operand: subnormals count as zero.
struct Range {
  Vec<float> largest = broadcast(0.0f), smallest = broadcast(0x1p126f), finite = broadcast(0.0f);

  Vec<float> see(Vec<float> x) {
    const Vec<float> zero = broadcast(0.0f), size = abs(x);
    const auto tiny = less(size, broadcast(0x1p-126f));
    largest = max(size, largest);
    smallest = min(select(tiny, broadcast(0x1p126f), size), smallest);
    finite = fma(x, zero, finite);  // not a number from then on, where x is infinite or not a number
    return select(tiny, zero, x);
  }
  bool all_finite() const { return sum(finite) == 0; }
  double most() const { return static_cast<double>(max_lane(largest)); }
  double least() const { return -static_cast<double>(max_lane(broadcast(0.0f) - smallest)); }  // but for zeros
};

// Whether products of the two, k of them in a sum, lose nothing that matters: no part and no sum overflows, and no part
// and no product of parts that counts is subnormal.
inline bool splits_well(const Range& a, const Range& b, Size k, double lowest) {
  constexpr double highest = 0x1p126;
  return a.all_finite() && b.all_finite() && a.most() <= highest && b.most() <= highest &&
         a.most() * b.most() * static_cast<double>(k) <= highest && a.least() >= lowest && b.least() >= lowest &&
         a.least() * b.least() >= lowest;
}

// Elements (i, p) = x[i * line + p * step]: the rows of A, or the columns of B, as lines along k.
struct Lines {
  const float* x;
  Size line, step, count, k;
};

template <int parts>
inline void split(Words (&out)[parts], Vec<float> x) {
  const Words one = broadcast(std::uint32_t{1}), below_half = broadcast(std::uint32_t{0x7fff});
  for (int i = 0; i < parts; ++i) {
    const Words all = words(x), even = (all >> 16) & one;
    out[i] = (all + below_half + even) & broadcast(std::uint32_t{0xffff0000});
    x = x - floats(out[i]);
  }
}

// 16 rows of 16 words, rows `row` apart, the high half of each word `high` behind the low one. out: a tile for each
// part.
template <int parts>
inline void split_rows(std::uint32_t* out, const float* x, Size row, Size high, Range& range) {
  for (Size i = 0; i < kTile; ++i) {
    for (Size j = 0; j < kTile; j += Words::kLanes) {
      Words first[parts], second[parts];
      split(first, range.see(load(x + i * row + j)));
      split(second, range.see(load(x + i * row + j + high)));
      for (int s = 0; s < parts; ++s) store(out + s * kTileWords + i * kTile + j, (first[s] >> 16) ^ second[s]);
    }
  }
}

inline void load_transposed(Vec<float> (&square)[Words::kLanes], const std::uint32_t* from) {
  for (int i = 0; i < Words::kLanes; ++i) square[i] = floats(load_words(from + i * kTile));
  transpose(square);
}

inline void store_rows(std::uint32_t* to, const Vec<float> (&square)[Words::kLanes]) {
  for (int i = 0; i < Words::kLanes; ++i) store(to + i * kTile, words(square[i]));
}

// A tile, word by word, in place.
inline void transpose_tile(std::uint32_t* tile) {
  for (Size i = 0; i < kTile; i += Words::kLanes) {
    for (Size j = i; j < kTile; j += Words::kLanes) {
      Vec<float> upper[Words::kLanes], lower[Words::kLanes];
      load_transposed(upper, tile + i * kTile + j);
      load_transposed(lower, tile + j * kTile + i);
      store_rows(tile + i * kTile + j, lower);
      store_rows(tile + j * kTile + i, upper);
    }
  }
}

// Fewer lines or elements than a tile has, or lines of any stride: by way of a copy with zeros beyond.
template <int parts>
void split_copy(std::uint32_t* out, const Lines& x, Range& range) noexcept {
  alignas(64) float copy[kTile * kTileDepth] = {};
  for (Size i = 0; i < x.count; ++i) {
    for (Size p = 0; p < x.k; ++p) copy[i * kTileDepth + p] = x.x[i * x.line + p * x.step];
  }
  split_rows<parts>(out, copy, kTileDepth, kTile, range);
}

// The tiles of 16 lines and 32 elements; rows_are_lines as an operand on the left has them, else as on the right.
template <int parts>
inline void split_tile(std::uint32_t* out, const Lines& x, bool rows_are_lines, Range& range) {
  const bool whole = x.count == kTile && x.k == kTileDepth, across = whole && x.step != 1 && x.line == 1;
  if (across)
    split_rows<parts>(out, x.x, x.step, kTile * x.step, range);
  else if (whole && x.step == 1)
    split_rows<parts>(out, x.x, x.line, kTile, range);
  else
    split_copy<parts>(out, x, range);
  if (across == rows_are_lines) {
    for (int s = 0; s < parts; ++s) transpose_tile(out + s * kTileWords);
  }
}

// out: for every 16 lines, for every 32 elements of k, a tile for each part. In the order in which x lies in memory.
template <int parts>
void split_lines(std::uint32_t* out, const Lines& x, bool rows_are_lines, Range& range) noexcept {
  const Size strips = (x.count + kTile - 1) / kTile, steps = (x.k + kTileDepth - 1) / kTileDepth;
  const bool by_steps = x.line == 1;
  for (Size t = 0; t < strips * steps; ++t) {
    const Size strip = by_steps ? t % strips : t / steps, step = by_steps ? t / strips : t % steps;
    const Size i = strip * kTile, p = step * kTileDepth;
    const Lines part{x.x + i * x.line + p * x.step, x.line, x.step, kTile < x.count - i ? kTile : x.count - i,
                     kTileDepth < x.k - p ? kTileDepth : x.k - p};
    split_tile<parts>(out + (strip * steps + step) * parts * kTileWords, part, rows_are_lines, range);
  }
}

}  // namespace
}  // namespace backpass::kernels
