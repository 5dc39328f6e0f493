// Schedules, one function each.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "backpass/schedules.h"
#include "nn/attributes.h"
#include "nn/make.h"

namespace backpass {
namespace {

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

Schedule make_schedule(const std::string& type, const Attributes& attributes) {
  const std::string per = get<std::string>(attributes, "per", "step");
  if (per != "step" && per != "epoch") fail(type, "per must be one of step, epoch, got \"", per, '"');
  const ScheduleOptions options{get<std::int64_t>(attributes, "warmup", 0), per == "epoch" ? Per::epoch : Per::step};
  return make_of<Schedule>(ScheduleTypes{}, "schedule", type, attributes,
                           [&](auto description) { return Schedule(description, options); });
}

Fields StepDecay::fields() {
  return {{"every", &every, "how many steps (or epochs) the rate stays the same", kCount},
          {"gamma", &gamma, "what it is multiplied by then", kAboveZero}};
}

double StepDecay::factor(double t) const { return std::pow(gamma, std::floor(t / static_cast<double>(every))); }

Fields MultiStepDecay::fields() {
  return {{"milestones", &milestones, "when the rate falls"},
          {"gamma", &gamma, "what it is multiplied by then", kAboveZero}};
}

void MultiStepDecay::check() const {
  for (std::size_t i = 0; i < milestones.size(); ++i)
    if (milestones[i] <= (i == 0 ? 0 : milestones[i - 1]))
      fail("MultiStepDecay", "milestones must be positive and rise, got ", milestones[i], " at ", i);
}

double MultiStepDecay::factor(double t) const {
  const auto passed = std::upper_bound(milestones.begin(), milestones.end(), t,
                                       [](double at, std::int64_t m) { return at < static_cast<double>(m); });
  return std::pow(gamma, static_cast<double>(passed - milestones.begin()));
}

Fields ExponentialDecay::fields() {
  return {{"gamma", &gamma, "what the rate is multiplied by at every step (or epoch)", kAboveZero}};
}

double ExponentialDecay::factor(double t) const { return std::pow(gamma, t); }

Fields CosineAnnealing::fields() {
  return {{"steps", &steps, "how many steps (or epochs) the way down takes", kCount},
          {"minimum", &minimum, "the lowest factor", kPart},
          {"restarts", &restarts, "whether it begins anew"},
          {"multiplier", &multiplier, "how much longer each period is than the one before", kCount}};
}

void CosineAnnealing::check() const {
  if (multiplier > 1 && !restarts) fail("CosineAnnealing", "multiplier needs restarts");
}

double CosineAnnealing::factor(double t) const {
  double period = static_cast<double>(steps);
  if (!restarts) return between(1, minimum, half_cosine(std::min(t / period, 1.0)));
  if (multiplier == 1) t = std::fmod(t, period);
  for (; t >= period; period *= static_cast<double>(multiplier)) t -= period;
  return between(1, minimum, half_cosine(t / period));
}

Fields OneCycle::fields() {
  return {
      {"steps", &steps, "how many steps (or epochs) the whole cycle takes", kCount},
      {"pct_start", &pct_start, "the part of them on the way up", kPart},
      {"anneal_strategy", &anneal_strategy, "along a half cosine, \"cos\", or a line, \"linear\"", {"cos", "linear"}},
      {"div_factor", &div_factor, "how many times smaller than the highest rate the first one is", kAboveZero},
      {"final_div_factor", &final_div_factor, "how many times smaller than the first rate the last one is",
       kAboveZero}};
}

double OneCycle::factor(double t) const {
  const double peak = pct_start * static_cast<double>(steps) - 1, last = static_cast<double>(steps) - 1;
  const auto anneal = [&](double from, double to, double part) {
    return between(from, to, anneal_strategy == "cos" ? half_cosine(part) : 1 - part);
  };
  if (t <= peak && peak > 0) return anneal(1 / div_factor, 1, t / peak);
  return anneal(1, 1 / (div_factor * final_div_factor), t < last ? (t - peak) / (last - peak) : 1.0);
}

Fields PolynomialDecay::fields() {
  return {{"steps", &steps, "how many steps (or epochs) the way down takes", kCount},
          {"power", &power, "1 is a line", kAboveZero},
          {"minimum", &minimum, "the lowest factor", kPart}};
}

double PolynomialDecay::factor(double t) const {
  return between(1, minimum, std::pow(1 - std::min(t / static_cast<double>(steps), 1.0), power));
}

Fields InverseSquareRoot::fields() {
  return {{"steps", &steps, "how many steps (or epochs) the way up takes", kCount}};
}

double InverseSquareRoot::factor(double t) const {
  const double part = (t + 1) / static_cast<double>(steps);
  return std::min(part, 1 / std::sqrt(part));
}

Fields FlatCosine::fields() {
  return {{"steps", &steps, "how many steps (or epochs) all of it takes", kCount},
          {"flat", &flat, "the part of them in which the factor is 1", kBelowOne}};
}

double FlatCosine::factor(double t) const {
  const double part = (t / static_cast<double>(steps) - flat) / (1 - flat);
  return half_cosine(std::clamp(part, 0.0, 1.0));
}

Fields LogCosine::fields() {
  return {{"steps", &steps, "how many steps (or epochs) all cycles take", kCount},
          {"cycles", &cycles, "from 0 to 1 and back", {"from 1 to 30", 1, 30}}};
}

double LogCosine::factor(double t) const {
  const double part = std::min(t / static_cast<double>(steps), 1.0);
  const double cycle = std::log2(1 + (std::ldexp(1.0, static_cast<int>(cycles)) - 1) * part);
  return half_cosine(2 * cycle + 1);
}

}  // namespace backpass
