// Losses of numbers: errors, counts, and the likelihood of a normal distribution.
#include <numbers>

#include "base/error.h"
#include "graph/op.h"
#include "nn/loss_means.h"

namespace backpass {
namespace {

constexpr double kLogTwoPi = 1.8378770664093454836;

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

Fields Huber::fields() { return {{"delta", &delta, "where the linear part begins", kPositive}}; }

// With m = min(|e|, delta) both branches are m (|e| - m / 2).
Tensor Huber::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  const Tensor size = abs(error_of("Huber", prediction, target)), m = minimum(size, like(size, delta));
  return over_elements(m * (size - m * 0.5), weight);
}

Tensor LogCosh::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  return over_elements(log_cosh(error_of("LogCosh", prediction, target)), weight);
}

Fields Quantile::fields() { return {{"q", &q, "which quantile", kWithin}}; }

Tensor Quantile::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  const Tensor error = error_of("Quantile", prediction, target);
  return over_elements(relu(-error) * q + relu(error) * (1 - q), weight);
}

Fields Poisson::fields() {
  return {{"log_input", &log_input, "whether the prediction p is the logarithm of the rate"},
          {"full", &full, "whether y log y - y + log(2 pi y) / 2 is added where y > 1"},
          {"eps", &eps, "keeps the logarithm of a rate of 0 finite", kPositive}};
}

Tensor Poisson::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  check_target("Poisson", prediction.shape(), target);
  Tensor each = log_input ? exp(prediction) - target * prediction : prediction - target * log(prediction + eps);
  if (full) {
    const Tensor one = like(target, 1), y = maximum(target, one);
    each = each + (y * log(y) - y + (log(y) + kLogTwoPi) * 0.5) * greater(target, one);
  }
  return over_elements(each, weight);
}

Fields GaussianNLL::fields() {
  return {{"eps", &eps, "the least variance", kPositive},
          {"full", &full, "whether the constant log(2 pi) / 2 is added"}};
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
  const Shape shape = target_shape(prediction.shape());
  check_target("GaussianNLL", shape, target);
  const Dim d = shape.back();
  const Tensor means = slice(prediction, -1, 0, d), raw = slice(prediction, -1, d, 2 * d);
  const Tensor variance = stop_gradient(maximum(raw, like(raw, eps))) + (raw - stop_gradient(raw));
  const Tensor each = (log(variance) + square(means - target) / variance) * 0.5;
  return over_elements(full ? each + 0.5 * kLogTwoPi : each, weight);
}

}  // namespace backpass
