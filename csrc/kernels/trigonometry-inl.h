// Sines and arctangents; compiled per instruction set.
#pragma once

#include "kernels/whole-inl.h"

namespace backpass::kernels {
namespace {

template <class T>
struct Angles;

template <>
struct Angles<float> {
  // pi / 2 in three parts, each what the ones before lack; and how far out a period is still told apart.
  static constexpr float kQuarter[] = {1.5707963705062866f, -4.371138828673793e-08f, -1.7151245100058819e-15f};
  static constexpr float kFar = 0x1p40f;
  // (sin(r) - r) / r^3 and (cos(r) - 1 + r^2 / 2) / r^4 in r^2 for |r| <= 1.05 pi / 4
  static constexpr float kSin[] = {-1.6666664e-01f, 8.332623e-03f, -1.95621e-04f};
  static constexpr float kCos[] = {4.1666664e-02f, -1.3888177e-03f, 2.4522094e-05f};
  // (arctan(t) - t) / t^3 in t^2 for |t| <= tan(pi / 8)
  static constexpr float kArctan[] = {-3.333333e-01f, 1.9999538e-01f, -1.4263897e-01f, 1.07430995e-01f, -6.449835e-02f};
};

template <>
struct Angles<double> {
  static constexpr double kQuarter[] = {1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33};
  static constexpr double kFar = 0x1p90;
  static constexpr double kSin[] = {-0.16666666666666663,   0.008333333333329451,    -0.0001984126983460916,
                                    2.7557315043654342e-06, -2.5050922078592225e-08, 1.5903753166955502e-10};
  static constexpr double kCos[] = {0.041666666666666664,    -0.001388888888888646,  2.4801587297421004e-05,
                                    -2.7557316609270243e-07, 2.0876015034871935e-09, -1.1373638409474839e-11};
  static constexpr double kArctan[] = {-0.3333333333333333,  0.1999999999999548,   -0.14285714284657894,
                                       0.11111111014561013,  -0.09090904549884611, 0.07692182535116648,
                                       -0.06664502215671447, 0.058580687568615106, -0.05085030492810941,
                                       0.03921955253255129,  -0.019162068915902573};
};

// x = quarters pi / 2 + result + rest. The first difference is exact: its bits lie above the last of pi / 2.
template <class V>
inline V off_quarters(V x, V& quarters, V& rest) {
  using T = typename V::Element;
  const V first = broadcast(Angles<T>::kQuarter[0]), second = broadcast(Angles<T>::kQuarter[1]);
  quarters = round(x * broadcast(static_cast<T>(0.63661977236758134308)));
  const V a = quarters * first, b = quarters * second;
  const V near = (x - a) - product_error(quarters, first, a);
  const V result = near - b;
  rest = ((near - result) - b) - fma(quarters, broadcast(Angles<T>::kQuarter[2]), product_error(quarters, second, b));
  return result;
}

// n less the nearest multiple of 4, for a whole n.
template <class V>
inline V of_four(V n) {
  using T = typename V::Element;
  return n - broadcast(static_cast<T>(4)) * round(n * broadcast(static_cast<T>(0.25)));
}

// The sine and cosine of the nearest part of a period, |angle| <= pi / 4, and which quarter that is: -2 to 2.
template <class V>
struct Turn {
  V sine, cosine, quarter;
};

// Taken twice, because far out one quotient lacks the last digits of the number of quarters. Beyond kFar, where
// neighbours are many periods apart, all is as at 0.
template <class V>
inline Turn<V> turn(V x) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0)), one = broadcast(static_cast<T>(1));
  x = select(less(broadcast(Angles<T>::kFar), abs(x)), zero * x, x);
  V many, few, rest, last;
  const V coarse = off_quarters(x, many, rest), fine = off_quarters(coarse, few, last);
  const V lacks = rest + last, r = fine + lacks, tail = (fine - r) + lacks, square = r * r;
  const V half = square * broadcast(static_cast<T>(0.5)), flat = one - half;
  const V sine = r + fma(r * square, polynomial(square, Angles<T>::kSin), tail * flat);
  const V cosine =
      flat + (((one - flat) - half) + fma(square * square, polynomial(square, Angles<T>::kCos), zero - r * tail));
  return {sine, cosine, of_four(of_four(many) + few)};
}

template <class V>
inline auto is_odd_quarter(V quarter) {
  return equal(abs(quarter), broadcast(static_cast<typename V::Element>(1)));
}

template <class V>
inline V sin(V x) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0)), half = broadcast(static_cast<T>(0.5));
  const Turn<V> t = turn(x);
  const V size = select(is_odd_quarter(t.quarter), t.cosine, t.sine);  // quarters -2, -1 and 2: negative
  return select(less(abs(t.quarter - half), broadcast(static_cast<T>(1))), size, zero - size);
}

template <class V>
inline V cos(V x) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0)), half = broadcast(static_cast<T>(0.5));
  const Turn<V> t = turn(x);
  const V size = select(is_odd_quarter(t.quarter), t.sine, t.cosine);  // quarters 1, 2 and -2: negative
  return select(less(abs(t.quarter + half), broadcast(static_cast<T>(1))), size, zero - size);
}

template <class V>
inline V tan(V x) {
  const Turn<V> t = turn(x);
  const auto odd = is_odd_quarter(t.quarter);
  return select(odd, broadcast(static_cast<typename V::Element>(0)) - t.cosine, t.sine) / select(odd, t.sine, t.cosine);
}

// The angle whose tangent is up / along, both not negative and not both zero: off 0, pi / 4 or pi / 2.
template <class V>
inline V angle(V up, V along) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0)), high = broadcast(Angles<T>::kQuarter[0]);
  const V low = broadcast(Angles<T>::kQuarter[1]), half = broadcast(static_cast<T>(0.5));
  const auto steep = less(along * broadcast(static_cast<T>(2.41421356237309504880)), up);
  const auto slanted = less(along * broadcast(static_cast<T>(0.41421356237309504880)), up);
  const V t = select(steep, zero - along, select(slanted, up - along, up)) /
              select(steep, up, select(slanted, up + along, along));
  const V base = select(steep, high, select(slanted, high * half, zero));
  const V rest = select(steep, low, select(slanted, low * half, zero)), square = t * t;
  return base + (t + fma(t * square, polynomial(square, Angles<T>::kArctan), rest));
}

template <class V>
inline V arctan(V x) {
  const V one = broadcast(static_cast<typename V::Element>(1));
  return copysign(angle(abs(x), one), x);
}

template <class V>
inline V arcsin(V x) {
  const V one = broadcast(static_cast<typename V::Element>(1)), size = abs(x);
  return copysign(angle(size, sqrt((one - size) * (one + size))), x);
}

template <class V>
inline V arccos(V x) {
  const V one = broadcast(static_cast<typename V::Element>(1)), half = angle(sqrt(one - x), sqrt(one + x));
  return half + half;
}

// The angle of the point (x, y), with the signs of zeros and infinities as in C.
template <class V>
inline V arctan2(V y, V x) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0)), one = broadcast(static_cast<T>(1));
  const V up = abs(y), along = abs(x);
  const V scale = select(less(one, max(up, along)), broadcast(static_cast<T>(0.25)), one);  // their sum is finite
  const auto diagonal = equal(up, along);                                                   // infinities and zeros, too
  const V first =
      angle(select(diagonal, select(equal(up, zero), zero, one), up * scale), select(diagonal, one, along * scale));
  const V left = (broadcast(2 * Angles<T>::kQuarter[0]) - first) + broadcast(2 * Angles<T>::kQuarter[1]);
  return copysign(select(less(copysign(one, x), zero), left, first), y);
}

}  // namespace
}  // namespace backpass::kernels
