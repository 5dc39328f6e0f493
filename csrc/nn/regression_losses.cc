// Losses of numbers: errors, counts, and the likelihood of a normal distribution.
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "graph/op.h"
#include "nn/loss_means.h"

namespace backpass {
namespace {

constexpr double kLogTwoPi = 1.8378770664093454836;

void check_positive(const char* who, const char* name, double value) {
  if (!(value > 0) || !std::isfinite(value)) fail(who, name, " must be positive and finite, got ", value);
}

Tensor error_of(const char* who, const Tensor& prediction, const Tensor& target) {
  check_target(who, prediction.shape(), target);
  return prediction - target;
}

}  // namespace

Tensor MSE::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  return over_elements(square(error_of("MSE", prediction, target)), weight);
}

Tensor HalfMSE::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  const Tensor squares = square(error_of("HalfMSE", prediction, target));
  if (weight) return over_rows(sum(squares, all_but_rows(squares)) * 0.5, weight);
  return sum(squares) * 0.5 / count(squares, {0});
}

Tensor MAE::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  return over_elements(abs(error_of("MAE", prediction, target)), weight);
}

// With m = min(|e|, delta) both branches are m (|e| - m / 2).
Tensor Huber::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  check_positive("Huber", "delta", delta);
  const Tensor size = abs(error_of("Huber", prediction, target)), m = minimum(size, like(size, delta));
  return over_elements(m * (size - m * 0.5), weight);
}

Tensor LogCosh::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  return over_elements(log_cosh(error_of("LogCosh", prediction, target)), weight);
}

Tensor Quantile::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  if (!(q > 0 && q < 1)) fail("Quantile", "q must be between 0 and 1, got ", q);
  const Tensor error = error_of("Quantile", prediction, target);
  return over_elements(relu(-error) * q + relu(error) * (1 - q), weight);
}

Tensor Poisson::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  check_positive("Poisson", "eps", eps);
  check_target("Poisson", prediction.shape(), target);
  Tensor each = log_input ? exp(prediction) - target * prediction : prediction - target * log(prediction + eps);
  if (full) {
    const Tensor one = like(target, 1), y = maximum(target, one);
    each = each + (y * log(y) - y + (log(y) + kLogTwoPi) * 0.5) * greater(target, one);
  }
  return over_elements(each, weight);
}

Shape GaussianNLL::target_shape(const Shape& prediction) const {
  if (prediction.size() < 2 || prediction.back() < 2 || prediction.back() % 2 != 0)
    fail("GaussianNLL", "prediction must hold means and variances side by side, (batch, 2 d), got ",
         to_string(prediction));
  Shape shape = prediction;
  shape.back() /= 2;
  return shape;
}

// The clamped variance passes its gradient on, so that one that is too small can grow again.
Tensor GaussianNLL::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  check_positive("GaussianNLL", "eps", eps);
  const Shape shape = target_shape(prediction.shape());
  check_target("GaussianNLL", shape, target);
  const Dim d = shape.back();
  const Tensor means = slice(prediction, -1, 0, d), raw = slice(prediction, -1, d, 2 * d);
  const Tensor variance = stop_gradient(maximum(raw, like(raw, eps))) + (raw - stop_gradient(raw));
  const Tensor each = (log(variance) + square(means - target) / variance) * 0.5;
  return over_elements(full ? each + 0.5 * kLogTwoPi : each, weight);
}

}  // namespace backpass
