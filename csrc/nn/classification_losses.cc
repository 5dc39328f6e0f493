// Losses of classes, from logits.
#include <cmath>
#include <limits>

#include "base/error.h"
#include "nn/loss_means.h"

namespace backpass {
namespace {

const std::vector<Dim> kLast{-1};

void check_smoothing(const char* who, double smoothing) {
  if (!(smoothing >= 0 && smoothing <= 1)) fail(who, "label_smoothing must be in [0, 1], got ", smoothing);
}

// Logits (batch, classes), and labels or rows of probabilities.
void check_classes(const char* who, const Tensor& prediction, const Tensor& target) {
  if (prediction.shape().size() != 2)
    fail(who, "prediction must be (batch, classes), got ", to_string(prediction.shape()));
  if (target.dtype() != DType::int32) check_target(who, prediction.shape(), target);
}

// A value per row beside each of its classes.
Tensor along_classes(const Tensor& per_row, const Shape& shape) {
  return broadcast_to(reshape(per_row, {kBatch, 1}), shape);
}

}  // namespace

Attributes BinaryCrossEntropy::attributes() const {
  Attributes attributes{{"label_smoothing", label_smoothing}};
  if (pos_weight) attributes.emplace_back("pos_weight", *pos_weight);
  return attributes;
}

// -log s(z) is softplus(-z), and -log(1 - s(z)) is softplus(z), which neither overflow nor cancel.
Tensor BinaryCrossEntropy::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  check_smoothing("BinaryCrossEntropy", label_smoothing);
  if (pos_weight && (!(*pos_weight >= 0) || !std::isfinite(*pos_weight)))
    fail("BinaryCrossEntropy", "pos_weight must be finite and not negative, got ", *pos_weight);
  check_target("BinaryCrossEntropy", prediction.shape(), target);
  const Tensor y = label_smoothing > 0 ? target * (1 - label_smoothing) + 0.5 * label_smoothing : target;
  const Tensor positive = y * softplus(-prediction);
  return over_elements((pos_weight ? positive * *pos_weight : positive) + (1.0 - y) * softplus(prediction), weight);
}

Tensor CrossEntropy::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  check_smoothing("CrossEntropy", label_smoothing);
  check_classes("CrossEntropy", prediction, target);
  const Tensor lse = log_sum_exp(prediction);
  const double each = label_smoothing / static_cast<double>(prediction.shape()[1]);
  if (target.dtype() == DType::int32) {
    const Tensor at_label = lse - take_label(prediction, target);
    if (label_smoothing == 0) return over_rows(at_label, weight);
    return over_rows(at_label * (1 - label_smoothing) + (lse * label_smoothing - sum(prediction, kLast) * each),
                     weight);
  }
  const Tensor y = label_smoothing > 0 ? target * (1 - label_smoothing) + each : target;
  // -sum y log softmax(z) = sum(y) lse(z) - sum(y z)
  return over_rows(sum(y, kLast) * lse - sum(y * prediction, kLast), weight);
}

Attributes Focal::attributes() const {
  Attributes attributes{{"gamma", gamma}};
  if (alpha) attributes.emplace_back("alpha", *alpha);
  return attributes;
}

// With s = -log p, the power (1 - p)^gamma is exp(gamma log(1 - exp(-s))). Where p is 1 its logarithm is held at that
// of the smallest number, through which no gradient flows: the limits there are 0.
Tensor Focal::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  if (!(gamma >= 0) || !std::isfinite(gamma)) fail("Focal", "gamma must be finite and not negative, got ", gamma);
  if (alpha && (!(*alpha > 0) || !std::isfinite(*alpha)))
    fail("Focal", "alpha must be positive and finite, got ", *alpha);
  check_classes("Focal", prediction, target);
  const Tensor lse = log_sum_exp(prediction), least = like(prediction, std::numeric_limits<float>::min());
  const auto focused = [&](const Tensor& surprise) {
    return surprise * exp(log(maximum(1.0 - exp(-surprise), least)) * gamma);
  };
  const bool labels = target.dtype() == DType::int32;
  const Tensor rows = labels ? focused(lse - take_label(prediction, target))
                             : sum(target * focused(along_classes(lse, prediction.shape()) - prediction), kLast);
  return over_rows(alpha ? rows * *alpha : rows, weight);
}

}  // namespace backpass
