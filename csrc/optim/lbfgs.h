// L-BFGS: minimises a function of many variables by its gradient (Nocedal and Wright 2006, algorithms 7.4 and 7.5).
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "backpass/optimizers.h"

namespace backpass {

// The steps made last, and how the gradient changed over them: what is known of the curvature.
class CurvaturePairs {
 public:
  CurvaturePairs(std::size_t pairs, std::size_t n);
  // Takes the place of the oldest where there are as many as there may be.
  void push(std::span<const double> step, std::span<const double> change);
  void clear() { count_ = 0; }
  bool empty() const { return count_ == 0; }
  // -H gradient, with H the approximation of the inverse Hessian; -gradient where nothing is known.
  void direction(std::span<const double> gradient, std::span<double> out);

 private:
  std::span<double> part(std::vector<double>& of, std::size_t i) { return std::span(of).subspan(i * n_, n_); }
  std::size_t slot(std::size_t age) const { return (next_ + capacity_ - age) % capacity_; }  // 1: the last one

  std::size_t capacity_, n_, count_ = 0, next_ = 0;
  std::vector<double> steps_, changes_;             // (pairs, n)
  std::vector<double> inverse_products_, weights_;  // by pair: 1 / (step . change); of the two loops
};

// All vectors are float64 and allocated at the start. Sums are taken in one order, on one thread: the same bits always.
class LbfgsMinimizer {
 public:
  // The value at x, and its gradient into `gradient`. Where one of them is not finite, x is out of reach.
  using Function = std::function<double(std::span<const double> x, std::span<double> gradient)>;

  // Evaluates at `start`.
  LbfgsMinimizer(const LBFGS& settings, std::vector<double> start, Function function);

  // Goes one step on. False where a line search finds none, along the gradient neither: x stays where it is.
  bool iterate();
  // Whether the last step, or the start, ended within the tolerances.
  bool converged() const { return converged_; }
  std::span<const double> x() const { return x_; }
  double value() const { return value_; }
  bool gradient_is_finite() const;
  // Whether a step against the gradient lowers the value by more than `margin`.
  bool falls(double margin);

 private:
  bool search(double first);
  double length_one() const;  // the step along direction_ whose length is 1
  double evaluate(double step);
  double wall(double step);
  void accept(double step, double value);

  LBFGS settings_;
  Function function_;
  std::vector<double> x_, gradient_, direction_, trial_x_, trial_gradient_, change_;
  CurvaturePairs pairs_;
  double value_ = 0, slope_ = 0;
  double trial_slope_ = 0;
  bool begun_ = false, converged_ = false;
};

}  // namespace backpass
