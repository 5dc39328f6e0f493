// Elementwise functions: accuracy in units of the last place over dense sweeps, and every shape of operand.
#pragma once

#include "kernel_testing.h"

namespace backpass::kernels::testing {

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

// Tolerance for one result: a few units of the result and of what it was made from.
template <class T>
double allowed(Elementwise fn, double a, double b, double want) {
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
  if (fn == Elementwise::log || fn == Elementwise::sqrt) {
    for (Size i = 0; i < a.values.size(); ++i) a.values[i] = std::fabs(a.values[i]);
  }
  const Size lda = repeat_a ? 0 : a.ld, ldb = repeat_b ? 0 : b.ld;
  const T alpha = static_cast<T>(0.3);
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
