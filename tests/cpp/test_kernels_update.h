// The sweeps of optimizers, and what is asked of gradients, against plain loops.
#pragma once

#include <functional>

#include "kernel_testing.h"

namespace backpass::kernels::testing {

// The formulas in T itself, in the order that they are written: results must agree to the bit.
template <class T>
void test_sgd(const Kernels<T>& kernels, Size n, Numbers& numbers, const std::string& label) {
  for (int variant = 0; variant < 6; ++variant) {
    const bool nesterov = variant & 1, momentum = variant >= 2;
    const UpdateSettings settings{.weight_decay = variant >= 4 ? 0.01 : 0.0,
                                  .beta1 = momentum ? 0.9 : 0.0,
                                  .fresh1 = variant == 4 ? 0.75 : 1.0,
                                  .nesterov = nesterov,
                                  .step_size = 0.1};
    Guarded<T> w(n), g(n), v(n);
    numbers.fill(w), numbers.fill(g), numbers.fill(v);
    std::vector<T> want_w(w.data(), w.data() + n), want_v(v.data(), v.data() + n);
    for (Size i = 0; i < n; ++i) {
      const std::size_t s = static_cast<std::size_t>(i);
      volatile T product = static_cast<T>(settings.weight_decay) * want_w[s];
      T update = settings.weight_decay != 0 ? g[i] + product : g[i];
      if (momentum) {
        product = static_cast<T>(settings.beta1) * want_v[s];
        const volatile T fresh = static_cast<T>(settings.fresh1) * update;
        want_v[s] = product + fresh;
        product = static_cast<T>(settings.beta1) * want_v[s];
        update = nesterov ? update + product : want_v[s];
      }
      product = static_cast<T>(settings.step_size) * update;
      want_w[s] = want_w[s] - product;
    }
    kernels.update[static_cast<int>(UpdateRule::sgd)](
        in_place(w.data()), g.data(), momentum ? in_place(v.data()) : Updated<T>(), {}, {}, settings, n);
    bool good = true;
    for (Size i = 0; i < n; ++i) {
      good = good && w[i] == want_w[static_cast<std::size_t>(i)] && v[i] == want_v[static_cast<std::size_t>(i)];
    }
    check(good, label + "sgd " + std::to_string(variant) + " n " + std::to_string(n));
  }
}

// One parameter and its state, which a step changes.
template <class W>
struct Element {
  W w, g, a, b, c;
};

// A rule as it is written; g has the coupled decay already, w the decoupled one.
template <class W>
struct Formula {
  const char* name;
  UpdateRule rule;
  int slots;  // bit i: state i
  void (*step)(Element<W>& e, const UpdateSettings& s);
};

template <class W>
void moments(Element<W>& e, const UpdateSettings& s) {
  e.a = s.beta1 * e.a + s.fresh1 * e.g;
  e.b = s.beta2 * e.b + s.fresh2 * e.g * e.g;
}

template <class W>
W divisor(W square, const UpdateSettings& s) {
  return std::sqrt(square) / s.root + s.eps;
}

template <class W>
void rmsprop(Element<W>& e, const UpdateSettings& s, bool momentum, bool centered) {
  e.a = s.beta2 * e.a + s.fresh2 * e.g * e.g;
  if (centered) e.c = s.beta2 * e.c + s.fresh2 * e.g;
  const W square = centered ? std::fmax(W{0}, e.a - e.c * e.c) : e.a, d = e.g / (std::sqrt(square) + s.eps);
  if (momentum) e.b = s.beta1 * e.b + d;
  e.w -= s.step_size * (momentum ? e.b : d);
}

template <class W>
const Formula<W> kFormulas[] = {
    {"adam", UpdateRule::adam, 3,
     [](Element<W>& e, const UpdateSettings& s) { moments(e, s), e.w -= s.step_size * e.a / divisor(e.b, s); }},
    {"amsgrad", UpdateRule::amsgrad, 7,
     [](Element<W>& e, const UpdateSettings& s) {
       moments(e, s);
       e.c = std::fmax(e.c, e.b);
       e.w -= s.step_size * e.a / divisor(e.c, s);
     }},
    {"nadam", UpdateRule::nadam, 3,
     [](Element<W>& e, const UpdateSettings& s) {
       moments(e, s);
       e.w -= (s.step_size * e.a + s.gradient_step * e.g) / divisor(e.b, s);
     }},
    {"radam", UpdateRule::radam, 3,
     [](Element<W>& e, const UpdateSettings& s) {
       moments(e, s);
       e.w -= s.step_size * e.a / (s.rectified ? divisor(e.b, s) : W{1});
     }},
    {"rmsprop", UpdateRule::rmsprop, 1, [](Element<W>& e, const UpdateSettings& s) { rmsprop(e, s, false, false); }},
    {"rmsprop, momentum", UpdateRule::rmsprop, 3,
     [](Element<W>& e, const UpdateSettings& s) { rmsprop(e, s, true, false); }},
    {"rmsprop, centered", UpdateRule::rmsprop, 5,
     [](Element<W>& e, const UpdateSettings& s) { rmsprop(e, s, false, true); }},
    {"rmsprop, both", UpdateRule::rmsprop, 7,
     [](Element<W>& e, const UpdateSettings& s) { rmsprop(e, s, true, true); }},
    {"adadelta", UpdateRule::adadelta, 3,
     [](Element<W>& e, const UpdateSettings& s) {
       e.a = s.beta2 * e.a + s.fresh2 * e.g * e.g;
       const W d = std::sqrt(e.b + s.eps) / std::sqrt(e.a + s.eps) * e.g;
       e.b = s.beta2 * e.b + s.fresh2 * d * d;
       e.w -= s.step_size * d;
     }},
    {"adamax", UpdateRule::adamax, 3,
     [](Element<W>& e, const UpdateSettings& s) {
       e.a = s.beta1 * e.a + s.fresh1 * e.g;
       e.b = std::fmax(s.beta2 * e.b, std::fabs(e.g) + s.eps);
       e.w -= s.step_size * e.a / e.b;
     }},
    {"lion", UpdateRule::lion, 1,
     [](Element<W>& e, const UpdateSettings& s) {
       const W ahead = s.beta1 * e.a + s.fresh1 * e.g;
       e.w -= s.step_size * static_cast<W>((ahead > 0) - (ahead < 0));
       e.a = s.beta2 * e.a + s.fresh2 * e.g;
     }},
};

template <class T>
void test_formula(const Kernels<T>& kernels, const Formula<Wide<T>>& formula, const UpdateSettings& settings, Size n,
                  Numbers& numbers, const std::string& label) {
  Guarded<T> w(n), g(n), a(n), b(n), c(n);
  for (Guarded<T>* array : {&w, &g, &a, &b, &c}) numbers.fill(*array);
  std::vector<Element<Wide<T>>> want;
  for (Size i = 0; i < n; ++i) {
    // Squares, where they are: more than those of a mean.
    if (formula.rule != UpdateRule::lion) a[i] = 1 + std::fabs(a[i]), b[i] = std::fabs(b[i]);
    Element<Wide<T>> e{w[i], g[i], a[i], b[i], c[i]};
    if (settings.decoupled)
      e.w *= settings.shrink;
    else
      e.g += settings.weight_decay * e.w;
    formula.step(e, settings);
    want.push_back(e);
  }
  const auto slot = [&](int i, Guarded<T>& state) {
    return formula.slots >> i & 1 ? in_place(state.data()) : Updated<T>();
  };
  kernels.update[static_cast<int>(formula.rule)](in_place(w.data()), g.data(), slot(0, a), slot(1, b), slot(2, c),
                                                 settings, n);
  bool good = true;
  for (Size i = 0; i < n; ++i) {
    const Element<Wide<T>>& e = want[static_cast<std::size_t>(i)];
    const double limit = 64 * epsilon<T>();
    good = good && close(w[i], e.w, limit) && close(a[i], e.a, limit) && close(b[i], e.b, limit) &&
           close(c[i], e.c, limit);
  }
  check(good, label + formula.name + " n " + std::to_string(n));
}

template <class T>
void test_formulas(const Kernels<T>& kernels, Size n, Numbers& numbers, const std::string& label) {
  for (const Formula<Wide<T>>& formula : kFormulas<Wide<T>>)
    for (int variant = 0; variant < 3; ++variant) {
      UpdateSettings settings{.learning_rate = 0.01,
                              .weight_decay = variant > 0 ? 0.1 : 0,
                              .beta1 = 0.6,
                              .fresh1 = 0.4,
                              .beta2 = 0.96,
                              .fresh2 = 0.04,
                              .eps = 1e-2,
                              .step_size = 0.02,
                              .gradient_step = 0.005,
                              .root = 0.5,
                              .rectified = variant != 1};
      const bool decouples = formula.rule <= UpdateRule::radam && formula.rule != UpdateRule::sgd;
      settings.shrink = 1 - settings.learning_rate * settings.weight_decay;
      settings.decoupled = formula.rule == UpdateRule::lion || (decouples && variant == 2);
      test_formula(kernels, formula, settings, n, numbers, label);
    }
}

template <class T>
void test_clipping(const Kernels<T>& kernels, Size n, Numbers& numbers, const std::string& label) {
  Guarded<T> x(n);
  numbers.fill(x);
  const std::vector<T> before(x.data(), x.data() + n);
  double squares = 0;
  for (T value : before) squares += static_cast<double>(value) * static_cast<double>(value);
  bool good = close(kernels.sum_of_squares(x.data(), n), squares, 1e-14 * static_cast<double>(n));
  kernels.clamp(x.data(), static_cast<T>(0.25), n);
  for (Size i = 0; i < n; ++i) {
    const T was = before[static_cast<std::size_t>(i)], limit = static_cast<T>(0.25);
    good = good && x[i] == (was > limit ? limit : was < -limit ? -limit : was);
    x[i] = std::numeric_limits<T>::quiet_NaN();
  }
  kernels.clamp(x.data(), static_cast<T>(0.25), n);
  for (Size i = 0; i < n; ++i) good = good && std::isnan(x[i]);
  check(good, label + "clipping " + std::to_string(n));
}

inline float from_bits(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// Every upper half of a float, with lower halves on either side of a tie.
template <class T>
void test_rounding_to_bfloat16(const Kernels<T>& kernels, const std::string& label) {
  constexpr Size n = 65536;
  Guarded<T> x(n), back(n);
  Guarded<std::uint16_t> y(n);
  bool good = true;
  for (const std::uint32_t low : {0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF}) {
    for (Size i = 0; i < n; ++i) x[i] = static_cast<T>(from_bits(static_cast<std::uint32_t>(i) << 16 | low));
    kernels.narrow(y.data(), x.data(), n);
    kernels.widen(back.data(), y.data(), n);
    for (Size i = 0; i < n; ++i) {
      const bool up = low > 0x8000 || (low == 0x8000 && i % 2 == 1);
      good = good && (std::isnan(x[i]) ? std::isnan(back[i]) : y[i] == static_cast<std::uint16_t>(i + (up ? 1 : 0)));
    }
  }
  check(good, label + "rounding to bfloat16");
}

template <class T>
void test_bfloat16(const Kernels<T>& kernels, Size n, const std::string& label) {
  Guarded<T> x(n), back(n);
  Guarded<std::uint16_t> y(n);
  for (Size i = 0; i < n; ++i) x[i] = static_cast<T>(i) - 7;
  kernels.narrow(y.data(), x.data(), n);
  kernels.widen(back.data(), y.data(), n);
  bool good = true;
  for (Size i = 0; i < n; ++i) good = good && x[i] == back[i];
  check(good, label + "bfloat16 " + std::to_string(n));
}

template <class T>
void test_int8(const Kernels<T>& kernels, Size n, const std::string& label) {
  Guarded<T> x(n), back(n);
  Guarded<std::int8_t> y(n);
  Guarded<float> scale((n + kInt8Group - 1) / kInt8Group);
  for (Size i = 0; i < n; ++i) x[i] = i % kInt8Group == 0 ? T(-254) : static_cast<T>(2 * (i % 127) - 60);
  kernels.narrow_int8(y.data(), scale.data(), x.data(), n);
  kernels.widen_int8(back.data(), y.data(), scale.data(), n);
  bool good = true;
  for (Size i = 0; i < n; ++i) good = good && x[i] == back[i];
  check(good, label + "int8 " + std::to_string(n));
}

template <class T>
void test_finite(const Kernels<T>& kernels, Size n, Numbers& numbers, const std::string& label) {
  Guarded<T> x(n);
  constexpr T kMost = std::numeric_limits<T>::max();
  for (Size i = 0; i < n; ++i) x[i] = i % 3 ? kMost : -kMost;
  bool good = kernels.sum_is_finite(x.data(), T(0), n);
  for (Size i = 0; i < n; ++i) {
    const T kept = x[i];
    x[i] = i % 2 ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::quiet_NaN();
    good = good && !kernels.sum_is_finite(x.data(), T(0), n);
    x[i] = kept;
  }
  numbers.fill(x);
  good = good && kernels.sum_is_finite(x.data(), kMost / static_cast<T>(8 * n + 8), n);
  for (Size i = 0; i < n; ++i) x[i] = -1;  // sums as far below zero as may be
  for (Size i = 0; i < n; ++i) {
    x[i] = 4 * static_cast<T>(n);
    good = good && !kernels.sum_is_finite(x.data(), kMost / static_cast<T>(2 * n), n);
    x[i] = -1;
  }
  check(good, label + "sum_is_finite " + std::to_string(n));
}

template <class T>
void test_updates(const Kernels<T>& kernels, const std::string& label) {
  Numbers numbers;
  const Size v = kernels.vector;
  for (Size n : {Size{0}, Size{1}, v - 1, v, v + 1, Size{37}}) {
    test_sgd(kernels, n, numbers, label);
    test_formulas(kernels, n, numbers, label);
    test_clipping(kernels, n, numbers, label);
    test_finite(kernels, n, numbers, label);
    test_bfloat16(kernels, n, label);
    test_int8(kernels, n, label);
    test_int8(kernels, n + kInt8Group, label);
  }
  test_rounding_to_bfloat16(kernels, label);
}

}  // namespace backpass::kernels::testing
