// exp, log, tanh, erf and the activations made of them, on vectors; compiled per instruction set.
#pragma once

#include "kernels/math_constants-inl.h"

namespace backpass::kernels {
namespace {

// Horner's rule.
template <class V, class T, int N>
inline V polynomial(V x, const T (&coefficients)[N]) {
  V y = broadcast(coefficients[N - 1]);
  for (int i = N - 2; i >= 0; --i) y = fma(y, x, broadcast(coefficients[i]));
  return y;
}

// (exp(2 r) - 1 - 2 r) / (2 r^2) for |r| <= ln(2) / 4.
template <class T>
constexpr auto exp_of_twice() {
  struct {
    T c[sizeof(Constants<T>::kExp) / sizeof(T)] = {};
  } result;
  T power = 2;
  for (int i = 0; T & c : result.c) {
    c = power * Constants<T>::kExp[i++];
    power *= 2;
  }
  return result;
}

// x = n ln(2) + r with |r| <= ln(2) / 2; returns exp(r) - 1.
template <class V>
inline V exp_reduced(V x, V& n) {
  using T = typename V::Element;
  using C = Constants<T>;
  const V magic = broadcast(C::kMagic);
  n = fma(x, broadcast(static_cast<T>(1.44269504088896340736)), magic) - magic;
  const V r = fnma(n, broadcast(C::kLn2Low), fnma(n, broadcast(C::kLn2High), x));
  return fma(polynomial(r, C::kExp), r * r, r);
}

template <class V>
inline V exp(V x) {
  using T = typename V::Element;
  using C = Constants<T>;
  V n;
  const V r = exp_reduced(max(broadcast(C::kExpLow), min(broadcast(C::kExpHigh), x)), n);
  // In two steps, because 2^n alone may overflow, or be subnormal, where the product is not.
  const V magic = broadcast(C::kMagic);
  const V half = fma(n, broadcast(static_cast<T>(0.5)), magic) - magic;
  const V scale = pow2(half);
  return fma(r, scale, scale) * pow2(n - half);
}

// e ln(2) + log(1 + f) for 1 + f in [sqrt(1/2), sqrt(2)].
template <class V>
inline V log_reduced(V e, V f) {
  using T = typename V::Element;
  using C = Constants<T>;
  const V half_square = f * f * broadcast(static_cast<T>(0.5));
  const V s = f / (broadcast(static_cast<T>(2)) + f), z = s * s;
  const V tail = s * fma(polynomial(z, C::kLog), z, half_square);
  return fma(e, broadcast(C::kLn2High), f - (half_square - fma(e, broadcast(C::kLn2Low), tail)));
}

// x = (1 + f) 2^e with 1 + f in [sqrt(1/2), sqrt(2)], for positive and finite x.
template <class V>
inline V log_split(V x, V& e) {
  using T = typename V::Element;
  using C = Constants<T>;
  const V zero = broadcast(static_cast<T>(0)), one = broadcast(static_cast<T>(1));
  const auto small = less(x, broadcast(C::kMinNormal));
  const V normal = select(small, x * broadcast(C::kNormalize), x);
  e = exponent(normal) - select(small, broadcast(C::kNormalizeExponent), zero);
  V m = mantissa(normal);
  const auto large = less(broadcast(static_cast<T>(1.41421356237309504880)), m);
  e = select(large, e + one, e);
  m = select(large, m * broadcast(static_cast<T>(0.5)), m);
  return m - one;
}

// The logarithm y of x, and what it is where x is not positive and finite.
template <class V>
inline V log_ends(V x, V y) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0)), infinity = broadcast(static_cast<T>(__builtin_inf()));
  y = select(less(x, infinity), y, x);  // inf and nan stay
  y = select(equal(x, zero), zero - infinity, y);
  return select(less(x, zero), broadcast(static_cast<T>(__builtin_nan(""))), y);
}

template <class V>
inline V log(V x) {
  V e;
  const V f = log_split(x, e);
  return log_ends(x, log_reduced(e, f));
}

// log(1 + u) for u in [0, 1], with no loss for small u.
template <class V>
inline V log1p_unit(V u) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0)), one = broadcast(static_cast<T>(1)),
          half = broadcast(static_cast<T>(0.5));
  const auto large = less(broadcast(static_cast<T>(0.41421356237309504880)), u);
  return log_reduced(select(large, one, zero), select(large, (u - one) * half, u));
}

// exp(x) - 1 for x <= 0, which keeps small arguments exact, and 0 above; it is -1 beyond the bound.
template <class V>
inline V expm1_negative(V x) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0)), one = broadcast(static_cast<T>(1));
  V n;
  const V r = exp_reduced(max(broadcast(-2 * Constants<T>::kTanhHigh), min(zero, x)), n);
  const V scale = pow2(n);
  return fma(r, scale, scale - one);
}

// e / (e + 1) with e = (exp(2 |x|) - 1) / 2, which keeps small arguments exact. |x| = n ln(2) / 2 + r, where one
// constant is enough: an error of it grows with n, what comes of it in the result shrinks with 2^-n.
template <class V>
inline V tanh(V x) {
  using T = typename V::Element;
  using C = Constants<T>;
  static constexpr auto kExp2 = exp_of_twice<T>();
  const V magic = broadcast(C::kMagic), half = broadcast(static_cast<T>(0.5));
  const V a = min(broadcast(C::kTanhHigh), abs(x));
  const V n = fma(a, broadcast(static_cast<T>(2.88539008177792681472)), magic) - magic;
  const V r = fnma(n, broadcast(static_cast<T>(0.34657359027997265471)), a);
  const V scale = pow2(n);
  const V e = fma(fma(polynomial(r, kExp2.c), r * r, r), scale, fma(scale, half, broadcast(static_cast<T>(-0.5))));
  return copysign(e / (e + broadcast(static_cast<T>(1))), x);
}

// erfc(sqrt(factor) x) for x >= 0, with y = sqrt(factor) x; and exp(-factor x^2) on the way.
template <class V>
inline V erfc_positive(V x, V y, typename V::Element factor, V& gaussian) {
  using T = typename V::Element;
  using C = Constants<T>;
  const V one = broadcast(static_cast<T>(1)), zero = broadcast(static_cast<T>(0));
  x = min(broadcast(static_cast<T>(1.5) * C::kErfcHigh), x);
  y = min(broadcast(C::kErfcHigh), y);
  // x^2 = high^2 + low with high^2 exact: an error in the exponent would be multiplied by x^2.
  const V shifted = x * broadcast(C::kSplit);
  const V high = shifted - (shifted - x);
  const V low = (x - high) * (x + high) * broadcast(factor);
  const V coarse = exp(zero - high * high * broadcast(factor));
  const V tail = fnma(low, fnma(low, broadcast(static_cast<T>(1.0 / 6)), broadcast(static_cast<T>(0.5))), one);
  gaussian = fnma(coarse, low * tail, coarse);
  const V centre = broadcast(C::kErfcCentre);
  const V t = (y - centre) / (y + centre);
  return gaussian * polynomial(t, C::kErfc) / (y + y + one);
}

template <class V>
inline V erf(V x) {
  using T = typename V::Element;
  const V magnitude = abs(x);
  V gaussian;
  const V far = copysign(broadcast(static_cast<T>(1)) - erfc_positive(magnitude, magnitude, 1, gaussian), x);
  const V near = x * polynomial(x * x, Constants<T>::kErf);
  return select(less(magnitude, broadcast(static_cast<T>(0.75))), near, far);
}

template <class V>
inline V erfc(V x) {
  using T = typename V::Element;
  V gaussian;
  const V magnitude = abs(x), tail = erfc_positive(magnitude, magnitude, 1, gaussian);
  return select(less(x, broadcast(static_cast<T>(0))), broadcast(static_cast<T>(2)) - tail, tail);
}

template <class V>
inline V sigmoid(V x) {
  using T = typename V::Element;
  const V one = broadcast(static_cast<T>(1)), zero = broadcast(static_cast<T>(0));
  return one / (one + exp(zero - x));
}

// 1 / (1 + exp(-x)) and, without loss where it is small, what lacks to 1.
template <class V>
inline V sigmoid(V x, V& complement) {
  using T = typename V::Element;
  const V one = broadcast(static_cast<T>(1)), zero = broadcast(static_cast<T>(0));
  const V e = exp(zero - abs(x));
  const V large = one / (one + e), small = e * large;
  const auto negative = less(x, zero);
  complement = select(negative, large, small);
  return select(negative, small, large);
}

template <class V>
inline V softplus(V x) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0));
  return max(zero, x) + log1p_unit(exp(zero - abs(x)));
}

// |x| - log(2) + log(1 + exp(-2 |x|)); near 0, where that cancels, log(1 + u) with u = cosh(x) - 1 = d^2 / (2 (1 + d)),
// d = exp(-|x|) - 1.
template <class V>
inline V log_cosh(V x) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0)), one = broadcast(static_cast<T>(1)), two = broadcast(static_cast<T>(2));
  const V size = abs(x), d = expm1_negative(zero - min(one, size));
  const V near = log1p_unit(d * d / (two * (one + d)));
  const V far = (size - broadcast(static_cast<T>(0.69314718055994530942))) + log1p_unit(exp(zero - two * size));
  return select(less(size, one), near, far);
}

// The normal distribution function, accurate in both tails, and its density times sqrt(2 pi).
template <class V>
inline V normal_cdf(V x, V& gaussian) {
  using T = typename V::Element;
  const V one = broadcast(static_cast<T>(1)), zero = broadcast(static_cast<T>(0));
  const V magnitude = abs(x), scaled = magnitude * broadcast(static_cast<T>(0.70710678118654752440));
  const V half = broadcast(static_cast<T>(0.5));
  const V tail = half * erfc_positive(magnitude, scaled, static_cast<T>(0.5), gaussian);
  return select(less(x, zero), tail, one - tail);
}

template <class V>
inline V silu(V x) {
  using T = typename V::Element;
  const V one = broadcast(static_cast<T>(1)), zero = broadcast(static_cast<T>(0));
  return x / (one + exp(zero - x));
}

template <class V>
inline V silu_derivative(V x) {
  V complement;
  const V s = sigmoid(x, complement);
  return fma(x * s, complement, s);
}

// tanh(softplus(x)) is n / (n + 2) with e = exp(x) and n = e (e + 2); it is 1 beyond the bound.
template <class V>
inline V mish(V x) {
  using T = typename V::Element;
  const V two = broadcast(static_cast<T>(2));
  const V e = exp(min(broadcast(2 * Constants<T>::kTanhHigh), x)), n = e * (e + two);
  return x * (n / (n + two));
}

template <class V>
inline V mish_derivative(V x) {
  using T = typename V::Element;
  const V one = broadcast(static_cast<T>(1)), two = broadcast(static_cast<T>(2)), four = broadcast(static_cast<T>(4));
  x = min(broadcast(2 * Constants<T>::kTanhHigh), x);
  const V e = exp(x), n = e * (e + two), m = n + two;
  return fma(x * e, four * (one + e) / (m * m), n / m);
}

// u(x) = 2 sqrt(2 / pi) (x + 0.044715 x^3), and u'(x).
template <class V>
inline V gelu_tanh_argument(V x, V& slope) {
  using T = typename V::Element;
  const V scale = broadcast(static_cast<T>(1.59576912160573071176)), square = x * x;
  slope = fma(square, broadcast(static_cast<T>(3 * 0.044715 * 1.59576912160573071176)), scale);
  return x * fma(square, broadcast(static_cast<T>(0.044715 * 1.59576912160573071176)), scale);
}

template <class V>
inline V gelu_tanh(V x) {
  using T = typename V::Element;
  const V one = broadcast(static_cast<T>(1)), zero = broadcast(static_cast<T>(0));
  V slope;
  return x / (one + exp(zero - gelu_tanh_argument(x, slope)));
}

// Beyond the bounds it is 0 or 1, and powers of x would overflow.
template <class V>
inline V gelu_tanh_derivative(V x) {
  using T = typename V::Element;
  const V high = broadcast(static_cast<T>(100)), zero = broadcast(static_cast<T>(0));
  x = max(zero - high, min(high, x));
  V slope, complement;
  const V s = sigmoid(gelu_tanh_argument(x, slope), complement);
  return fma(x * slope * s, complement, s);
}

}  // namespace
}  // namespace backpass::kernels
