// Powers, exponentials and logarithms of any base, hyperbolic functions; compiled per instruction set.
#pragma once

#include "kernels/whole-inl.h"

namespace backpass::kernels {
namespace {

template <class T>
struct Powers;

template <>
struct Powers<float> {
  // The logarithm of 2 to base 10 in two parts, the first with few bits; and the inverse of that of 10.
  static constexpr float kLog10Of2[] = {0.301025390625f, 4.605038981195214e-06f};
  static constexpr float kLog10OfE[] = {0.4342944920063019f, -1.0103050052231683e-08f};
  static constexpr float kLargest = 2e9f;  // an exponent of which every power of what is not 1 is 0 or infinite
  // (log((1 + s) / (1 - s)) - 2 s) / s^3 in s^2, nearer than Constants::kLog
  static constexpr float kLog[] = {6.666667e-01f, 4.0000123e-01f, 2.855078e-01f, 2.3331614e-01f};
  // (sinh(x) - x) / x^3 in x^2 for |x| <= 1
  static constexpr float kSinh[] = {1.6666667e-01f, 8.333339e-03f, 1.9838102e-04f, 2.8062802e-06f};
};

template <>
struct Powers<double> {
  static constexpr double kLog10Of2[] = {0.3010299955494702, 1.1451100898021838e-10};
  static constexpr double kLog10OfE[] = {0.4342944819032518, 1.098319650216765e-17};
  static constexpr double kLargest = 1e19;
  static constexpr double kLog[] = {0.6666666666666666,  0.40000000000000885, 0.28571428570799784, 0.22222222392581045,
                                    0.18181795547521137, 0.15386244737621665, 0.13268638369266825, 0.13088034850927555};
  static constexpr double kSinh[] = {0.16666666666666666,    0.008333333333333299,   0.00019841269841324198,
                                     2.7557319191381816e-06, 2.5052117695907823e-08, 1.6057679623801638e-10,
                                     7.746178593018827e-13};
};

// 2^n (1 + r) / 2^less, in two steps as in exp.
template <class V>
inline V scaled(V r, V n, V less) {
  using T = typename V::Element;
  const V magic = broadcast(Constants<T>::kMagic);
  const V half = fma(n, broadcast(static_cast<T>(0.5)), magic) - magic, scale = pow2(half);
  return fma(r, scale, scale) * pow2(n - half - less);
}

// exp(x) / 2 for x >= 0, which is finite a little longer than exp(x).
template <class V>
inline V half_exp(V x) {
  using T = typename V::Element;
  const V one = broadcast(static_cast<T>(1));
  V n;
  const V r = exp_reduced(min(broadcast(Constants<T>::kExpHigh + 1), x), n);
  return scaled(r, n, one);
}

template <class V>
inline V exp2(V x) {
  using T = typename V::Element;
  const V low = broadcast(static_cast<T>(sizeof(T) == 4 ? -151 : -1076));
  const V high = broadcast(static_cast<T>(sizeof(T) == 4 ? 129 : 1025));
  const V bounded = max(low, min(high, x)), n = round(bounded);
  const V r = (bounded - n) * broadcast(static_cast<T>(0.69314718055994530942));
  return scaled(fma(polynomial(r, Constants<T>::kExp), r * r, r), n, n - n);
}

// exp(x) - 1, which keeps small arguments exact. Where n is large, taking 1 away changes nothing.
template <class V>
inline V expm1(V x) {
  using T = typename V::Element;
  using C = Constants<T>;
  const V one = broadcast(static_cast<T>(1)), large = broadcast(static_cast<T>(60));
  V n;
  const V r = exp_reduced(max(broadcast(C::kExpLow), min(broadcast(C::kExpHigh), x)), n);
  const V bounded = max(broadcast(static_cast<T>(-100)), min(large, n)), scale = pow2(bounded);
  return select(less(n, large), fma(r, scale, scale - one), scaled(r, n, n - n));
}

template <class V>
inline V sinh(V x) {
  using T = typename V::Element;
  const V size = abs(x), half = half_exp(size), square = x * x;
  const V far = half - broadcast(static_cast<T>(0.25)) / half;
  const V near = fma(x * square, polynomial(square, Powers<T>::kSinh), x);
  return select(less(size, broadcast(static_cast<T>(1))), near, copysign(far, x));
}

template <class V>
inline V cosh(V x) {
  const V half = half_exp(abs(x));
  return half + broadcast(static_cast<typename V::Element>(0.25)) / half;
}

// The logarithm of 1 + x. What rounding the sum loses is added to the mantissa again.
template <class V>
inline V log1p(V x) {
  using T = typename V::Element;
  const V one = broadcast(static_cast<T>(1)), sum = one + x, part = sum - one;
  const V lost = (one - (sum - part)) + (x - part);
  V e;
  const V f = log_split(sum, e);
  const V shift = pow2(broadcast(static_cast<T>(0)) - min(broadcast(static_cast<T>(100)), e));
  return log_ends(sum, log_reduced(e, fma(lost, shift, f)));
}

template <class V>
inline V log2(V x) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0));
  V e;
  const V f = log_split(x, e), y = log_reduced(zero, f);
  return log_ends(x, fma(y, broadcast(static_cast<T>(1.44269504088896340736)), e));
}

template <class V>
inline V log10(V x) {
  using T = typename V::Element;
  using P = Powers<T>;
  const V zero = broadcast(static_cast<T>(0));
  V e;
  const V f = log_split(x, e), y = log_reduced(zero, f);
  const V low = fma(e, broadcast(P::kLog10Of2[1]), y * broadcast(P::kLog10OfE[1]));
  return log_ends(x, fma(e, broadcast(P::kLog10Of2[0]), fma(y, broadcast(P::kLog10OfE[0]), low)));
}

// log(x) = result + rest for positive x, with some bits more than x has.
template <class V>
inline V log_in_parts(V x, V& rest) {
  using T = typename V::Element;
  using C = Constants<T>;
  const V two = broadcast(static_cast<T>(2));
  V e;
  const V f = log_split(x, e), sum = two + f, lost = f - (sum - two), s = f / sum, product = s * sum;
  const V s_rest = ((f - product) - product_error(s, sum, product) - s * lost) / sum;
  const V z = s * s, tail = fma(s * z, polynomial(z, Powers<T>::kLog), two * s_rest);
  const V whole = e * broadcast(C::kLn2High), near = whole + two * s;
  const V low = (two * s - (near - whole)) + fma(e, broadcast(C::kLn2Low), tail), result = near + low;
  rest = (near - result) + low;
  return result;
}

// x^p for positive and finite x.
template <class V>
inline V positive_power(V x, V p) {
  using T = typename V::Element;
  const V most = broadcast(Powers<T>::kLargest), bounded = max(broadcast(-Powers<T>::kLargest), min(most, p));
  V log_rest;
  const V log_x = log_in_parts(x, log_rest), exponent = bounded * log_x;
  const V rest = fma(bounded, log_rest, product_error(bounded, log_x, exponent)), y = exp(exponent);
  return select(less(y, broadcast(static_cast<T>(__builtin_inf()))), fma(y, rest, y), y);
}

// x^p with what C says of zeros, infinities, nan and negative x: x^0 and 1^p are 1, whole powers keep the sign.
template <class V>
inline V power(V x, V p) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0)), one = broadcast(static_cast<T>(1));
  const V half = p * broadcast(static_cast<T>(0.5)), infinity = broadcast(static_cast<T>(__builtin_inf()));
  const V size = abs(x), negative_p = select(less(p, zero), one, zero);
  V y = positive_power(select(equal(size, zero), one, select(less(size, infinity), size, one)), p);
  y = select(equal(size, zero), select(less(p, zero), infinity, zero), y);
  y = select(equal(size, infinity), select(equal(negative_p, one), zero, infinity), y);
  const V odd = select(equal(round(half), half), one, copysign(one, x));  // of whole p: the sign of the result
  const V undefined = select(less(size, infinity), broadcast(static_cast<T>(__builtin_nan(""))), one);
  const V sign = select(equal(round(p), p), odd, select(less(x, zero), undefined, one));
  y = select(equal(x, x), select(equal(p, p), y * sign, p), x);
  return select(equal(p, zero), one, select(equal(x, one), one, y));
}

// exp(log(x) / 3), and one step of Newton's.
template <class V>
inline V cbrt(V x) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0)), third = broadcast(static_cast<T>(1.0 / 3)), size = abs(x);
  const V near = exp(log(size) * third), root = near - (near - size / (near * near)) * third;
  const auto ordinary = less(size, broadcast(static_cast<T>(__builtin_inf())));
  return copysign(select(less(zero, size), select(ordinary, root, size), size), x);
}

// sqrt(a^2 + b^2) without overflow; infinite where either is.
template <class V>
inline V hypot(V a, V b) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0)), one = broadcast(static_cast<T>(1));
  const V infinity = broadcast(static_cast<T>(__builtin_inf())), x = abs(a), y = abs(b), large = max(x, y);
  const V ratio = min(x, y) / select(equal(large, zero), one, large), length = large * sqrt(fma(ratio, ratio, one));
  const V known = select(equal(x, x), select(equal(y, y), length, y), x);
  return select(equal(x, infinity), x, select(equal(y, infinity), y, known));
}

// log(exp(a) + exp(b)).
template <class V>
inline V logaddexp(V a, V b) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0));
  const V sum = max(a, b) + log1p_unit(exp(zero - abs(a - b)));
  return select(equal(a, b), a + broadcast(static_cast<T>(0.69314718055994530942)), sum);
}

}  // namespace
}  // namespace backpass::kernels
