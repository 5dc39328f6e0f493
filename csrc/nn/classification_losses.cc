// Losses of classes, from logits.
#include <cmath>
#include <limits>

#include "base/error.h"
#include "graph/op.h"
#include "nn/loss_means.h"

namespace backpass {
namespace {

const std::vector<Dim> kLast{-1};

// Logits (batch, classes), and labels or rows of probabilities; with labels, there may be several positions (batch,
// ..., classes), each with a label.
void check_classes(const char* who, const Tensor& prediction, const Tensor& target) {
  const bool labels = target.dtype() == DType::int32;
  if (labels ? prediction.shape().size() < 2 : prediction.shape().size() != 2)
    fail(who, "prediction must be (batch, classes), or (batch, ..., classes) with a label for each position, got ",
         to_string(prediction.shape()));
  check_target(who, labels ? without_last(prediction.shape()) : prediction.shape(), target);
}

// A value per row beside each of its classes.
Tensor along_classes(const Tensor& per_row, const Shape& shape) {
  return broadcast_to(expand_dims(per_row, -1), shape);
}

}  // namespace

Fields BinaryCrossEntropy::fields() {
  return {{"label_smoothing", &label_smoothing, "a in (1 - a) y + a / 2, which takes the place of y", kFraction},
          {"pos_weight", &pos_weight, "multiplies the first term", kNotNegative}};
}

// -log s(z) is softplus(-z), and -log(1 - s(z)) is softplus(z), which neither overflow nor cancel.
Tensor BinaryCrossEntropy::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  check_target("BinaryCrossEntropy", prediction.shape(), target);
  const Tensor y = label_smoothing > 0 ? target * (1 - label_smoothing) + 0.5 * label_smoothing : target;
  const Tensor positive = expected(y, softplus(-prediction)), negative = expected(1.0 - y, softplus(prediction));
  return over_elements((pos_weight ? positive * *pos_weight : positive) + negative, weight);
}

namespace {

constexpr Range kLabel{"of 32 bits", std::numeric_limits<std::int32_t>::min(),
                       std::numeric_limits<std::int32_t>::max()};

}  // namespace

Fields CrossEntropy::fields() {
  return {{"label_smoothing", &label_smoothing,
           "a in (1 - a) y + a / classes, which takes the place of the probabilities y", kFraction},
          {"ignore_index", &ignore_index, "the label of rows to ignore", kLabel},
          {"class_weight", &class_weight, "a number for each class that multiplies its term", kNotNegative}};
}

namespace {

void check_class_weight(const std::vector<double>& weights, Dim classes, DType dtype) {
  if (!weights.empty() && static_cast<Dim>(weights.size()) != classes)
    fail("CrossEntropy", "class_weight must have a number for each of ", classes, " classes, got ", weights.size());
  for (const double w : weights)
    if (!weight_fits(w, dtype)) fail("CrossEntropy", "class_weight ", out_of_range(dtype), w, kScaleWeights);
}

// The weight of each class, or 1, beside each of the logits.
Tensor weights_of_classes(const CrossEntropy& loss, const Tensor& logits) {
  if (loss.class_weight.empty()) return broadcast_to(like(logits, 1), logits.shape());
  return broadcast_to(constant(loss.class_weight, {logits.shape().back()}, logits.dtype()), logits.shape());
}

// What each label weighs: its class, and 0 where it is ignored. Empty where all weigh the same.
Tensor weights_of_labels(const CrossEntropy& loss, const Tensor& logits, const Tensor& labels) {
  if (loss.class_weight.empty() && !loss.ignore_index) return {};
  return take_label(weights_of_classes(loss, logits), labels, loss.ignore_index);
}

Tensor product(const Tensor& a, const Tensor& b) { return a && b ? a * b : a ? a : b; }

// -log softmax at the label times what the label weighs, and its smoothed form. Logits are counted from the greatest of
// their row, so that a loss that is small beside them is not rounded away.
Tensor surprise_at_labels(const CrossEntropy& loss, const Tensor& prediction, const Tensor& labels) {
  const Tensor weight = weights_of_labels(loss, prediction, labels);
  const CrossEntropy keeping{.ignore_index = loss.ignore_index};
  const Tensor kept = loss.label_smoothing == 0 ? weight : weights_of_labels(keeping, prediction, labels);
  const Tensor logits = below_max(kept ? counted(prediction, kept) : prediction), lse = log_sum_exp(logits);
  const Tensor at_label = product(lse - take_label(logits, labels, loss.ignore_index), weight);
  if (loss.label_smoothing == 0) return at_label;
  const Tensor surprise = along_classes(lse, logits.shape()) - logits;
  const Tensor all = sum(loss.class_weight.empty() ? surprise : surprise * weights_of_classes(loss, logits), kLast);
  const Tensor each = all * (loss.label_smoothing / static_cast<double>(logits.shape().back()));
  return at_label * (1 - loss.label_smoothing) + product(each, kept);
}

}  // namespace

Tensor CrossEntropy::row_weight(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  if (target.dtype() != DType::int32) return weight;
  return product(weights_of_labels(*this, prediction, target), of_positions(weight, target.shape()));
}

Tensor CrossEntropy::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  check_classes("CrossEntropy", prediction, target);
  check_class_weight(class_weight, prediction.shape().back(), prediction.dtype());
  if (target.dtype() == DType::int32) {
    const Tensor rows = surprise_at_labels(*this, prediction, target);
    const Tensor total = row_weight(prediction, target, weight);
    return total ? over_weights(product(rows, of_positions(weight, rows.shape())), total) : mean(rows);
  }
  const double each = label_smoothing / static_cast<double>(prediction.shape().back());
  const Tensor smooth = label_smoothing > 0 ? target * (1 - label_smoothing) + each : target;
  const Tensor y = class_weight.empty() ? smooth : smooth * weights_of_classes(*this, prediction);
  // -sum y log softmax(z) = sum(y) lse(z) - sum(y z), and neither cancels the other where no z is above 0.
  const Tensor z = below_max(prediction);
  return over_rows(sum(y, kLast) * log_sum_exp(z) - sum(expected(y, z), kLast), weight);
}

Fields Focal::fields() {
  return {{"gamma", &gamma, "how much less rows count that are right already", kNotNegative},
          {"alpha", &alpha, "multiplies the loss", kPositive}};
}

// With s = -log p, the power (1 - p)^gamma is exp(gamma log(1 - exp(-s))), and 1 - exp(-s) is -elu(-s), which keeps
// small s. Where p is 1 its logarithm is held at that of the smallest number, through which no gradient flows: the
// limits there are 0.
Tensor Focal::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  check_classes("Focal", prediction, target);
  const Tensor z = below_max(prediction), lse = log_sum_exp(z);
  const Tensor least = like(prediction, std::numeric_limits<float>::min());
  const auto focused = [&](const Tensor& surprise) {
    return surprise * exp(log(maximum(-elu(-surprise), least)) * gamma);
  };
  const bool labels = target.dtype() == DType::int32;
  const Tensor rows = labels ? focused(lse - take_label(z, target))
                             : sum(target * focused(where_positive(along_classes(lse, z.shape()) - z, target)), kLast);
  return over_rows(alpha ? rows * *alpha : rows, of_positions(weight, rows.shape()));
}

}  // namespace backpass
