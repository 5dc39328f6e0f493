// L-BFGS.
#include "optim/lbfgs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "optim/line_search.h"

namespace backpass {
namespace {

constexpr double kNearer = 0.1;  // how far to go of a step that led to numbers that are not finite
constexpr int kTrialsOfFall = 12;

using Vector = std::span<const double>;

// Sums side by side, always the same ones: fast, and the same bits whoever asks.
double dot(Vector a, Vector b) {
  constexpr std::size_t kSums = 8;
  std::array<double, kSums> sums{};
  const std::size_t whole = a.size() - a.size() % kSums;
  for (std::size_t i = 0; i < whole; i += kSums)
    for (std::size_t k = 0; k < kSums; ++k) sums[k] += a[i + k] * b[i + k];
  for (std::size_t i = whole; i < a.size(); ++i) sums[i - whole] += a[i] * b[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

// y += factor x
void add(double factor, Vector x, std::span<double> y) {
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += factor * x[i];
}

void scale(double factor, std::span<double> x) {
  for (double& each : x) each *= factor;
}

double largest(Vector x) {
  double most = 0;
  for (const double each : x) most = std::max(most, std::fabs(each));
  return most;
}

bool all_finite(Vector x) {
  return std::ranges::all_of(x, [](double each) { return std::isfinite(each); });
}

}  // namespace

CurvaturePairs::CurvaturePairs(std::size_t pairs, std::size_t n)
    : capacity_(pairs), n_(n), steps_(pairs * n), changes_(pairs * n), inverse_products_(pairs), weights_(pairs) {}

void CurvaturePairs::push(Vector step, Vector change) {
  std::ranges::copy(step, part(steps_, next_).begin());
  std::ranges::copy(change, part(changes_, next_).begin());
  inverse_products_[next_] = 1 / dot(step, change);
  next_ = (next_ + 1) % capacity_;
  count_ = std::min(count_ + 1, capacity_);
}

// Two loops over the pairs; between them H is taken for a multiple of the identity.
void CurvaturePairs::direction(Vector gradient, std::span<double> out) {
  std::ranges::copy(gradient, out.begin());
  scale(-1, out);
  if (empty()) return;
  for (std::size_t age = 1; age <= count_; ++age) {
    const std::size_t i = slot(age);
    weights_[i] = inverse_products_[i] * dot(part(steps_, i), out);
    add(-weights_[i], part(changes_, i), out);
  }
  const std::size_t last = slot(1);
  scale(1 / (inverse_products_[last] * dot(part(changes_, last), part(changes_, last))), out);
  for (std::size_t age = count_; age >= 1; --age) {
    const std::size_t i = slot(age);
    add(weights_[i] - inverse_products_[i] * dot(part(changes_, i), out), part(steps_, i), out);
  }
}

LbfgsMinimizer::LbfgsMinimizer(const LBFGS& settings, std::vector<double> start, Function function)
    : settings_(settings),
      function_(std::move(function)),
      x_(std::move(start)),
      gradient_(x_.size()),
      direction_(x_.size()),
      trial_x_(x_.size()),
      trial_gradient_(x_.size()),
      change_(x_.size()),
      pairs_(static_cast<std::size_t>(settings.history_size), x_.size()) {
  value_ = function_(x_, gradient_);
  converged_ = largest(gradient_) <= settings_.tolerance;
}

bool LbfgsMinimizer::gradient_is_finite() const { return all_finite(gradient_); }

double LbfgsMinimizer::length_one() const { return 1 / std::sqrt(dot(direction_, direction_)); }

// The value `step` along the direction, and the slope there.
double LbfgsMinimizer::evaluate(double step) {
  std::ranges::copy(x_, trial_x_.begin());
  add(step, direction_, trial_x_);
  const double value = function_(trial_x_, trial_gradient_);
  if (!std::isfinite(value) || !all_finite(trial_gradient_)) return wall(step);
  trial_slope_ = dot(trial_gradient_, direction_);
  return value;
}

// In place of what is not finite: a parabola over the line, lowest at kNearer of the way. A line search interpolates:
// it goes there next.
double LbfgsMinimizer::wall(double step) {
  const double steep = 1 / kNearer - 1;
  trial_slope_ = -steep * slope_;
  return value_ - (steep - 1) / 2 * slope_ * step;
}

bool LbfgsMinimizer::search(double first) {
  slope_ = dot(gradient_, direction_);
  if (!(slope_ < 0)) return false;
  LineSearch line({0, value_, slope_}, first);
  for (std::int64_t i = 0; i < settings_.max_line_search; ++i) {
    const double step = line.step(), value = evaluate(step);
    const LinePoint trial{step, value, trial_slope_};
    if (line.accepts(trial)) return accept(step, value), true;
    if (line.advance(trial)) continue;
    const double best = line.best().step;  // as good as it gets
    if (best == 0) return false;
    return accept(best, best == step ? value : evaluate(best)), true;
  }
  return false;
}

bool LbfgsMinimizer::iterate() {
  pairs_.direction(gradient_, direction_);
  if (search(begun_ ? 1 : length_one())) return true;
  if (pairs_.empty()) return false;
  pairs_.clear();  // what was known of the curvature has misled
  pairs_.direction(gradient_, direction_);
  return search(std::min(1.0, length_one()));
}

// What was evaluated last, `step` along the direction, is where it goes on from.
void LbfgsMinimizer::accept(double step, double value) {
  std::ranges::copy(trial_gradient_, change_.begin());
  add(-1, gradient_, change_);
  scale(step, direction_);
  // A function that bends the other way here says nothing of the inverse.
  if (dot(direction_, change_) > std::numeric_limits<double>::epsilon() * -slope_ * step)
    pairs_.push(direction_, change_);
  const double fall = value_ - value, size = std::max({std::fabs(value_), std::fabs(value), 1.0});
  std::swap(x_, trial_x_);
  std::swap(gradient_, trial_gradient_);
  value_ = value;
  begun_ = true;
  converged_ = largest(gradient_) <= settings_.tolerance || fall <= settings_.tolerance_change * size;
}

bool LbfgsMinimizer::falls(double margin) {
  const double size = largest(gradient_);
  if (size == 0) return false;
  for (int i = 0; i < kTrialsOfFall; ++i) {
    std::ranges::copy(x_, trial_x_.begin());
    add(-std::pow(10.0, -i) / size, gradient_, trial_x_);
    if (function_(trial_x_, trial_gradient_) < value_ - margin) return true;
  }
  return false;
}

}  // namespace backpass
