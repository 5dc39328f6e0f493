// Reverse accumulation: the chain rule as a transformation that adds ops.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "graph/reach.h"
#include "graph/rules.h"

namespace backpass {

std::vector<Tensor> derivative(const Tensor& y, const Tensor& g, const std::vector<bool>& wanted) {
  const Op& op = y.op();
  switch (op.kind) {
    case OpKind::input:
    case OpKind::parameter:
    case OpKind::state:
    case OpKind::constant:
    case OpKind::values:
    case OpKind::count:
    case OpKind::random_keep:
    case OpKind::random_normal:
      return {};
    case OpKind::take:
      return take_derivative(y, g);
    case OpKind::scatter_add:
      return scatter_add_derivative(y, g);
    case OpKind::by_mode:
      return by_mode_derivative(y, g);
    case OpKind::track:
      return track_derivative(y, g);
    case OpKind::stop_gradient:
      return {Tensor()};
    case OpKind::elementwise: {
      std::vector<Tensor> grads(op.inputs.size());
      for (std::size_t i = 0; i < grads.size(); ++i)
        if (wanted[i]) grads[i] = elementwise_derivative(y, g, i);
      return grads;
    }
    case OpKind::matmul:
      return matmul_derivative(y, g, wanted);
    case OpKind::sum:
      return sum_derivative(y, g);
    case OpKind::broadcast:
      return broadcast_derivative(y, g);
    case OpKind::reshape:
      return reshape_derivative(y, g);
    case OpKind::transpose:
      return transpose_derivative(y, g);
    case OpKind::slice:
      return slice_derivative(y, g);
    case OpKind::pad:
      return pad_derivative(y, g);
    case OpKind::concat:
      return concat_derivative(y, g, wanted);
    case OpKind::softmax:
      return softmax_derivative(y, g);
    case OpKind::log_sum_exp:
      return log_sum_exp_derivative(y, g);
    case OpKind::below_max:
      return below_max_derivative(y, g);
    case OpKind::center:
      return center_derivative(y, g);
    case OpKind::inverse_rms:
      return inverse_rms_derivative(y, g);
    case OpKind::take_label:
      return take_label_derivative(y, g);
    case OpKind::put_label:
      return put_label_derivative(y, g);
    case OpKind::host:
      return host_derivative(y, g, wanted);
  }
  return {};
}

namespace {

using OpSet = std::unordered_set<const Op*>;
using GradMap = std::unordered_map<const Op*, Tensor>;

// The ops through which y depends on xs: the others cost nothing.
OpSet between(const std::vector<Tensor>& order, const std::vector<Tensor>& xs) {
  OpSet active;
  for (const Tensor& x : xs) active.insert(&x.op());
  for (const Tensor& t : order)
    for (const Tensor& from : t.op().inputs)
      if (active.count(&from.op())) active.insert(&t.op());
  return active;
}

void accumulate(GradMap& grads, const Tensor& x, const Tensor& g) {
  Tensor& sum = grads[&x.op()];
  sum = sum ? sum + g : g;
}

void propagate(GradMap& grads, const OpSet& active, const Tensor& y) {
  const auto found = grads.find(&y.op());
  if (found == grads.end() || y.op().inputs.empty()) return;
  const std::vector<Tensor>& inputs = y.op().inputs;
  std::vector<bool> wanted;
  for (const Tensor& x : inputs) wanted.push_back(active.count(&x.op()) > 0);
  const std::vector<Tensor> flows = derivative(y, found->second, wanted);
  for (std::size_t i = 0; i < flows.size(); ++i)
    if (flows[i] && wanted[i]) accumulate(grads, inputs[i], flows[i]);
}

}  // namespace

std::vector<Tensor> gradients_of_all(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                                     const std::vector<Tensor>& seeds) {
  const std::vector<Tensor> order = reachable(ys);
  const OpSet active = between(order, xs);
  GradMap grads;
  for (std::size_t i = 0; i < ys.size(); ++i)
    if (active.count(&ys[i].op())) accumulate(grads, ys[i], seeds[i]);
  for (auto t = order.rbegin(); t != order.rend(); ++t)
    if (active.count(&t->op())) propagate(grads, active, *t);

  std::vector<Tensor> results;
  for (const Tensor& x : xs) {
    const auto found = grads.find(&x.op());
    results.push_back(found != grads.end() ? found->second : constant(0.0, x.shape(), x.dtype()));
  }
  return results;
}

std::vector<Tensor> gradients(const Tensor& y, const std::vector<Tensor>& xs, const Tensor& seed) {
  if (!y) fail("gradients", "got an empty tensor");
  if (!seed && !y.shape().empty())
    fail("gradients", "needs a seed where y is not a scalar; y is ", to_string(y.shape()));
  if (seed && seed.shape() != y.shape())
    fail("gradients", "seed has shape ", to_string(seed.shape()), ", y has ", to_string(y.shape()));
  return gradients_of_all({y}, xs, {seed ? seed : constant(1.0, {}, y.dtype())});
}

}  // namespace backpass
