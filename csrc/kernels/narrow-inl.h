// Floats in fewer bits and back: bfloat16, the upper half of a float, and int8 with a scale for each group; compiled
// per instruction set. Loops of integers and simple arithmetic, without a branch: the compiler turns them into vectors.
#pragma once

#include "kernels/table.h"

namespace backpass::kernels {
namespace {

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

// By their bits: magnitudes compare as integers do, and nan is the largest.
template <class T>
float largest_magnitude(const T* a, Size n) {
  std::int32_t most = 0;
  for (Size i = 0; i < n; ++i) {
    const std::int32_t magnitude = __builtin_bit_cast(std::int32_t, static_cast<float>(a[i])) & 0x7FFFFFFF;
    most = magnitude > most ? magnitude : most;
  }
  return __builtin_bit_cast(float, most);
}

template <class T>
void narrow_int8(std::int8_t* __restrict out, float* __restrict scale, const T* __restrict a, Size n) noexcept {
  constexpr float kMost = 127, kLeast = 1e-36F;  // what is smaller counts as 0: its inverse would be infinite
  constexpr float kRound = 12582912;             // 1.5 * 2^23: a sum with it is rounded to an integer, ties to even
  for (Size begin = 0; begin < n; begin += kInt8Group) {
    const Size count = n - begin < kInt8Group ? n - begin : kInt8Group;
    const float most = largest_magnitude(a + begin, count);
    const bool zero = most < kLeast;
    const float inverse = zero ? 0 : kMost / most;
    scale[begin / kInt8Group] = zero ? 0 : most / kMost;
    for (Size i = begin; i < begin + count; ++i) {
      const float x = static_cast<float>(a[i]), rounded = x * inverse + kRound;
      const std::int32_t nearest = __builtin_bit_cast(std::int32_t, rounded) - __builtin_bit_cast(std::int32_t, kRound);
      // What is not zero stays so: a derivative may ask for no more than the sign.
      const std::int32_t sign = (x > 0) - (x < 0);
      out[i] = static_cast<std::int8_t>(nearest == 0 && !zero ? sign : nearest);
    }
  }
}

template <class T>
void widen_int8(T* __restrict out, const std::int8_t* __restrict a, const float* __restrict scale, Size n) noexcept {
  for (Size begin = 0; begin < n; begin += kInt8Group) {
    const Size end = n - begin < kInt8Group ? n : begin + kInt8Group;
    const float own = scale[begin / kInt8Group];
    for (Size i = begin; i < end; ++i) out[i] = static_cast<T>(static_cast<float>(a[i]) * own);
  }
}

}  // namespace
}  // namespace backpass::kernels
