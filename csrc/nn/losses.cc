// A loss by its name, and the gradient of a loss with respect to a prediction.
#include "backpass/losses.h"

#include <cmath>

#include "base/convert.h"
#include "nn/loss_means.h"
#include "nn/make.h"
#include "nn/targets.h"

namespace backpass {

Loss make_loss(const std::string& type, const Attributes& attributes) {
  return make_of<Loss>(LossTypes{}, "loss", type, attributes, [](auto description) -> Loss { return description; });
}

Tensor Loss::build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
  if (!weight) return self_->build(prediction, target, weight);
  return self_->build(counted(prediction, weight), target.dtype() == DType::int32 ? target : counted(target, weight),
                      weight);
}

Losses::Losses(std::vector<Loss> losses, std::vector<double> weights)
    : each_(std::move(losses)), weights_(std::move(weights)) {
  if (each_.empty()) fail("loss", "expected at least one");
  for (const double weight : weights_)
    if (!std::isfinite(weight)) fail("loss_weights", "must be finite, got ", weight);
}

void Losses::check(std::size_t outputs) const {
  for (const Loss& loss : each_) loss.takes_labels();  // throws where it is empty; allocates nothing
  if (each_.size() != 1 && each_.size() != outputs)
    fail("loss", "expected one, or one for each of ", outputs, " outputs, got ", each_.size());
  if (!weights_.empty() && weights_.size() != outputs)
    fail("loss_weights", "expected one for each of ", outputs, " outputs, got ", weights_.size());
}

namespace {

// Whole numbers of any type as the integers that a graph takes.
Array as_integers(const ArrayView& labels) {
  Array integers(DType::int32, labels.shape);
  std::int32_t* out = integers.values<std::int32_t>().data();
  for (Dim row = 0; row < labels.rows(); ++row)
    convert(out + row, DType::int32, static_cast<const std::byte*>(labels.data) + row * labels.row_stride, labels.type,
            1);
  return integers;
}

}  // namespace

std::pair<double, Array> Loss::value_and_grad(const ArrayView& prediction, const ArrayView& target,
                                              const ArrayView& sample_weight) const {
  const DType dtype = prediction.type == ElementType::float64 ? DType::float64 : DType::float32;
  Shape shape = prediction.shape;
  if (shape.empty()) fail(type(), "prediction needs rows, got ", to_string(shape));
  shape[0] = kBatch;
  const Targets targets = fit_targets(*this, shape, target, sample_weight, prediction.rows(), dtype);
  const Tensor p = input(shape, dtype, "prediction"),
               t = input(targets.shape(*this, shape), targets.labels ? DType::int32 : dtype, "target");
  const Tensor w = targets.weighted() ? input({kBatch}, dtype, "sample_weight") : Tensor();
  const Tensor loss = build(p, t, w);
  std::vector<Tensor> inputs{p, t};
  const Array labels = targets.labels ? as_integers(targets.y) : Array();
  std::vector<ArrayView> values{prediction, targets.labels ? ArrayView(labels) : targets.y};
  if (w) {
    inputs.push_back(w);
    values.push_back(targets.sample_weight);
  }
  std::vector<Array> results = evaluate(Graph(inputs, {loss, gradients(loss, {p})[0]}), values);
  const double value = dtype == DType::float64 ? results[0].values<double>()[0] : results[0].values<float>()[0];
  return {value, results[1]};
}

}  // namespace backpass
