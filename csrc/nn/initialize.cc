// Initializers: Glorot and Bengio 2010, He et al. 2015, LeCun et al. 1998, Saxe et al. 2014 (orthogonal).
#include "nn/initialize.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/philox.h"
#include "nn/activation.h"

namespace backpass {
namespace {

struct Fans {
  double in, out;
};

// Of (out, ..., in): filters (out, kernel height, kernel width, in) read, and are read by, so many pixels.
Fans fans_of(const Shape& shape) {
  double pixels = 1;
  for (std::size_t i = 1; i + 1 < shape.size(); ++i) pixels *= static_cast<double>(std::max<Dim>(1, shape[i]));
  const auto at_least_one = [](Dim dim) { return static_cast<double>(std::max<Dim>(1, dim)); };
  return shape.empty() ? Fans{1, 1} : Fans{at_least_one(shape.back()) * pixels, at_least_one(shape[0]) * pixels};
}

struct Rule {
  const char* name;
  double (*variance)(const Fans& fans);
  bool normal;
};

constexpr Rule kRules[] = {
    {"glorot_uniform", [](const Fans& f) { return 2 / (f.in + f.out); }, false},
    {"glorot_normal", [](const Fans& f) { return 2 / (f.in + f.out); }, true},
    {"he_uniform", [](const Fans& f) { return 2 / f.in; }, false},
    {"he_normal", [](const Fans& f) { return 2 / f.in; }, true},
    {"lecun_uniform", [](const Fans& f) { return 1 / f.in; }, false},
    {"lecun_normal", [](const Fans& f) { return 1 / f.in; }, true},
    {"normal", [](const Fans&) { return 1.0; }, true},
};

constexpr const char* kForgotten = "forgotten";
constexpr const char* kOrthogonal = "orthogonal";
constexpr Dim kUnasked = 65536;  // numbers that are drawn before it is asked whether to go on

const Rule* find_rule(const std::string& name) {
  for (const Rule& rule : kRules)
    if (name == rule.name) return &rule;
  return nullptr;
}

// Several sums side by side, so that additions do not wait for each other.
double dot(const double* a, const double* b, Dim n) {
  constexpr Dim kSums = 8;
  double sums[kSums] = {}, total = 0;
  const Dim even = n / kSums * kSums;
  for (Dim i = 0; i < even; i += kSums)
    for (Dim k = 0; k < kSums; ++k) sums[k] += a[i + k] * b[i + k];
  for (Dim i = even; i < n; ++i) total += a[i] * b[i];
  for (const double sum : sums) total += sum;
  return total;
}

// v less its part along each of the `count` rows q (count, n), which are orthonormal.
void remove_parts(double* v, const double* q, Dim count, Dim n) {
  for (Dim row = 0; row < count; ++row, q += n) {
    const double along = dot(v, q, n);
    for (Dim i = 0; i < n; ++i) v[i] -= along * q[i];
  }
}

// (count, n) with count <= n: orthonormal rows, every such set as likely as any other (Gram and Schmidt on normal
// numbers). Twice is enough: what rounding leaves after the first round is gone after the second.
std::vector<double> orthonormal_rows(Dim count, Dim n, RandomSequence& random) {
  std::vector<double> q(static_cast<std::size_t>(count * n));
  for (Dim row = 0; row < count; ++row) {
    ask_interrupt();
    for (Dim i = 0; i < n; ++i) q[static_cast<std::size_t>(row * n + i)] = random.normal();
  }
  for (Dim row = 0; row < count; ++row) {
    ask_interrupt();
    double* v = q.data() + row * n;
    for (int round = 0; round < 2; ++round) remove_parts(v, q.data(), row, n);
    const double norm = std::sqrt(dot(v, v, n));
    for (Dim i = 0; i < n; ++i) v[i] /= norm;
  }
  return q;
}

// Orthonormal rows where there are at most as many as columns, else orthonormal columns; times the gain.
template <class T>
void fill_orthogonal(T* values, Dim rows, Dim cols, double gain, RandomSequence& random) {
  const bool wide = rows <= cols;
  const std::vector<double> q = orthonormal_rows(wide ? rows : cols, wide ? cols : rows, random);
  for (Dim i = 0; i < rows; ++i)
    for (Dim j = 0; j < cols; ++j)
      values[i * cols + j] = static_cast<T>(gain * q[static_cast<std::size_t>(wide ? i * cols + j : j * rows + i)]);
}

template <class T>
void fill_by_hand(T* values, const Shape& shape, const Initializer& initializer, std::uint64_t seed,
                  std::uint32_t index) {
  std::vector<double> drawn(static_cast<std::size_t>(element_count(shape)));
  initializer.fill(drawn, shape, seed ^ (index + 1) * 0x9e3779b97f4a7c15u);  // a seed of its own for each parameter
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const double value = drawn[i] * initializer.gain;
    values[i] = static_cast<T>(value);
    if (std::isfinite(drawn[i]) && !std::isfinite(values[i]))
      fail("initializer", "must give numbers that the parameter's type holds, got ", drawn[i]);
  }
}

template <class T>
void fill(T* values, const Shape& shape, const Initializer& initializer, const Fans& fans, std::uint64_t seed,
          std::uint32_t index) {
  const Dim n = element_count(shape);
  if (initializer.fill) return fill_by_hand(values, shape, initializer, seed, index);
  RandomSequence random(seed, RandomUse::initialize, index);
  if (initializer.name == kOrthogonal) {
    const Dim rows = shape.empty() ? 1 : std::max<Dim>(1, shape[0]);
    return fill_orthogonal(values, rows, n / rows, initializer.gain, random);
  }
  const Rule* rule = find_rule(initializer.name);
  if (rule == nullptr) {
    for (Dim i = 0; i < n; ++i) values[i] = initializer.name == "ones" ? T(1) : T(0);
    return;
  }
  const double deviation = initializer.gain * std::sqrt(rule->variance(fans)), bound = deviation * std::sqrt(3.0);
  for (Dim i = 0; i < n; ++i) {
    if (i % kUnasked == 0) ask_interrupt();
    values[i] = static_cast<T>(rule->normal ? deviation * random.normal() : bound * (2 * random.uniform() - 1));
  }
}

}  // namespace

void check_initializer(const std::string& who, const Initializer& initializer) {
  const std::string& name = initializer.name;
  if (initializer.fill || name.empty() || name == "zeros" || name == "ones" || name == kOrthogonal ||
      find_rule(name) != nullptr)
    return;
  std::string names = std::string("zeros, ones, ") + kOrthogonal;
  for (const Rule& rule : kRules) names += std::string(", ") + rule.name;
  fail(who, "unknown initializer \"", name, "\"; there are ", names);
}

Initializer forgotten_initializer(double gain) {
  Initializer zeros([](std::span<double> values, const Shape&, std::uint64_t) { std::ranges::fill(values, 0.0); },
                    gain);
  zeros.name = kForgotten;
  return zeros;
}

bool is_forgotten(const Initializer& initializer) { return initializer.name == kForgotten; }

void initialize(void* values, const Shape& shape, DType dtype, const Initializer& initializer, std::uint64_t seed,
                std::uint32_t index) {
  check_initializer("parameter", initializer);
  const Fans fans = fans_of(shape);
  if (dtype == DType::float64)
    fill(static_cast<double*>(values), shape, initializer, fans, seed, index);
  else
    fill(static_cast<float*>(values), shape, initializer, fans, seed, index);
}

}  // namespace backpass
