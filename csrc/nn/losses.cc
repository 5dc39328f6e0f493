// Losses: scalar tensors, and their gradient with respect to a prediction.
#include "backpass/losses.h"

#include <cmath>

#include "base/error.h"
#include "graph/op.h"
#include "nn/targets.h"

namespace backpass {
namespace {

void check_same_shape(const char* who, const Tensor& prediction, const Tensor& target) {
  if (prediction.shape() != target.shape())
    fail(who, "target has shape ", to_string(target.shape()), ", prediction has ", to_string(prediction.shape()));
}

// The mean of one value per row, or the weighted mean.
Tensor over_rows(const Tensor& per_row, const Tensor& weight) {
  return weight ? sum(per_row * weight) / sum(weight) : mean(per_row);
}

std::vector<Dim> all_but_rows(const Tensor& x) {
  std::vector<Dim> axes;
  for (std::size_t i = 1; i < x.shape().size(); ++i) axes.push_back(static_cast<Dim>(i));
  return axes;
}

// The mean of one value per element; weights are those of rows.
Tensor over_elements(const Tensor& each, const Tensor& weight) {
  return weight ? over_rows(mean(each, all_but_rows(each)), weight) : mean(each);
}

}  // namespace

Tensor MSE::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  check_same_shape("MSE", prediction, target);
  return over_elements(square(prediction - target), weight);
}

Tensor MAE::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  check_same_shape("MAE", prediction, target);
  return over_elements(abs(prediction - target), weight);
}

// With m = min(|e|, delta) both branches are m (|e| - m / 2).
Tensor Huber::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  if (!(delta > 0) || !std::isfinite(delta)) fail("Huber", "delta must be positive and finite, got ", delta);
  check_same_shape("Huber", prediction, target);
  const Tensor error = abs(prediction - target), m = minimum(error, constant(delta, {}, error.dtype()));
  return over_elements(m * (error - m * 0.5), weight);
}

// -log s(z) is softplus(-z), and -log(1 - s(z)) is softplus(z), which neither overflow nor cancel.
Tensor BinaryCrossEntropy::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  check_same_shape("BinaryCrossEntropy", prediction, target);
  return over_elements(target * softplus(-prediction) + (1.0 - target) * softplus(prediction), weight);
}

Tensor HalfMSE::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  check_same_shape("HalfMSE", prediction, target);
  const Tensor squares = square(prediction - target);
  if (weight) return over_rows(sum(squares, all_but_rows(squares)) * 0.5, weight);
  return sum(squares) * 0.5 / count(squares, {0});
}

Tensor CrossEntropy::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  if (prediction.shape().size() != 2)
    fail("CrossEntropy", "prediction must be (batch, classes), got ", to_string(prediction.shape()));
  const Tensor lse = log_sum_exp(prediction);
  if (target.dtype() == DType::int32) return over_rows(lse - take_label(prediction, target), weight);
  check_same_shape("CrossEntropy", prediction, target);
  // -sum p log softmax(z) = sum(p) lse(z) - sum(p z)
  const std::vector<Dim> last{-1};
  return over_rows(sum(target, last) * lse - sum(target * prediction, last), weight);
}

std::pair<double, Array> Loss::value_and_grad(const ArrayView& prediction, const ArrayView& target,
                                              const ArrayView& sample_weight) const {
  const DType dtype = prediction.type == ElementType::float64 ? DType::float64 : DType::float32;
  Shape shape = prediction.shape;
  if (shape.empty()) fail(type(), "prediction needs rows, got ", to_string(shape));
  shape[0] = kBatch;
  const Targets targets = fit_targets(*this, shape, target, sample_weight, prediction.rows());
  const Tensor p = input(shape, dtype, "prediction"),
               t = input(targets.y_shape(shape), targets.labels ? DType::int32 : dtype, "target");
  const Tensor w = targets.weighted() ? input({kBatch}, dtype, "sample_weight") : Tensor();
  const Tensor loss = build(p, t, w);
  std::vector<Tensor> inputs{p, t};
  std::vector<ArrayView> values{prediction, targets.y};
  if (w) {
    inputs.push_back(w);
    values.push_back(targets.sample_weight);
  }
  std::vector<Array> results = evaluate(Graph(inputs, {loss, gradients(loss, {p})[0]}), values);
  const double value = dtype == DType::float64 ? results[0].values<double>()[0] : results[0].values<float>()[0];
  return {value, results[1]};
}

}  // namespace backpass
