// Sizes of memory, checked: one that no machine has is an error, not a smaller number.
#pragma once

#include "base/error.h"

namespace backpass {

inline constexpr std::size_t kMostBytes = std::size_t{1} << 62;

// Bytes of one thing after the other; throws std::invalid_argument beyond kMostBytes.
inline std::size_t sum_of_sizes(std::size_t a, std::size_t b) {
  if (a > kMostBytes || b > kMostBytes - a) fail("memory", "needs more bytes than can be addressed");
  return a + b;
}

// Bytes of `count` things of one size; throws likewise.
inline std::size_t product_of_sizes(std::size_t count, std::size_t size) {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) fail("memory", "needs more bytes than can be addressed");
  return sum_of_sizes(bytes, 0);
}

}  // namespace backpass
