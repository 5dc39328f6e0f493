// Functions that the host program computes.
#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

// The gradients of one call of `backward`. Each is taken once per walk: whoever comes a second time begins another
// walk.
struct HostGradients {
  std::vector<Array> grads;
  std::vector<bool> taken;
};

Array take_gradient(HostGradients& kept, const HostFunction& function, std::size_t input,
                    const std::vector<ArrayView>& values) {
  if (kept.taken.empty() || kept.taken[input]) {
    const std::vector<ArrayView> inputs(values.begin(), values.end() - 2);
    kept.grads = function.backward(inputs, values[inputs.size()], values.back());
    if (kept.grads.size() != inputs.size())
      fail(function.name, "backward must give ", inputs.size(), " gradients, got ", kept.grads.size());
    kept.taken.assign(inputs.size(), false);
  }
  kept.taken[input] = true;
  return kept.grads[input];
}

}  // namespace

Tensor host_call(HostFunction function, const std::vector<Tensor>& inputs, Shape shape) {
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

std::vector<Tensor> host_derivative(const Tensor& y, const Tensor& g, const std::vector<bool>& wanted) {
  const Op& op = y.op();
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
