// Which element of a window is the greatest, and what follows from it; compiled per instruction set.
#pragma once

#include "kernels/register_tile-inl.h"

namespace backpass::kernels {
namespace {

// f(i, j, elements left) for every vector of (rows, cols).
template <class T, class F>
inline void over_rows(Size rows, Size cols, F f) noexcept {
  for (Size i = 0; i < rows; ++i)
    for (Size j = 0; j < cols; j += Vec<T>::kLanes) f(i, j, cols - j);
}

template <class T>
void pick_greatest(T* best, T* picked, Size ldo, const T* x, Size ldx, T number, Size rows, Size cols) noexcept {
  const Vec<T> own = broadcast(number), zero = broadcast(static_cast<T>(0));
  over_rows<T>(rows, cols, [&](Size i, Size j, Size n) {
    T *const to = best + i * ldo + j, *const at = picked + i * ldo + j;
    const Vec<T> old = load_up_to<T>(to, n), value = load_up_to(x + i * ldx + j, n), before = load_up_to<T>(at, n);
    const auto greater = less(old, value), number_itself = equal(value, value);
    store_up_to(to, select(number_itself, select(greater, value, old), value), n);
    const Vec<T> kept = select(less(before, zero), own, before);
    store_up_to(at, select(number_itself, select(greater, own, kept), own), n);
  });
}

template <class T>
void take_picked(T* out, const T* picked, Size ldo, const T* x, Size ldx, T number, Size rows, Size cols) noexcept {
  const Vec<T> own = broadcast(number);
  over_rows<T>(rows, cols, [&](Size i, Size j, Size n) {
    T* const to = out + i * ldo + j;
    const auto is_it = equal(load_up_to(picked + i * ldo + j, n), own);
    store_up_to(to, select(is_it, load_up_to(x + i * ldx + j, n), load_up_to<T>(to, n)), n);
  });
}

template <class T>
void add_picked(T* out, Size ldo, const T* picked, const T* x, Size ldx, T number, Size rows, Size cols) noexcept {
  const Vec<T> own = broadcast(number), zero = broadcast(static_cast<T>(0));
  over_rows<T>(rows, cols, [&](Size i, Size j, Size n) {
    T* const to = out + i * ldo + j;
    const auto is_it = equal(load_up_to(picked + i * ldx + j, n), own);
    store_up_to(to, load_up_to<T>(to, n) + select(is_it, load_up_to(x + i * ldx + j, n), zero), n);
  });
}

}  // namespace
}  // namespace backpass::kernels
