// Lowering recurrent layers: the weight is packed by a call of its own, then one call walks through all steps.
#include <algorithm>

#include "base/sizes.h"
#include "kernels/dispatch.h"
#include "plan/calls/recurrent.h"
#include "plan/compile/lowering.h"

namespace backpass {

RecurrentSpec Lowering::recurrent_spec(const Cluster& cluster) {
  const Op& op = cluster.ops[0].op();
  const RecurrentInputs in = recurrent_inputs(op);
  const Shape x = sources_.shape(in.x);
  RecurrentSpec spec{.settings = recurrent_settings(op), .rows = x[0], .steps = x[1], .width = in.weight.shape()[1]};
  spec.state = value_of(in.state);
  if (in.cell) spec.cell = value_of(in.cell);
  if (in.lengths) spec.lengths = value_of(in.lengths);
  for (const Tensor& t : cluster.ops) spec.parts.push_back({static_cast<int>(t.op().dims[0]), value_of(t)});
  return spec;
}

template <class T>
int Lowering::lower_panels(const Cluster& cluster, bool transposed) {
  const kernels::Kernels<T>& k = kernels::table<T>(kernels::current_isa());
  const Op& op = cluster.ops[0].op();
  const Tensor weight = recurrent_inputs(op).weight;
  PanelsSpec spec = panels_of(k, recurrent_settings(op).cell, weight.shape()[1], transposed);
  spec.weight = value_of(weight);
  spec.out = add_value(product_of_sizes(static_cast<std::size_t>(panels_elements(k, spec)), sizeof(T)), "panels");
  plan_.calls_.push_back(make_panels_call(k, spec));
  plan_.calls_.back()->phase = cluster.phase;
  return spec.out;
}

template <class T>
CallPtr Lowering::lower_recurrent(const Cluster& cluster) {
  const bool back = cluster.ops[0].op().kind == OpKind::recurrent_grad;
  RecurrentSpec spec = recurrent_spec(cluster);
  spec.panels = lower_panels<T>(cluster, back);
  const kernels::Kernels<T>& k = kernels::table<T>(kernels::current_isa());
  const RecurrentInputs in = recurrent_inputs(cluster.ops[0].op());
  if (!back) {
    spec.x = value_of(in.x);
    spec.bias = value_of(in.bias);
    return make_recurrent_call(k, spec);
  }
  const RecurrentKept kept = recurrent_kept(cluster.ops[0].op());
  spec.flows_to = static_cast<RecurrentPart>(cluster.ops[0].op().dims[1]);
  spec.states = value_of(kept.states);
  if (kept.gates) spec.gates = value_of(kept.gates);
  if (kept.more) spec.more = value_of(kept.more);
  spec.grad = value_of(kept.grad);
  return make_recurrent_grad_call(k, spec);
}

template CallPtr Lowering::lower_recurrent<float>(const Cluster&);
template CallPtr Lowering::lower_recurrent<double>(const Cluster&);

}  // namespace backpass
