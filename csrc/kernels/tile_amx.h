// Tile vocabulary for AMX. Tests have another one in plain C++ (tests/cpp/tile_model.h), with the same meaning:
//   TileUse              configures eight tiles of 16 rows of 64 bytes for its lifetime
//   tile_zero<t>         clears tile t
//   tile_load<t>         its rows from `stride` bytes apart
//   tile_store<t>        likewise
//   tile_dot<c, a, b>    c(i, j) += sum over q of a(i, q) . b(q, j), of 16 x 16 floats and pairs of bfloat16 numbers:
//                        products and sums are float32, rounded to nearest, with subnormals as zero
#pragma once

#include <cstdint>

#include "kernels/table.h"

namespace backpass::kernels {
namespace {

class TileUse {
 public:
  TileUse() noexcept {
    struct alignas(64) Shapes {
      std::uint8_t palette = 1, first_row = 0, reserved[14] = {};
      std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } const shapes;
    __asm__ volatile("ldtilecfg %0" ::"m"(shapes));
  }
  TileUse(const TileUse&) = delete;
  TileUse& operator=(const TileUse&) = delete;
  ~TileUse() { __asm__ volatile("tilerelease"); }
};

// Written as assembly, because the numbers of tiles are parts of the instructions and gcc's intrinsics take literals.
template <int t>
inline void tile_zero() noexcept {
  __asm__ volatile("tilezero %%tmm%c0" ::"i"(t));
}

template <int t>
inline void tile_load(const void* rows, Size stride) noexcept {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(rows), "r"(stride), "i"(t) : "memory");
}

template <int t>
inline void tile_store(void* rows, Size stride) noexcept {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(rows), "r"(stride), "i"(t) : "memory");
}

template <int c, int a, int b>
inline void tile_dot() noexcept {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(c), "i"(a), "i"(b));
}

}  // namespace
}  // namespace backpass::kernels
