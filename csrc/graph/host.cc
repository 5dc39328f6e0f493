// Functions that the host program computes.
#include <mutex>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

// The gradients that `backward` gave last, and for which values: its parts are asked for one by one.
struct HostGradients {
  std::mutex mutex;
  std::vector<std::string> values;  // the bytes of inputs, output and incoming gradient
  std::vector<Array> grads;
};

std::vector<std::string> bytes_of(const std::vector<ArrayView>& values) {
  std::vector<std::string> bytes;
  for (const ArrayView& view : values)
    bytes.emplace_back(static_cast<const char*>(view.data),
                       static_cast<std::size_t>(element_count(view.shape)) * size_of(view.type));
  return bytes;
}

Array take_gradient(HostGradients& kept, const HostFunction& function, std::size_t input,
                    const std::vector<ArrayView>& values) {
  const std::lock_guard<std::mutex> lock(kept.mutex);
  std::vector<std::string> bytes = bytes_of(values);
  if (kept.grads.empty() || kept.values != bytes) {
    const std::vector<ArrayView> inputs(values.begin(), values.end() - 2);
    std::vector<Array> grads = function.backward(inputs, values[inputs.size()], values.back());
    if (grads.size() != inputs.size())
      fail(function.name, "backward must give ", inputs.size(), " gradients, got ", grads.size());
    kept.grads = std::move(grads);
    kept.values = std::move(bytes);
  }
  if (kept.grads[input].data() != nullptr) return kept.grads[input];
  const DType dtype = values.back().type == ElementType::float64 ? DType::float64 : DType::float32;
  return Array(dtype, values[input].shape);  // no gradient: zeros
}

}  // namespace

Tensor host_call(HostFunction function, const std::vector<Tensor>& inputs, Shape shape) {
  if (!function.forward) fail("host_call", "needs a function");
  const Tensor* real = nullptr;
  for (const Tensor& x : inputs) {
    if (!x) fail(function.name, "got an empty tensor");
    if (real == nullptr && x.dtype() != DType::int32) real = &x;
  }
  if (real == nullptr) fail(function.name, "needs an input of float32 or float64");
  const DType dtype = real->dtype();
  return make_tensor({.kind = OpKind::host,
                      .inputs = inputs,
                      .shape = std::move(shape),
                      .dtype = dtype,
                      .host = std::make_shared<const HostFunction>(std::move(function))});
}

Grads host_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted) {
  const Op& op = y.op();
  if (is_choice(op)) return Grads(op.inputs.size());
  if (!op.host->backward) fail(op.host->name, "has no derivative: it needs a backward function");
  const auto kept = std::make_shared<HostGradients>();
  std::vector<Tensor> inputs = op.inputs, grads(op.inputs.size());
  inputs.push_back(y);
  inputs.push_back(g);
  for (std::size_t i = 0; i < grads.size(); ++i) {
    if (!wanted[i]) continue;
    const auto take = [kept, host = op.host, i](const std::vector<ArrayView>& values) {
      return take_gradient(*kept, *host, i, values);
    };
    grads[i] = host_call({op.host->name + " backward", take, {}}, inputs, op.inputs[i].shape());
  }
  return grads;
}

}  // namespace backpass
