// Whole numbers: rounding to them, remainders, and products with their rounding errors; compiled per instruction set.
#pragma once

#include "kernels/math-inl.h"

namespace backpass::kernels {
namespace {

// The nearest whole number, ties to even. From 2^23 (2^52) on, every number is whole.
template <class V>
inline V round(V x) {
  using T = typename V::Element;
  const V whole = broadcast(static_cast<T>(sizeof(T) == 4 ? 0x1p23 : 0x1p52)), size = abs(x);
  return select(less(size, whole), copysign((size + whole) - whole, x), x);
}

template <class V>
inline V floor(V x) {
  const V near = round(x);
  return select(less(x, near), near - broadcast(static_cast<typename V::Element>(1)), near);
}

template <class V>
inline V ceil(V x) {
  const V near = round(x);
  return select(less(near, x), copysign(near + broadcast(static_cast<typename V::Element>(1)), x), near);
}

template <class V>
inline V trunc(V x) {
  return copysign(floor(abs(x)), x);
}

// a * b - product exactly, for product = a * b rounded: by one rounding, or by halves (Dekker 1971).
template <class V>
inline V product_error(V a, V b, V product) {
  if constexpr (kFuses) {
    return broadcast(static_cast<typename V::Element>(0)) - fnma(a, b, product);
  } else {
    const V split = broadcast(Constants<typename V::Element>::kSplit), wide_a = a * split, wide_b = b * split;
    const V a1 = wide_a - (wide_a - a), a2 = a - a1, b1 = wide_b - (wide_b - b), b2 = b - b1;
    return ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2;
  }
}

// a - b floor(a / b), with the sign of b. Where the quotient was rounded up to a whole number, one b too much is gone.
template <class V>
inline V mod(V a, V b) {
  const V zero = broadcast(static_cast<typename V::Element>(0)), quotient = floor(a / b), product = quotient * b;
  const V exact = (a - product) - product_error(quotient, b, product);
  const V rest = select(equal(quotient, zero), a, exact);
  return select(less(rest * copysign(broadcast(static_cast<typename V::Element>(1)), b), zero), rest + b, rest);
}

}  // namespace
}  // namespace backpass::kernels
