// What normalization needs of rows: their mean taken away, and the inverse of their root mean square.
#pragma once

#include "kernels/rows-inl.h"

namespace backpass::kernels {
namespace {

// y = x - shift.
template <class T>
inline void shift_row(T* y, const T* x, T shift, Size n) {
  constexpr Size lanes = Vec<T>::kLanes;
  const Vec<T> offset = broadcast(shift);
  Size j = 0;
  for (; j + lanes <= n; j += lanes) store(y + j, load(x + j) - offset);
  if (n > j) store_n(y + j, load_n(x + j, n - j) - offset, n - j);
}

// Twice: the second mean is what the first was rounded by.
template <class T>
void center(T* y, Size ldy, const T* x, Size ldx, Size rows, Size cols) noexcept {
  const T count = static_cast<T>(cols);
  for (Size i = 0; i < rows && cols > 0; ++i) {
    T* out = y + i * ldy;
    shift_row(out, x + i * ldx, sum_row(x + i * ldx, cols) / count, cols);
    shift_row(out, out, sum_row(out, cols) / count, cols);
  }
}

// The sum of (scale x)^2.
template <class T>
inline T squares_of_row(const T* x, T scale, Size n) {
  constexpr Size lanes = Vec<T>::kLanes;
  const Vec<T> zero = broadcast(static_cast<T>(0)), factor = broadcast(scale);
  const auto square = [&](Vec<T> a) { return (a * factor) * (a * factor); };
  Vec<T> sums[4] = {zero, zero, zero, zero};
  Size j = 0;
  for (; j + 4 * lanes <= n; j += 4 * lanes) {
    for (int u = 0; u < 4; ++u) sums[u] = sums[u] + square(load(x + j + u * lanes));
  }
  for (; j + lanes <= n; j += lanes) sums[0] = sums[0] + square(load(x + j));
  if (n > j) sums[1] = sums[1] + square(load_n(x + j, n - j));
  return sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// Where squares overflow, those of smaller numbers are taken; by a power of two, which rounds nothing.
template <class T>
void inverse_rms(T* out, const T* x, Size ldx, T eps, Size rows, Size cols) noexcept {
  constexpr Size lanes = Vec<T>::kLanes;
  constexpr T small = static_cast<T>(sizeof(T) == sizeof(float) ? 0x1p-80 : 0x1p-540);
  const T each = static_cast<T>(1) / static_cast<T>(cols > 0 ? cols : 1);
  for (Size i = 0; i < rows; i += lanes) {
    const Size count = lanes < rows - i ? lanes : rows - i;
    T scales[lanes], squares[lanes];
    for (Size r = 0; r < lanes; ++r) {
      scales[r] = squares[r] = 1;
      if (r >= count) continue;
      const T* row = x + (i + r) * ldx;
      T total = squares_of_row(row, scales[r], cols);
      if (!(total - total == 0)) total = squares_of_row(row, scales[r] = small, cols);
      squares[r] = total * each + eps * scales[r] * scales[r];
    }
    const Vec<T> result = load(scales) / sqrt(load(squares));
    if (count == lanes)
      store(out + i, result);
    else
      store_n(out + i, result, count);
  }
}

}  // namespace
}  // namespace backpass::kernels
