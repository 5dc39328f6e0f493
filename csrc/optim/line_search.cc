// The line search of More and Thuente, "Line search algorithms with guaranteed sufficient decrease" (1994).
#include "optim/line_search.h"

#include <algorithm>
#include <cmath>

namespace backpass {
namespace {

constexpr double kLongest = 1e10;                    // step
constexpr double kSmallestInterval = 0.1;            // relative to its upper end
constexpr double kGrowthLow = 1.1, kGrowthHigh = 4;  // of a step that is still going down
constexpr double kShrink = 0.66;                     // an interval that shrinks more slowly is halved

// The square root of the discriminant of a cubic, scaled against overflow.
double cubic_root(double theta, double a, double b) {
  const double scale = std::max({std::fabs(theta), std::fabs(a), std::fabs(b)});
  if (scale == 0) return 0;
  return scale * std::sqrt(std::max(0.0, (theta / scale) * (theta / scale) - (a / scale) * (b / scale)));
}

// The minimizer of the cubic with the values and slopes of both.
double cubic_minimizer(const LinePoint& a, const LinePoint& b) {
  const double theta = 3 * (a.value - b.value) / (b.step - a.step) + a.slope + b.slope;
  const double root = cubic_root(theta, a.slope, b.slope), gamma = b.step < a.step ? -root : root;
  return a.step + (gamma - a.slope + theta) / (gamma - a.slope + gamma + b.slope) * (b.step - a.step);
}

// Of the parabola with the value of both and the slope of a.
double parabola_minimizer(const LinePoint& a, const LinePoint& b) {
  return a.step + a.slope / ((a.value - b.value) / (b.step - a.step) + a.slope) / 2 * (b.step - a.step);
}

// Of the parabola with both slopes.
double secant_minimizer(const LinePoint& a, const LinePoint& b) {
  return b.step + b.slope / (b.slope - a.slope) * (a.step - b.step);
}

// Where the slopes fall towards b: the cubic may have no minimum beyond b, which is then at the end of the interval.
double cubic_beyond(const LinePoint& a, const LinePoint& b, double least, double most) {
  const double theta = 3 * (a.value - b.value) / (b.step - a.step) + a.slope + b.slope;
  const double root = cubic_root(theta, a.slope, b.slope), gamma = b.step > a.step ? -root : root;
  const double part = (gamma - b.slope + theta) / (gamma + (a.slope - b.slope) + gamma);
  if (part < 0 && gamma != 0) return b.step + part * (a.step - b.step);
  return b.step > a.step ? most : least;
}

bool turns(const LinePoint& a, const LinePoint& b) { return b.slope * std::copysign(1.0, a.slope) < 0; }

double nearer(double to, double a, double b) { return std::fabs(a - to) < std::fabs(b - to) ? a : b; }
double farther(double to, double a, double b) { return std::fabs(a - to) > std::fabs(b - to) ? a : b; }

}  // namespace

LineSearch::LineSearch(const LinePoint& start, double first)
    : start_(start),
      best_(start),
      other_(start),
      step_(std::min(first, kLongest)),
      most_(step_ + kGrowthHigh * step_),
      width_(kLongest),
      width_before_(2 * kLongest) {}

bool LineSearch::accepts(const LinePoint& trial) const {
  if (trial.value > start_.value + trial.step * kDecrease * start_.slope) return false;
  return std::fabs(trial.slope) <= -kCurvature * start_.slope || trial.step >= kLongest;
}

// The function less the line of sufficient decrease.
LinePoint LineSearch::lowered(const LinePoint& point) const {
  const double line = kDecrease * start_.slope;
  return {point.step, point.value - point.step * line, point.slope - line};
}

// Chooses step_ by the four cases of section 4, and tells whether the minimum is bracketed.
void LineSearch::choose(const LinePoint& best, const LinePoint& other, const LinePoint& trial) {
  if (trial.value > best.value) {  // there is a minimum between the two
    const double cubic = cubic_minimizer(best, trial), parabola = parabola_minimizer(best, trial);
    const bool near = std::fabs(cubic - best.step) < std::fabs(parabola - best.step);
    step_ = near ? cubic : cubic + (parabola - cubic) / 2;
    bracketed_ = true;
  } else if (turns(best, trial)) {  // likewise
    step_ = farther(trial.step, cubic_minimizer(trial, best), secant_minimizer(best, trial));
    bracketed_ = true;
  } else if (std::fabs(trial.slope) < std::fabs(best.slope)) {  // it is beyond, not far
    const double cubic = cubic_beyond(best, trial, least_, most_), secant = secant_minimizer(best, trial);
    if (bracketed_) {
      const double limit = trial.step + kShrink * (other.step - trial.step), near = nearer(trial.step, cubic, secant);
      step_ = trial.step > best.step ? std::min(limit, near) : std::max(limit, near);
    } else {
      step_ = std::clamp(farther(trial.step, cubic, secant), least_, most_);
    }
  } else if (bracketed_) {  // it is beyond, nobody knows how far
    step_ = cubic_minimizer(trial, other);
  } else {
    step_ = trial.step > best.step ? most_ : least_;
  }
}

void LineSearch::keep(const LinePoint& trial, bool higher, bool turned) {
  if (higher) {
    other_ = trial;
    return;
  }
  if (turned) other_ = best_;
  best_ = trial;
}

// Between which steps the next but one lies; an interval that shrinks too slowly is halved.
void LineSearch::limit() {
  if (!bracketed_) {
    least_ = step_ + kGrowthLow * (step_ - best_.step);
    most_ = step_ + kGrowthHigh * (step_ - best_.step);
    return;
  }
  const double width = std::fabs(other_.step - best_.step);
  if (width >= kShrink * width_before_) step_ = best_.step + (other_.step - best_.step) / 2;
  width_before_ = width_;
  width_ = width;
  least_ = std::min(best_.step, other_.step);
  most_ = std::max(best_.step, other_.step);
}

bool LineSearch::advance(const LinePoint& trial) {
  const bool decreased = trial.value <= start_.value + trial.step * kDecrease * start_.slope;
  if (decreased && trial.slope >= 0) first_stage_ = false;
  // In the first stage what is minimised is the function less the line of sufficient decrease.
  const bool lower = first_stage_ && trial.value <= best_.value && !decreased;
  const auto seen = [&](const LinePoint& point) { return lower ? lowered(point) : point; };
  const LinePoint best = seen(best_), now = seen(trial);
  choose(best, seen(other_), now);
  keep(trial, now.value > best.value, turns(best, now));
  limit();
  step_ = std::clamp(step_, 0.0, kLongest);
  if (!bracketed_) return std::isfinite(step_);
  return step_ > least_ && step_ < most_ && most_ - least_ > kSmallestInterval * most_;
}

}  // namespace backpass
