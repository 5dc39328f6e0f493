// Tiles in plain C++: what the instructions of AMX do, by their manual; and the vocabulary of kernels/tile_amx.h over
// it.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/table.h"

namespace backpass::kernels::testing {

class TileModel {
 public:
  void configure() {
    configured_ = true;
    std::memset(tiles_, 0, sizeof tiles_);
  }
  void release() { configured_ = false; }
  bool configured() const { return configured_; }
  long dots() const { return dots_; }  // how often tiles were multiplied

  void zero(int t) { std::memset(tile(t), 0, sizeof(Tile)); }
  void load(int t, const void* rows, Size stride) {
    for (Size i = 0; i < 16; ++i) std::memcpy(tile(t)[i], static_cast<const char*>(rows) + i * stride, 64);
  }
  void store(int t, void* rows, Size stride) {
    for (Size i = 0; i < 16; ++i) std::memcpy(static_cast<char*>(rows) + i * stride, tile(t)[i], 64);
  }

  // The halves of words are summed apart, each by fused multiplications and additions; then both, then c.
  void dot(int c, int a, int b) {
    ++dots_;
    float y[16][32];
    for (int q = 0; q < 16; ++q) widen(y[q], tile(b)[q]);
    for (int i = 0; i < 16; ++i) {
      float x[32], sums[32] = {}, row[16];
      widen(x, tile(a)[i]);
      for (int q = 0; q < 16; ++q) {
        for (int j = 0; j < 32; ++j) sums[j] = flushed(std::fma(x[2 * q + j % 2], y[q][j], sums[j]));
      }
      std::memcpy(row, tile(c)[i], sizeof row);
      for (int j = 0; j < 16; ++j) row[j] = flushed(flushed(row[j]) + flushed(sums[2 * j] + sums[2 * j + 1]));
      std::memcpy(tile(c)[i], row, sizeof row);
    }
  }

 private:
  using Tile = unsigned char[16][64];
  // An invalid instruction, where no tiles are configured.
  Tile& tile(int t) {
    if (!configured_) __builtin_trap();
    return tiles_[t];
  }
  static float flushed(float x) { return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }
  // A row as 32 bfloat16 numbers.
  static void widen(float (&out)[32], const unsigned char (&row)[64]) {
    for (int i = 0; i < 32; ++i) {
      std::uint16_t half;
      std::memcpy(&half, row + 2 * i, sizeof half);
      out[i] = flushed(__builtin_bit_cast(float, static_cast<std::uint32_t>(half) << 16));
    }
  }

  bool configured_ = false;
  long dots_ = 0;
  Tile tiles_[8];
};

inline TileModel tile_model;

}  // namespace backpass::kernels::testing

#ifndef TEST_TILE_INSTRUCTIONS
namespace backpass::kernels {
namespace {

struct TileUse {
  TileUse() noexcept { testing::tile_model.configure(); }
  TileUse(const TileUse&) = delete;
  TileUse& operator=(const TileUse&) = delete;
  ~TileUse() { testing::tile_model.release(); }
};

// clang-format off
template <int t> void tile_zero() noexcept { testing::tile_model.zero(t); }
template <int t> void tile_load(const void* rows, Size stride) noexcept { testing::tile_model.load(t, rows, stride); }
template <int t> void tile_store(void* rows, Size stride) noexcept { testing::tile_model.store(t, rows, stride); }
template <int c, int a, int b> void tile_dot() noexcept { testing::tile_model.dot(c, a, b); }
// clang-format on

}  // namespace
}  // namespace backpass::kernels
#endif
