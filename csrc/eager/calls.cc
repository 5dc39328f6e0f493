// Calling networks and losses on eager tensors.
#include <algorithm>
#include <cstring>

#include "backpass/eager.h"
#include "base/convert.h"
#include "base/error.h"
#include "base/turns.h"
#include "eager/callees.h"
#include "eager/dense.h"
#include "nn/network_impl.h"
#include "nn/targets.h"
#include "plan/boundary.h"

namespace backpass::eager {

Array dense(const char* who, const ArrayView& view, DType dtype) {
  check_present(who, view);
  check_castable(who, view, dtype);
  Array copy = unset_array(dtype, view.shape);
  const Dim rows = view.rows(), cols = rows > 0 ? element_count(view.shape) / rows : 0;
  for (Dim row = 0; row < rows && cols > 0; ++row)
    convert(static_cast<std::byte*>(copy.data()) + static_cast<std::size_t>(row * cols) * size_of(dtype), dtype,
            static_cast<const std::byte*>(view.data) + row * view.row_stride, view.type, cols);
  return copy;
}

namespace {

// A tensor in a network's type: a value that has no history is cast.
Tensor in_type(const std::string& who, const Tensor& t, DType dtype) {
  if (t.dtype() == dtype) return t;
  if (requires_grad(t) || dtype == DType::int32 || t.dtype() == DType::int32)
    fail(who, "must be ", name(dtype), ", got ", name(t.dtype()));
  return tensor(value(t), dtype);
}

Dim checked_rows(const Network::Impl& net, const std::vector<Tensor>& inputs) {
  if (inputs.size() != net.inputs().size())
    fail("x", "expected one tensor for each of ", net.inputs().size(), " inputs, got ", inputs.size());
  Dim rows = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Shape& expected = net.inputs()[i].shape();
    const Shape& got = inputs[i].shape();
    const bool fits = got.size() == expected.size() && with_rows(expected, got[0]) == got;
    if (!fits || (i > 0 && got[0] != rows))
      fail("x", "expected shape ", to_string(expected), ", got ", to_string(got), ", for ", net.first_layers[i]);
    rows = got[0];
  }
  return rows;
}

}  // namespace

Caller::Caller(Network network) : callee_(std::make_shared<const NetworkCallee>(std::move(network))) {}

const Network& Caller::network() const { return callee_->network; }
const std::vector<Tensor>& Caller::parameters() const { return callee_->parameters; }

std::vector<Tensor> Caller::inputs(const ArrayViews& x) const {
  const Network::Impl& net = network().impl();
  net.check_inputs(x);
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < x.size(); ++i) tensors.push_back(tensor(x[i], net.inputs()[i].dtype()));
  return tensors;
}

std::vector<Tensor> Caller::operator()(const std::vector<Tensor>& inputs, bool training) const {
  const Network::Impl& net = network().impl();
  const Dim rows = checked_rows(net, inputs);
  std::vector<Tensor> given, outputs;
  bool wants = net.frozen.size() < net.parameters.size() || !net.trained().empty();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    given.push_back(in_type("x", inputs[i], net.inputs()[i].dtype()));
    wants = wants || requires_grad(given.back());
  }
  const auto call = std::make_shared<const NetworkCall>(callee_.shared(), training, rows);
  for (std::size_t k = 0; k < net.outputs().size(); ++k)
    outputs.push_back(recorded_call(std::make_shared<NetworkOutput>(call, k), given,
                                    with_rows(net.outputs()[k].shape(), rows), net.dtype,
                                    wants && recording_gradients()));
  return outputs;
}

namespace {

Tensor recorded_loss(const Loss& of, const Tensor& prediction, Tensor target, const ArrayView& sample_weight) {
  std::vector<Tensor> inputs{prediction, std::move(target)};
  const bool weighted = !sample_weight.empty();
  if (weighted) inputs.push_back(tensor(sample_weight, prediction.dtype()));
  const bool wants = (requires_grad(prediction) || requires_grad(inputs[1])) && recording_gradients();
  return recorded_call(std::make_shared<LossCall>(of, weighted), std::move(inputs), {}, prediction.dtype(), wants);
}

Shape batched(const Loss& of, const Tensor& prediction) {
  Shape shape = prediction.shape();
  if (shape.empty()) fail(of.type(), "prediction needs rows, got one number");
  shape[0] = kBatch;
  return shape;
}

// Targets as a tensor: the one that they are the value of, where it fits as it is.
Tensor kept(const ArrayView& y, DType dtype, const Tensor& from) {
  return is_eager(from) && from.dtype() == dtype && from.shape() == y.shape ? from : tensor(y, dtype);
}

Tensor checked_loss(const Loss& of, const Tensor& prediction, const ArrayView& target, const Tensor& from,
                    const ArrayView& sample_weight) {
  const Shape shape = batched(of, prediction);
  const DType dtype = prediction.dtype();
  const Dim rows = prediction.shape()[0];
  if (!of.is_own()) {
    const Targets targets = fit_targets(of, shape, target, sample_weight, rows, dtype);
    require_some_weight(sample_weight);
    return recorded_loss(of, prediction, kept(targets.y, targets.labels ? DType::int32 : dtype, from), sample_weight);
  }
  if (target.shape.empty() || target.rows() != rows)
    fail("y", "expected ", rows, " rows, got ", to_string(target.shape));
  if (!sample_weight.empty()) check_weights(sample_weight, rows, dtype, true);
  return recorded_loss(of, prediction, kept(target, is_integer(target.type) ? DType::int32 : dtype, from),
                       sample_weight);
}

}  // namespace

Tensor loss(const Loss& of, const Tensor& prediction, const ArrayView& target, const ArrayView& sample_weight) {
  return checked_loss(of, prediction, target, {}, sample_weight);
}

Tensor loss(const Loss& of, const Tensor& prediction, const Tensor& target, const ArrayView& sample_weight) {
  if (!requires_grad(target)) return checked_loss(of, prediction, value(target), target, sample_weight);
  Shape expected = of.target_shape(batched(of, prediction));
  expected[0] = prediction.shape()[0];
  if (element_count(target.shape()) != element_count(expected) || target.shape().empty() ||
      (target.shape() != expected && target.shape() != Shape{expected[0]}))
    fail("y", "expected shape ", to_string(expected), ", got ", to_string(target.shape()));
  return recorded_loss(of, prediction, target.shape() == expected ? target : reshape(target, expected), sample_weight);
}

}  // namespace backpass::eager
