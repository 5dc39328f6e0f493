// Two vectors as one: functions written for a vector compute both side by side, so that neither waits for the other's
// results; compiled per instruction set.
#pragma once

#include "kernels/table.h"

namespace backpass::kernels {
namespace {

template <class Mask>
struct TwoMasks {
  TwoMasks(Mask a, Mask b) : low(a), high(b) {}
  Mask low, high;
};

// The vocabulary of vectors, half by half. What is written for a vector V mixes V with vectors that are the same for
// all, so those convert.
template <class V>
struct Twice {
  using Element = typename V::Element;
  V low, high;

  Twice() = default;
  Twice(V both) : low(both), high(both) {}
  Twice(V x, V y) : low(x), high(y) {}

  friend Twice operator+(Twice a, Twice b) { return {a.low + b.low, a.high + b.high}; }
  friend Twice operator-(Twice a, Twice b) { return {a.low - b.low, a.high - b.high}; }
  friend Twice operator*(Twice a, Twice b) { return {a.low * b.low, a.high * b.high}; }
  friend Twice operator/(Twice a, Twice b) { return {a.low / b.low, a.high / b.high}; }
  friend Twice fma(Twice a, Twice b, Twice c) { return {fma(a.low, b.low, c.low), fma(a.high, b.high, c.high)}; }
  friend Twice fnma(Twice a, Twice b, Twice c) { return {fnma(a.low, b.low, c.low), fnma(a.high, b.high, c.high)}; }
  friend Twice max(Twice a, Twice b) { return {max(a.low, b.low), max(a.high, b.high)}; }
  friend Twice min(Twice a, Twice b) { return {min(a.low, b.low), min(a.high, b.high)}; }
  friend Twice copysign(Twice a, Twice b) { return {copysign(a.low, b.low), copysign(a.high, b.high)}; }
  friend Twice abs(Twice a) { return {abs(a.low), abs(a.high)}; }
  friend Twice sqrt(Twice a) { return {sqrt(a.low), sqrt(a.high)}; }
  friend Twice pow2(Twice a) { return {pow2(a.low), pow2(a.high)}; }
  friend Twice exponent(Twice a) { return {exponent(a.low), exponent(a.high)}; }
  friend Twice mantissa(Twice a) { return {mantissa(a.low), mantissa(a.high)}; }

  friend auto less(Twice a, Twice b) { return TwoMasks{less(a.low, b.low), less(a.high, b.high)}; }
  friend auto equal(Twice a, Twice b) { return TwoMasks{equal(a.low, b.low), equal(a.high, b.high)}; }
  template <class Mask>
  friend Twice select(TwoMasks<Mask> mask, Twice a, Twice b) {
    return {select(mask.low, a.low, b.low), select(mask.high, a.high, b.high)};
  }
};

}  // namespace
}  // namespace backpass::kernels
