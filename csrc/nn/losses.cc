// A loss by its name, and the gradient of a loss with respect to a prediction.
#include "backpass/losses.h"

#include <algorithm>
#include <cmath>

#include "base/convert.h"
#include "base/error.h"
#include "nn/loss_means.h"
#include "nn/make.h"
#include "nn/targets.h"

namespace backpass {

Loss make_loss(const std::string& type, const Attributes& attributes) {
  return make_of<Loss>(LossTypes{}, "loss", type, attributes, [](auto description) -> Loss { return description; });
}

const Tensor& LossArguments::target(const std::string& name) const {
  const auto found = std::ranges::find(names, name);
  if (found == names.end() || name.empty()) fail("y", "the loss asks for \"", name, "\", which is not there");
  return targets[static_cast<std::size_t>(found - names.begin())];
}

namespace {

// The mean of what a loss of one's own gives by row or element, by the sizes of the weights; a scalar as it is.
Tensor mean_of_own(const std::string& type, const Tensor& value, const Tensor& weight, const Tensor& size) {
  if (!value) fail(type, "gave an empty tensor");
  if (value.shape().empty()) return value;
  if (value.shape()[0] != kBatch)
    fail(type, "must give one number, or numbers by row: (rows, ...), got ", to_string(value.shape()));
  const Tensor rows = value.shape().size() > 1 ? mean(value, all_but_rows(value)) : value;
  return weight ? over_weights(rows * weight, size) : mean(rows);
}

}  // namespace

Tensor Loss::build(LossArguments given) const {
  if (given.predictions.empty()) fail(type(), "is built of a prediction, got none");
  if (given.targets.empty() && !is_own()) fail(type(), "is built of a target, got none");
  for (auto name = given.names.begin(); name != given.names.end(); ++name)
    if (!name->empty() && std::find(given.names.begin(), name, *name) != name)
      fail("y", "has two targets called \"", *name, '"');
  const Tensor& weight = given.weight;
  const Tensor size = weight && is_own() ? abs(weight) : weight;
  if (weight) {
    for (Tensor& p : given.predictions) p = counted(p, size);
    for (Tensor& t : given.targets)
      if (t.dtype() != DType::int32) t = counted(t, size);
  }
  const Tensor value = self_->build(given);
  return is_own() ? mean_of_own(type(), value, weight, size) : value;
}

Losses::Losses(std::vector<Loss> losses, std::vector<double> weights)
    : each_(std::move(losses)), weights_(std::move(weights)) {
  if (each_.empty()) fail("loss", "expected at least one");
  for (const double weight : weights_)
    if (!std::isfinite(weight)) fail("loss_weights", "must be finite, got ", weight);
}

void Losses::check(std::size_t outputs) const {
  for (const Loss& loss : each_) loss.takes_labels();  // throws where it is empty; allocates nothing
  for (const Loss& loss : each_)
    if (loss.joint() && each_.size() > 1) fail("loss", loss.type(), " sees all outputs: it stands alone");
  if (each_.size() != 1 && each_.size() != outputs)
    fail("loss", "expected one, or one for each of ", outputs, " outputs, got ", each_.size());
  if (!weights_.empty() && weights_.size() != terms(outputs))
    fail("loss_weights", "expected one for each of ", terms(outputs), joint() ? " loss" : " outputs", ", got ",
         weights_.size());
}

namespace {

// Whole numbers of any type as the integers that a graph takes.
Array as_integers(const ArrayView& labels) {
  Array integers(DType::int32, labels.shape);
  std::int32_t* out = integers.values<std::int32_t>().data();
  const Dim each = labels.rows() > 0 ? element_count(labels.shape) / labels.rows() : 0;
  for (Dim row = 0; row < labels.rows(); ++row)
    convert(out + row * each, DType::int32, static_cast<const std::byte*>(labels.data) + row * labels.row_stride,
            labels.type, each);
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
  const Tensor w = sample_weight.empty() ? Tensor() : input({kBatch}, dtype, "sample_weight");
  const Tensor loss = build(p, t, w);
  std::vector<Tensor> inputs{p, t};
  const Array labels = targets.labels ? as_integers(targets.y) : Array();
  std::vector<ArrayView> values{prediction, targets.labels ? ArrayView(labels) : targets.y};
  if (w) {
    inputs.push_back(w);
    values.push_back(sample_weight);
  }
  std::vector<Array> results = evaluate(Graph(inputs, {loss, gradients(loss, {p})[0]}), values);
  const double value = dtype == DType::float64 ? results[0].values<double>()[0] : results[0].values<float>()[0];
  return {value, results[1]};
}

std::pair<double, std::vector<Array>> Loss::value_and_grads(const ArrayViews& predictions, const ArrayViews& y,
                                                            const std::vector<std::string>& names,
                                                            const ArrayView& sample_weight) const {
  if (!is_own()) fail(type(), "takes one array for each output");
  if (predictions.empty() || predictions[0].shape.empty()) fail(type(), "predictions need rows");
  const DType dtype = predictions[0].type == ElementType::float64 ? DType::float64 : DType::float32;
  const Dim rows = predictions[0].rows();
  AllTargets targets;
  fit_free_targets(targets, y, names, rows, dtype);
  LossArguments given{.names = names};
  std::vector<Tensor> inputs;
  std::vector<ArrayView> values;
  const auto add = [&](const Tensor& t, const ArrayView& value) {
    inputs.push_back(t);
    values.push_back(value);
    return t;
  };
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    Shape shape = predictions[i].shape;
    if (shape.empty() || shape[0] != rows) fail(type(), "predictions must have equal rows");
    shape[0] = kBatch;
    given.predictions.push_back(add(input(shape, dtype, "prediction"), predictions[i]));
  }
  for (const Targets& t : targets.each) given.targets.push_back(add(free_target(t, dtype), t.y));
  if (!sample_weight.empty()) {
    check_weights(sample_weight, rows, dtype, true);
    given.weight = add(input({kBatch}, dtype, "sample_weight"), sample_weight);
  }
  const std::vector<Tensor> wanted = given.predictions;
  std::vector<Tensor> outputs{build(given)};
  for (const Tensor& grad : gradients(outputs[0], wanted)) outputs.push_back(grad);
  std::vector<Array> results = evaluate(Graph(inputs, outputs), values);
  const double value = dtype == DType::float64 ? results[0].values<double>()[0] : results[0].values<float>()[0];
  results.erase(results.begin());
  return {value, std::move(results)};
}

}  // namespace backpass
