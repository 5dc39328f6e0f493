// The logarithm of the gamma function, and its derivatives; compiled per instruction set.
#pragma once

#include "kernels/power-inl.h"
#include "kernels/trigonometry-inl.h"

namespace backpass::kernels {
namespace {

template <class T>
struct Gamma;

template <>
struct Gamma<float> {
  // lgamma(2 + d) / d in d for |d| <= 1/2
  static constexpr float kNear[] = {4.2278433e-01f, 3.2246703e-01f,  -6.7352295e-02f, 2.0581625e-02f, -7.3859207e-03f,
                                    2.8788687e-03f, -1.1874848e-03f, 5.7025126e-04f,  -2.5056204e-04f};
  // In 1 / x^2 for x >= 8: x (lgamma(x) - (x - 1/2) log(x) + x - log(2 pi) / 2), x^2 (log(x) - 1 / (2 x) - digamma(x))
  static constexpr float kStirling[] = {8.3333306e-02f, -2.7655018e-03f};
  static constexpr float kDigamma[] = {8.3333336e-02f, -8.332783e-03f, 3.8735883e-03f};
};

template <>
struct Gamma<double> {
  static constexpr double kNear[] = {
      0.42278433509846713,     0.32246703342411326,   -0.0673523010531981,     0.02058080842778038,
      -0.0073855510286719986,  0.002890510331034267,  -0.0011927539118428156,  0.0005096695154115458,
      -0.00022315475400520507, 9.945767355819498e-05, -4.49263133791557e-05,   2.0505590755833454e-05,
      -9.438715099211532e-06,  4.38470440459836e-06,  -2.0439048107029907e-06, 9.200527894968101e-07,
      -4.3252393445604814e-07, 2.78740805211359e-07,  -1.3219945666117874e-07};
  static constexpr double kStirling[] = {0.0833333333333333,     -0.002777777777606244, 0.0007936506649488252,
                                         -0.0005952025951802712, 0.0008372834512071336, -0.0016526004455595122};
  static constexpr double kDigamma[] = {0.08333333333333333, -0.008333333333278636, 0.0039682539119537084,
                                        -0.0041666448230497, 0.007571689620283902,  -0.020697987372370493,
                                        0.06362150587634356};
};

// Beyond 8 series in 1 / x^2 hold.
template <class V>
inline V far_from_poles() {
  return broadcast(static_cast<typename V::Element>(8));
}

// x less the nearest whole number, times pi.
template <class V>
inline V angle_off_whole(V x) {
  return (x - round(x)) * broadcast(static_cast<typename V::Element>(3.14159265358979323846));
}

// By Gamma(x + 1) = x Gamma(x) to 2 + d, |d| <= 1/2, where both zeros are a factor of the polynomial; Stirling's
// series beyond 8.
template <class V>
inline V lgamma_positive(V x) {
  using T = typename V::Element;
  const V one = broadcast(static_cast<T>(1)), half = broadcast(static_cast<T>(0.5)), zero = one - one;
  const auto small = less(x, broadcast(static_cast<T>(1.5))), tiny = less(x, half), near = less(x, far_from_poles<V>());
  V d = select(tiny, x, select(small, x - one, x - (one + one)));
  V product = select(tiny, x * (x + one), select(small, x, one));
  for (int i = 0; i < 6; ++i) {
    const auto above = less(half, d);
    product = select(above, product * (d + one), product);
    d = select(above, d - one, d);
  }
  const V logarithm = log(select(near, product, x)), inverse = one / x;
  const V close = d * polynomial(d, Gamma<T>::kNear) + select(small, zero - logarithm, logarithm);
  const V series = fma(inverse, polynomial(inverse * inverse, Gamma<T>::kStirling),
                       broadcast(static_cast<T>(0.41893853320467274178)));
  return select(near, close, fma(x - half, logarithm - one, series));
}

// log |Gamma(x)|; Gamma(-x) Gamma(x) = -pi / (x sin(pi x)).
template <class V>
inline V lgamma(V x) {
  using T = typename V::Element;
  const V size = abs(x), y = lgamma_positive(size), waves = abs(sin(angle_off_whole(size))) * size;
  const V mirrored = log(broadcast(static_cast<T>(3.14159265358979323846)) / waves) - y;
  return select(less(x, broadcast(static_cast<T>(0))), mirrored, y);
}

// digamma(x + 1) = digamma(x) + 1 / x, up to 8 at least; digamma(1 - x) = digamma(x) + pi / tan(pi x).
template <class V>
inline V digamma(V x) {
  using T = typename V::Element;
  const V zero = broadcast(static_cast<T>(0)), one = broadcast(static_cast<T>(1));
  const auto negative = less(x, zero);
  V z = select(negative, one - x, x), above = zero, below = one;
  for (int i = 0; i < 8; ++i) {
    const auto near = less(z, far_from_poles<V>());
    above = select(near, fma(above, z, below), above);
    below = select(near, below * z, below);
    z = select(near, z + one, z);
  }
  const V inverse = one / z, square = inverse * inverse;
  const V tail = fma(inverse, broadcast(static_cast<T>(0.5)), square * polynomial(square, Gamma<T>::kDigamma));
  const V y = log(z) - tail - above / below;
  const V mirrored = y - broadcast(static_cast<T>(3.14159265358979323846)) / tan(angle_off_whole(x));
  return select(negative, mirrored, y);
}

// (-1)^(n + 1) n! times the sum of (x + k)^-(n + 1) over all k >= 0, for whole n >= 1 and x > 0, nan elsewhere: a few
// terms, then Euler's and Maclaurin's series from 16 on, with the Bernoulli numbers over factorials.
template <class V>
inline V polygamma(V n, V x) {
  using T = typename V::Element;
  static constexpr T kBernoulli[] = {static_cast<T>(0.08333333333333333),    static_cast<T>(-0.001388888888888889),
                                     static_cast<T>(3.306878306878307e-05),  static_cast<T>(-8.267195767195768e-07),
                                     static_cast<T>(2.08767569878681e-08),   static_cast<T>(-5.284190138687493e-10),
                                     static_cast<T>(1.3382536530684679e-11), static_cast<T>(-3.3896802963225827e-13)};
  const V zero = broadcast(static_cast<T>(0)), one = broadcast(static_cast<T>(1)), far = broadcast(static_cast<T>(16));
  const V half = broadcast(static_cast<T>(0.5)), most = broadcast(static_cast<T>(sizeof(T) == 4 ? 1e30 : 1e300));
  const V valid = select(less(zero, x), min(most, x), one);
  V z = valid, sum = zero, factorial = one;
  for (int i = 0; i < 16; ++i) {
    const V i1 = broadcast(static_cast<T>(i + 1));
    factorial = select(less(n, i1), factorial, factorial * i1);
    const auto near = less(z, far);
    sum = select(near, sum + positive_power(z, zero - n - one), sum);
    z = select(near, z + one, z);
  }
  const V inverse = one / z, square = inverse * inverse;
  V series = one / n + half * inverse, rising = square * (n + one);
  for (int j = 0; j < 8; ++j) {
    series = fma(rising, broadcast(kBernoulli[j]), series);
    const V at = n + broadcast(static_cast<T>(2 * j + 2));
    rising = rising * square * at * (at + one);
  }
  const V size = factorial * fma(series, positive_power(z, zero - n), sum);
  const V signed_size = select(equal(round(n * half), n * half), zero - size, size);
  return select(less(zero, x), signed_size, select(equal(x, x), broadcast(static_cast<T>(__builtin_nan(""))), x));
}

}  // namespace
}  // namespace backpass::kernels
