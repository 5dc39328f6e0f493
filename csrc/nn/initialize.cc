// Initializers: Glorot and Bengio 2010, He et al. 2015, LeCun et al. 1998.
#include "nn/initialize.h"

#include <cmath>

#include "base/error.h"
#include "base/philox.h"
#include "nn/activation.h"

namespace backpass {
namespace {

struct Fans {
  double in, out;
};

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
    {"lecun_normal", [](const Fans& f) { return 1 / f.in; }, true},
};

const Rule* find_rule(const std::string& name) {
  for (const Rule& rule : kRules)
    if (name == rule.name) return &rule;
  return nullptr;
}

template <class T>
void fill(T* values, const Shape& shape, const Initializer& initializer, const Fans& fans, std::uint64_t seed,
          std::uint32_t index) {
  const Dim n = element_count(shape);
  if (initializer.fill) {
    std::vector<double> drawn(static_cast<std::size_t>(n));
    initializer.fill(drawn, shape, seed ^ (index + 1) * 0x9e3779b97f4a7c15u);
    for (Dim i = 0; i < n; ++i) values[i] = static_cast<T>(drawn[static_cast<std::size_t>(i)] * initializer.gain);
    return;
  }
  const Rule* rule = find_rule(initializer.name);
  if (rule == nullptr) {
    for (Dim i = 0; i < n; ++i) values[i] = initializer.name == "ones" ? T(1) : T(0);
    return;
  }
  RandomSequence random(seed, RandomUse::initialize, index);
  const double deviation = initializer.gain * std::sqrt(rule->variance(fans)), bound = deviation * std::sqrt(3.0);
  for (Dim i = 0; i < n; ++i)
    values[i] = static_cast<T>(rule->normal ? deviation * random.normal() : bound * (2 * random.uniform() - 1));
}

}  // namespace

void check_initializer(const std::string& who, const Initializer& initializer) {
  const std::string& name = initializer.name;
  if (initializer.fill || name.empty() || name == "zeros" || name == "ones" || find_rule(name) != nullptr) return;
  std::string names = "zeros, ones";
  for (const Rule& rule : kRules) names += std::string(", ") + rule.name;
  fail(who, "unknown initializer \"", name, "\"; there are ", names);
}

void initialize(void* values, const Shape& shape, DType dtype, const Initializer& initializer, std::uint64_t seed,
                std::uint32_t index) {
  check_initializer("parameter", initializer);
  const double last = shape.empty() ? 1 : static_cast<double>(shape.back()),
               first = shape.empty() ? 1 : static_cast<double>(shape[0]);
  const Fans fans{last > 0 ? last : 1, first > 0 ? first : 1};
  if (dtype == DType::float64)
    fill(static_cast<double*>(values), shape, initializer, fans, seed, index);
  else
    fill(static_cast<float*>(values), shape, initializer, fans, seed, index);
}

}  // namespace backpass
