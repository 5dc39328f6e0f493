// Casts to bfloat16, the upper half of a float, and back; compiled per instruction set.
#pragma once

#include "kernels/table.h"

namespace backpass::kernels {
namespace {

// Integers alone, without a branch: the compiler turns these loops into vectors.
inline std::uint16_t to_bfloat16(float x) {
  constexpr std::uint32_t kInfinity = 0x7F800000, kQuiet = 0x40;
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, x), upper = bits >> 16;
  const std::uint32_t nearest = (bits + 0x7FFF + (upper & 1)) >> 16;  // ties to even
  return static_cast<std::uint16_t>((bits & 0x7FFFFFFF) > kInfinity ? upper | kQuiet : nearest);
}

template <class T>
void narrow(std::uint16_t* __restrict out, const T* __restrict a, Size n) noexcept {
  for (Size i = 0; i < n; ++i) out[i] = to_bfloat16(static_cast<float>(a[i]));
}

template <class T>
void widen(T* __restrict out, const std::uint16_t* __restrict a, Size n) noexcept {
  for (Size i = 0; i < n; ++i)
    out[i] = static_cast<T>(__builtin_bit_cast(float, static_cast<std::uint32_t>(a[i]) << 16));
}

}  // namespace
}  // namespace backpass::kernels
