// Schedules, one function each.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "backpass/schedules.h"
#include "base/error.h"

namespace backpass {
namespace {

void check_positive(const char* who, const char* what, std::int64_t value) {
  if (value < 1) fail(who, what, " must be positive, got ", value);
}

void check_positive(const char* who, const char* what, double value) {
  if (!(value > 0) || !std::isfinite(value)) fail(who, what, " must be finite and above 0, got ", value);
}

void check_part(const char* who, const char* what, double value) {
  if (!(value >= 0 && value <= 1)) fail(who, what, " must be between 0 and 1, got ", value);
}

// From 1 to 0 as `part` goes from 0 to 1, along half a cosine.
double half_cosine(double part) { return (1 + std::cos(std::numbers::pi * part)) / 2; }

double between(double from, double to, double share_of_from) { return to + (from - to) * share_of_from; }

}  // namespace

void Schedule::check_warmup(const std::string& who) const {
  if (options_.warmup < 0) fail(who, "warmup must not be negative, got ", options_.warmup);
}

Attributes Schedule::attributes() const {
  Attributes all = self_->attributes();
  if (options_.warmup > 0) all.emplace_back("warmup", options_.warmup);
  if (options_.per == Per::epoch) all.emplace_back("per", std::string("epoch"));
  return all;
}

double Schedule::factor(double t) const {
  const double warmup = static_cast<double>(options_.warmup);
  return t < warmup ? (t + 1) / warmup : self_->factor(t - warmup);
}

void StepDecay::check() const {
  check_positive("StepDecay", "every", every);
  check_positive("StepDecay", "gamma", gamma);
}

double StepDecay::factor(double t) const { return std::pow(gamma, std::floor(t / static_cast<double>(every))); }

Attributes MultiStepDecay::attributes() const {
  std::string list;
  for (const std::int64_t milestone : milestones) list += (list.empty() ? "" : ", ") + std::to_string(milestone);
  return {{"milestones", list}, {"gamma", gamma}};
}

void MultiStepDecay::check() const {
  check_positive("MultiStepDecay", "gamma", gamma);
  for (std::size_t i = 0; i < milestones.size(); ++i)
    if (milestones[i] <= (i == 0 ? 0 : milestones[i - 1]))
      fail("MultiStepDecay", "milestones must be positive and rise, got ", milestones[i], " at ", i);
}

double MultiStepDecay::factor(double t) const {
  const auto passed = std::upper_bound(milestones.begin(), milestones.end(), t,
                                       [](double at, std::int64_t m) { return at < static_cast<double>(m); });
  return std::pow(gamma, static_cast<double>(passed - milestones.begin()));
}

void ExponentialDecay::check() const { check_positive("ExponentialDecay", "gamma", gamma); }

double ExponentialDecay::factor(double t) const { return std::pow(gamma, t); }

void CosineAnnealing::check() const {
  check_positive("CosineAnnealing", "steps", steps);
  check_part("CosineAnnealing", "minimum", minimum);
  check_positive("CosineAnnealing", "multiplier", multiplier);
  if (multiplier > 1 && !restarts) fail("CosineAnnealing", "multiplier needs restarts");
}

double CosineAnnealing::factor(double t) const {
  double period = static_cast<double>(steps);
  if (!restarts) return between(1, minimum, half_cosine(std::min(t / period, 1.0)));
  if (multiplier == 1) t = std::fmod(t, period);
  for (; t >= period; period *= static_cast<double>(multiplier)) t -= period;
  return between(1, minimum, half_cosine(t / period));
}

void OneCycle::check() const {
  check_positive("OneCycle", "steps", steps);
  check_part("OneCycle", "pct_start", pct_start);
  check_positive("OneCycle", "div_factor", div_factor);
  check_positive("OneCycle", "final_div_factor", final_div_factor);
  if (anneal_strategy != "cos" && anneal_strategy != "linear")
    fail("OneCycle", "anneal_strategy must be cos or linear, got ", anneal_strategy);
}

double OneCycle::factor(double t) const {
  const double peak = pct_start * static_cast<double>(steps) - 1, last = static_cast<double>(steps) - 1;
  const auto anneal = [&](double from, double to, double part) {
    return between(from, to, anneal_strategy == "cos" ? half_cosine(part) : 1 - part);
  };
  if (t <= peak && peak > 0) return anneal(1 / div_factor, 1, t / peak);
  return anneal(1, 1 / (div_factor * final_div_factor), t < last ? (t - peak) / (last - peak) : 1.0);
}

void PolynomialDecay::check() const {
  check_positive("PolynomialDecay", "steps", steps);
  check_positive("PolynomialDecay", "power", power);
  check_part("PolynomialDecay", "minimum", minimum);
}

double PolynomialDecay::factor(double t) const {
  return between(1, minimum, std::pow(1 - std::min(t / static_cast<double>(steps), 1.0), power));
}

void InverseSquareRoot::check() const { check_positive("InverseSquareRoot", "steps", steps); }

double InverseSquareRoot::factor(double t) const {
  const double part = (t + 1) / static_cast<double>(steps);
  return std::min(part, 1 / std::sqrt(part));
}

}  // namespace backpass
