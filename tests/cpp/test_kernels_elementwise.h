// Elementwise functions: accuracy in units of the last place over dense sweeps, and every shape of operand.
#pragma once

#include "kernel_testing.h"

namespace backpass::kernels::testing {

// By the recurrence to 40, and the first terms of the asymptotic series there.
template <class W>
W digamma(W x) {
  if (x < 0) return digamma(1 - x) - std::acos(W{-1}) / std::tan(std::acos(W{-1}) * x);
  W sum = 0;
  for (; x < 40; ++x) sum -= 1 / x;
  const W s = 1 / (x * x);
  return sum + std::log(x) - 1 / (2 * x) -
         s * (W{1} / 12 - s * (W{1} / 120 - s * (W{1} / 252 - s * (W{1} / 240 - s / 132))));
}

// Of order 1 or 2, likewise.
template <class W>
W polygamma(W order, W x) {
  const bool second = order > 1.5;
  W sum = 0;
  for (; x < 40; ++x) sum += second ? -2 / (x * x * x) : 1 / (x * x);
  const W s = 1 / (x * x);
  if (second) return sum - s * (1 + 1 / x + s * (W{1} / 2 - s * (W{1} / 6 - s * (W{1} / 6 - s * (W{3} / 10)))));
  return sum + 1 / x + s / 2 +
         s / x * (W{1} / 6 - s * (W{1} / 30 - s * (W{1} / 42 - s * (W{1} / 30 - s * (W{5} / 66)))));
}

// The definition, in the wide type.
template <class W>
W reference(Elementwise fn, W a, W b, W alpha) {
  const auto cdf = [](W x) { return std::erfc(-x * static_cast<W>(0.7071067811865475244008L)) / 2; };
  const auto density = [](W x) { return std::exp(-x * x / 2) * static_cast<W>(0.398942280401432677939946L); };
  const auto sigmoid = [](W x) { return 1 / (1 + std::exp(-x)); };
  const auto softplus = [](W x) { return std::fmax(x, W{0}) + std::log1p(std::exp(-std::fabs(x))); };
  const W gelu_tanh_slope = static_cast<W>(1.5957691216057307117598L), gelu_tanh_cubic = static_cast<W>(0.044715L);
  const auto gelu_tanh_argument = [&](W x) { return gelu_tanh_slope * (x + gelu_tanh_cubic * x * x * x); };
  const bool nan = std::isnan(a) || std::isnan(b);
  switch (fn) {
    case Elementwise::copy:
      return a;
    case Elementwise::negate:
      return -a;
    case Elementwise::absolute:
      return std::fabs(a);
    case Elementwise::sign:
      return std::isnan(a) ? a : static_cast<W>((a > 0) - (a < 0));
    case Elementwise::step:
      return a > 0;
    case Elementwise::square:
      return a * a;
    case Elementwise::sqrt:
      return std::sqrt(a);
    case Elementwise::reciprocal:
      return 1 / a;
    case Elementwise::exp:
      return std::exp(a);
    case Elementwise::log:
      return std::log(a);
    case Elementwise::erf:
      return std::erf(a);
    case Elementwise::scale:
      return alpha * a;
    case Elementwise::shift:
      return a + alpha;
    case Elementwise::relu:
      return std::isnan(a) ? a : std::fmax(a, W{0});
    case Elementwise::leaky_relu:
      return a > 0 ? a : alpha * a;
    case Elementwise::sigmoid:
      return sigmoid(a);
    case Elementwise::tanh:
      return std::tanh(a);
    case Elementwise::gelu:
      return a * cdf(a);
    case Elementwise::gelu_tanh:
      return a * sigmoid(gelu_tanh_argument(a));
    case Elementwise::softplus:
      return softplus(a);
    case Elementwise::elu:
      return a > 0 ? a : alpha * std::expm1(a);
    case Elementwise::silu:
      return a * sigmoid(a);
    case Elementwise::mish:
      return a * std::tanh(softplus(a));
    case Elementwise::log_cosh: {
      const W size = std::fabs(a), half = std::sinh(a / 2);
      return size < 1 ? std::log1p(2 * half * half) : size + std::log1p(std::exp(-2 * size)) - std::log(W{2});
    }
    case Elementwise::rsqrt:
      return 1 / std::sqrt(a);
    case Elementwise::cbrt:
      return std::cbrt(a);
    case Elementwise::exp2:
      return std::exp2(a);
    case Elementwise::expm1:
      return std::expm1(a);
    case Elementwise::log2:
      return std::log2(a);
    case Elementwise::log10:
      return std::log10(a);
    case Elementwise::log1p:
      return std::log1p(a);
    case Elementwise::sin:
      return std::sin(a);
    case Elementwise::cos:
      return std::cos(a);
    case Elementwise::tan:
      return std::tan(a);
    case Elementwise::arcsin:
      return std::asin(a);
    case Elementwise::arccos:
      return std::acos(a);
    case Elementwise::arctan:
      return std::atan(a);
    case Elementwise::sinh:
      return std::sinh(a);
    case Elementwise::cosh:
      return std::cosh(a);
    case Elementwise::erfc:
      return std::erfc(a);
    case Elementwise::lgamma:
      return std::lgamma(a);
    case Elementwise::digamma:
      return digamma(a);
    case Elementwise::polygamma:
      return a > 0 ? polygamma(alpha, a) : std::numeric_limits<W>::quiet_NaN();
    case Elementwise::softsign:
      return a / (1 + std::fabs(a));
    case Elementwise::log_sigmoid:
      return -softplus(-a);
    case Elementwise::floor:
      return std::floor(a);
    case Elementwise::ceil:
      return std::ceil(a);
    case Elementwise::round:
      return std::nearbyint(a);
    case Elementwise::trunc:
      return std::trunc(a);
    case Elementwise::isnan:
      return std::isnan(a);
    case Elementwise::isinf:
      return std::isinf(a);
    case Elementwise::isfinite:
      return std::isfinite(a);
    case Elementwise::logical_not:
      return a == 0;
    case Elementwise::add:
      return a + b;
    case Elementwise::subtract:
      return a - b;
    case Elementwise::multiply:
      return a * b;
    case Elementwise::divide:
      return a / b;
    case Elementwise::maximum:
      return nan ? a + b : std::fmax(a, b);
    case Elementwise::minimum:
      return nan ? a + b : std::fmin(a, b);
    case Elementwise::greater:
      return a > b;
    case Elementwise::equal:
      return a == b;
    case Elementwise::not_equal:
      return a != b;
    case Elementwise::less:
      return a < b;
    case Elementwise::less_equal:
      return a <= b;
    case Elementwise::greater_equal:
      return a >= b;
    case Elementwise::logical_and:
      return a != 0 && b != 0;
    case Elementwise::logical_or:
      return a != 0 || b != 0;
    case Elementwise::logical_xor:
      return (a != 0) != (b != 0);
    case Elementwise::power:
      return std::pow(a, b);
    case Elementwise::arctan2:
      return std::atan2(a, b);
    case Elementwise::hypot:
      return std::hypot(a, b);
    case Elementwise::logaddexp:
      return std::fmax(a, b) + std::log1p(std::exp(-std::fabs(a - b)));
    case Elementwise::mod:
      return a - b * std::floor(a / b);
    case Elementwise::relu_grad:
      return b > 0 ? a : 0;
    case Elementwise::leaky_relu_grad:
      return b > 0 ? a : alpha * a;
    case Elementwise::sigmoid_grad:
      return a * b * (1 - b);
    case Elementwise::tanh_grad:
      return a * (1 - b * b);
    case Elementwise::gelu_grad:
      return a * (cdf(b) + b * density(b));
    case Elementwise::gelu_tanh_grad: {
      const W s = sigmoid(gelu_tanh_argument(b)), complement = sigmoid(-gelu_tanh_argument(b));
      return a * (s + b * s * complement * gelu_tanh_slope * (1 + 3 * gelu_tanh_cubic * b * b));
    }
    case Elementwise::softplus_grad:
      return a * sigmoid(b);
    case Elementwise::elu_grad:
      return b > 0 ? a : a * alpha * std::exp(b);
    case Elementwise::silu_grad:
      return a * sigmoid(b) * (1 + b * sigmoid(-b));
    case Elementwise::mish_grad: {
      const W t = std::tanh(softplus(b)), cosh = std::cosh(softplus(b));
      return a * (t + b * sigmoid(b) / (cosh * cosh));
    }
  }
  return 0;
}

// The greatest error over a sweep of [from, to], with alpha = 1; a derivative pair is swept over what it kept, with
// gradient 1. Results below the normal numbers count as they are stored.
template <class T>
double sweep_ulps(const Kernels<T>& kernels, Elementwise fn, double from, double to, Size n) {
  std::vector<T> x(static_cast<std::size_t>(n)), y(x), ones(x.size(), T{1});
  for (Size i = 0; i < n; ++i) {
    x[static_cast<std::size_t>(i)] =
        static_cast<T>(from + (to - from) * (static_cast<double>(i) + 0.37) / static_cast<double>(n));
  }
  const std::vector<T>& a = is_binary(fn) ? ones : x;
  kernels.elementwise[static_cast<int>(fn)](y.data(), n, a.data(), n, x.data(), n, 1, 1, n);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    worst = std::fmax(worst, ulps(y[i], reference<Wide<T>>(fn, a[i], x[i], 1)));
  return worst;
}

template <class T>
void test_accuracy(const Kernels<T>& kernels, const std::string& label) {
  struct Range {
    Elementwise fn;
    double from, to, limit;
  };
  const double high = sizeof(T) == 4 ? 89 : 710, low = sizeof(T) == 4 ? -104 : -746,
               big = sizeof(T) == 4 ? 3e38 : 1e308;
  const Range ranges[] = {
      {Elementwise::exp, low, high, 4},
      {Elementwise::exp, -1, 1, 4},
      {Elementwise::exp, -1e-3, 1e-3, 4},
      {Elementwise::log, 0, 4, 4},
      {Elementwise::log, 0.99, 1.01, 4},
      {Elementwise::log, 1, big, 4},
      {Elementwise::log, 0, 1e-300, 4},
      {Elementwise::log, 0, 1e-37, 4},
      {Elementwise::tanh, -11, 11, 4},
      {Elementwise::tanh, -1, 1, 4},
      {Elementwise::tanh, -1e-3, 1e-3, 4},
      {Elementwise::erf, -7, 7, 4},
      {Elementwise::erf, -1, 1, 4},
      {Elementwise::erf, -1e-3, 1e-3, 4},
      {Elementwise::sigmoid, -80, 80, 4},
      {Elementwise::softplus, -80, 80, 4},
      {Elementwise::softplus, -2, 2, 4},
      {Elementwise::gelu, -1, 12, 6},
      {Elementwise::gelu, -12, 0, 6},
      {Elementwise::elu, -1e4, 20, 4},
      {Elementwise::elu, -4, 1, 4},
      {Elementwise::elu, -1e-3, 1e-3, 4},
      {Elementwise::silu, -80, 80, 6},
      {Elementwise::silu, -2, 2, 6},
      {Elementwise::mish, -80, 80, 8},
      {Elementwise::mish, -2, 2, 8},
      {Elementwise::log_cosh, -80, 80, 6},
      {Elementwise::log_cosh, -2, 2, 6},
      {Elementwise::log_cosh, -1e-3, 1e-3, 6},
      {Elementwise::sin, -1e5, 1e5, 3},
      {Elementwise::sin, -4, 4, 3},
      {Elementwise::sin, -1e-3, 1e-3, 3},
      {Elementwise::sin, 3.1415, 3.1417, 3},
      {Elementwise::sin, 1e6, 1e9, 3},
      {Elementwise::cos, -1e5, 1e5, 3},
      {Elementwise::cos, -4, 4, 3},
      {Elementwise::cos, 1.5707, 1.5709, 3},
      {Elementwise::cos, 1e6, 1e9, 3},
      {Elementwise::tan, -1e5, 1e5, 4},
      {Elementwise::tan, -4, 4, 4},
      {Elementwise::arcsin, -1, 1, 4},
      {Elementwise::arccos, -1, 1, 4},
      {Elementwise::arctan, -10, 10, 3},
      {Elementwise::arctan, -1e-3, 1e-3, 3},
      {Elementwise::sinh, -high, high, 6},
      {Elementwise::sinh, -2, 2, 6},
      {Elementwise::cosh, -high, high, 6},
      {Elementwise::expm1, -50, high, 4},
      {Elementwise::expm1, -1, 1, 4},
      {Elementwise::expm1, -1e-3, 1e-3, 4},
      {Elementwise::exp2, low * 1.4, high * 1.4, 4},
      {Elementwise::exp2, -1, 1, 4},
      {Elementwise::log1p, -0.999, 4, 4},
      {Elementwise::log1p, -1e-3, 1e-3, 4},
      {Elementwise::log1p, 1, big, 4},
      {Elementwise::log2, 0, 4, 4},
      {Elementwise::log2, 0.99, 1.01, 4},
      {Elementwise::log2, 1, big, 4},
      {Elementwise::log10, 0, 4, 4},
      {Elementwise::log10, 0.99, 1.01, 4},
      {Elementwise::log10, 1, big, 4},
      {Elementwise::cbrt, -1e3, 1e3, 3},
      {Elementwise::rsqrt, 1e-3, 1e3, 3},
      {Elementwise::erfc, -4, 9, 8},
      {Elementwise::erfc, -1, 1, 8},
      {Elementwise::lgamma, 0.01, 20, 8},
      {Elementwise::lgamma, 0.999, 1.001, 8},
      {Elementwise::lgamma, 1.999, 2.001, 8},
      {Elementwise::lgamma, 8, 1e6, 4},
      {Elementwise::digamma, 2, 1e4, 8},
      {Elementwise::digamma, 0.01, 1, 32},
      {Elementwise::polygamma, 0.01, 50, 16},
      {Elementwise::softsign, -1e3, 1e3, 2},
      {Elementwise::log_sigmoid, -80, 80, 4},
      {Elementwise::logaddexp, -10, 10, 16},
      {Elementwise::arctan2, -10, 10, 4},
      {Elementwise::hypot, -10, 10, 3},
      // The rounding of an exponent is multiplied by it: at -9 by 67.
      {Elementwise::gelu_tanh, -1, 12, 8},
      {Elementwise::gelu_tanh, -9, 0, 200},
      {Elementwise::elu_grad, -80, 5, 4},
      // Around the zero of a derivative its error is absolute.
      {Elementwise::silu_grad, -1, 80, 8},
      {Elementwise::silu_grad, -80, -2, 8},
      {Elementwise::mish_grad, -0.5, 80, 8},
      {Elementwise::mish_grad, -80, -2, 8},
      {Elementwise::gelu_tanh_grad, -0.5, 12, 8},
      {Elementwise::gelu_tanh_grad, -9, -1, 200},
  };
  for (const Range& range : ranges) {
    const double worst = sweep_ulps(kernels, range.fn, range.from, range.to, 40011);
    check(worst <= range.limit, label + "function " + std::to_string(static_cast<int>(range.fn)) + " over [" +
                                    std::to_string(range.from) + ", " + std::to_string(range.to) + "]: ulps " +
                                    std::to_string(worst));
  }
}

// x^p over the whole range: what an error of log(x) leaves is multiplied by the logarithm of the result.
template <class T>
void test_powers(const Kernels<T>& kernels, const std::string& label);

template <class T>
T once(const Kernels<T>& kernels, Elementwise fn, T a, T b = 0, T alpha = 0) {
  T out = 77;
  kernels.elementwise[static_cast<int>(fn)](&out, 1, &a, 1, &b, 1, alpha, 1, 1);
  return out;
}

template <class T>
void test_special_values(const Kernels<T>& kernels, const std::string& label) {
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const auto expect = [&](Elementwise fn, T a, T want) {
    const T got = once(kernels, fn, a);
    check(std::isnan(want) ? std::isnan(got) : got == want, label + "function " + std::to_string(static_cast<int>(fn)) +
                                                                " of " + std::to_string(a) + " = " +
                                                                std::to_string(got));
  };
  using E = Elementwise;
  for (E fn : {E::exp, E::log, E::tanh, E::erf, E::sigmoid, E::gelu, E::gelu_tanh, E::softplus, E::elu, E::silu,
               E::mish, E::log_cosh, E::relu, E::sqrt, E::sign, E::absolute}) {
    expect(fn, nan, nan);
  }
  expect(E::exp, -inf, 0), expect(E::exp, inf, inf), expect(E::exp, 0, 1), expect(E::exp, 1e4, inf),
      expect(E::exp, -1e4, 0);
  expect(E::log, 0, -inf), expect(E::log, -1, nan), expect(E::log, inf, inf), expect(E::log, 1, 0),
      expect(E::log, -inf, nan);
  expect(E::tanh, inf, 1), expect(E::tanh, -inf, -1), expect(E::tanh, 0, 0), expect(E::tanh, -1e4, -1);
  expect(E::erf, inf, 1), expect(E::erf, -inf, -1), expect(E::erf, 0, 0), expect(E::erf, 1e4, 1);
  expect(E::sigmoid, 1e3, 1), expect(E::sigmoid, -1e4, 0), expect(E::sigmoid, 0, static_cast<T>(0.5));
  expect(E::softplus, 1e4, 1e4), expect(E::softplus, -1e4, 0), expect(E::softplus, inf, inf);
  expect(E::log_cosh, inf, inf), expect(E::log_cosh, -inf, inf), expect(E::log_cosh, 0, 0);
  expect(E::gelu, 1e4, 1e4), expect(E::gelu, -1e3, 0), expect(E::relu, -inf, 0), expect(E::relu, inf, inf);
  const T big = std::numeric_limits<T>::max();
  for (T x : {static_cast<T>(1e4), big}) {
    for (E fn : {E::gelu_tanh, E::elu, E::silu, E::mish}) expect(fn, x, x);
    for (E fn : {E::gelu_tanh, E::silu, E::mish}) expect(fn, -x, 0);
    for (E fn : {E::gelu_tanh_grad, E::elu_grad, E::silu_grad, E::mish_grad}) {
      check(once<T>(kernels, fn, 1, x) == 1 && once<T>(kernels, fn, 1, -x) == 0, label + "derivatives far out");
      check(std::isnan(once<T>(kernels, fn, 1, nan, 1)), label + "derivatives of nan");
    }
  }
  check(once<T>(kernels, E::elu, -big, 0, 2) == -2 && once<T>(kernels, E::elu_grad, 1, 0, 2) == 2, label + "alpha");
  for (E fn : {E::maximum, E::minimum}) {
    check(std::isnan(once<T>(kernels, fn, nan, 1)) && std::isnan(once<T>(kernels, fn, 1, nan)),
          label + "nan in extremes");
  }
}

template <class T>
void test_powers(const Kernels<T>& kernels, const std::string& label) {
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  double worst = 0;
  for (int i = 1; i < 400; ++i)
    for (int j = -200; j < 200; ++j) {
      const T x = static_cast<T>(i * 0.0371), p = static_cast<T>(j * 0.0613);
      worst = std::fmax(worst, ulps(once(kernels, Elementwise::power, x, p),
                                    std::pow(static_cast<Wide<T>>(x), static_cast<Wide<T>>(p))));
    }
  check(worst <= 3, label + "powers: ulps " + std::to_string(worst));
  const T values[] = {-inf, -3,  -2, static_cast<T>(-0.5), static_cast<T>(-0.0), 0, static_cast<T>(0.5), 1, 2,
                      3,    inf, nan};
  for (const T x : values)
    for (const T p : values) {
      const T got = once(kernels, Elementwise::power, x, p), want = std::pow(x, p);
      check(std::isnan(want) ? std::isnan(got)
                             : std::fabs(got - want) <= 4 * epsilon<T>() * std::fabs(want) || got == want,
            label + std::to_string(x) + "^" + std::to_string(p) + " = " + std::to_string(got));
      const T turned = once(kernels, Elementwise::arctan2, x, p), angle = std::atan2(x, p);
      check(std::isnan(angle) ? std::isnan(turned)
                              : std::fabs(turned - angle) <= 4 * epsilon<T>() * std::fabs(angle) &&
                                    std::signbit(turned) == std::signbit(angle),
            label + "arctan2 of " + std::to_string(x) + ", " + std::to_string(p) + " = " + std::to_string(turned));
    }
  for (const T x : {static_cast<T>(1e30), std::numeric_limits<T>::max()})
    check(std::fabs(once(kernels, Elementwise::sin, x)) <= 1 && std::fabs(once(kernels, Elementwise::cos, x)) <= 1,
          label + "sines far out");
}

// Tolerance for one result: a few units of the result and of what it was made from.
template <class T>
double allowed(Elementwise fn, double a, double b, double want) {
  if (fn == Elementwise::polygamma) return epsilon<T>() * 64 * std::fabs(want) + 1e-300;
  if (fn == Elementwise::digamma) return epsilon<T>() * 64 * (1 + std::fabs(want));  // it has a zero
  const bool sums =
      fn >= Elementwise::add || fn == Elementwise::shift || fn == Elementwise::gelu || fn == Elementwise::gelu_tanh;
  return epsilon<T>() * (4 * std::fabs(want) + (sums ? 4 * std::fmax(std::fabs(a), std::fabs(a * b)) : 0)) + 1e-300;
}

template <class T>
void test_shape(const Kernels<T>& kernels, Elementwise fn, Size rows, Size cols, int layout, const std::string& label) {
  Numbers numbers{static_cast<std::uint64_t>(rows * 131 + cols * 7 + layout)};
  const Size gap = layout == 1 ? 3 : 0;
  const bool repeat_a = layout == 3, repeat_b = layout == 2 || layout == 3;
  Matrix<T> out(rows, cols, gap, numbers), a(repeat_a && rows ? 1 : rows, cols, gap, numbers, 3);
  Matrix<T> b(repeat_b && rows ? 1 : rows, cols, layout == 1 ? 1 : 0, numbers, 3);
  using E = Elementwise;
  const bool positive = fn == E::log || fn == E::sqrt || fn == E::rsqrt || fn == E::log2 || fn == E::log10 ||
                        fn == E::log1p || fn == E::lgamma || fn == E::digamma || fn == E::polygamma || fn == E::power;
  if (positive) {
    for (Size i = 0; i < a.values.size(); ++i) a.values[i] = std::fabs(a.values[i]);
  }
  const Size lda = repeat_a ? 0 : a.ld, ldb = repeat_b ? 0 : b.ld;
  const T alpha = fn == Elementwise::polygamma ? T{1} : static_cast<T>(0.3);
  T* target = layout == 4 ? a.data() : layout == 5 ? b.data() : out.data();
  const std::vector<T> a0(a.data(), a.data() + a.values.size()), b0(b.data(), b.data() + b.values.size());
  kernels.elementwise[static_cast<int>(fn)](target, out.ld, a.data(), lda, is_binary(fn) ? b.data() : nullptr, ldb,
                                            alpha, rows, cols);
  bool good = out.gaps_intact();
  for (Size i = 0; i < rows; ++i) {
    for (Size j = 0; j < cols; ++j) {
      const T x = a0[static_cast<std::size_t>(i * lda + j)], y = b0[static_cast<std::size_t>(i * ldb + j)];
      const Wide<T> want = reference<Wide<T>>(fn, x, y, alpha);
      good = good && close(target[i * out.ld + j], want, allowed<T>(fn, x, y, static_cast<double>(want)));
    }
  }
  check(good, label + "function " + std::to_string(static_cast<int>(fn)) + " rows " + std::to_string(rows) + " cols " +
                  std::to_string(cols) + " layout " + std::to_string(layout));
}

template <class T>
void test_elementwise(const Kernels<T>& kernels, const std::string& label) {
  test_accuracy(kernels, label);
  test_special_values(kernels, label);
  test_powers(kernels, label);
  const Size v = kernels.vector;
  for (int index = 0; index < kElementwiseCount; ++index) {
    for (Size rows : {Size{0}, Size{1}, Size{3}, Size{70}}) {
      for (Size cols : {Size{0}, Size{1}, v - 1, v, v + 1, Size{10}, 3 * v + 2}) {
        for (int layout = 0; layout < 6; ++layout) {
          test_shape(kernels, static_cast<Elementwise>(index), rows, cols, layout, label);
        }
      }
    }
  }
}

}  // namespace backpass::kernels::testing
