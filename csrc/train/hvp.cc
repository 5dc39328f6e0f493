// Hessian-vector products: the gradient of the gradient's product with a vector (Pearlmutter 1994).
#include "base/convert.h"
#include "graph/op.h"
#include "plan/workers/sharing.h"
#include "train/objective_impl.h"

namespace backpass {
namespace {

// The parts of `vector` as inputs, one for each parameter, at its place in the layout, in slot kOptimizer0.
std::vector<Tensor> vector_parts(const Network::Impl& net, PlanSpec& spec) {
  std::vector<Tensor> parts;
  for (const ParameterInfo& info : net.parameters)
    parts.push_back(spec.leaf(info.shape, "vector " + info.name, {kOptimizer0, net.bytes_before(info)}));
  return parts;
}

Tensor inner_product(const std::vector<Tensor>& a, const std::vector<Tensor>& b, DType dtype) {
  Tensor total = constant(0.0, {}, dtype);
  for (std::size_t i = 0; i < a.size(); ++i) total = total + sum(a[i] * b[i]);
  return total;
}

}  // namespace

PlanSpec Objective::Impl::hessian_spec(Dim batch, const AllTargets& targets) const {
  LossInputs in = build_losses(net(), losses, targets);
  if (const Tensor added = added_loss_of(net())) in.loss = in.loss + added;
  if (const Tensor penalty = penalty_of(net(), options.weight_penalty, in.total_weight[0])) in.loss = in.loss + penalty;
  PlanSpec spec = loss_spec(net(), in, batch, true);
  spec.outputs.clear();
  const std::vector<Tensor> parameters = net().graph.parameters(), parts = vector_parts(net(), spec);
  const std::vector<Tensor> grads = backpass::gradients(in.loss, parameters);
  const std::vector<Tensor> products = backpass::gradients(inner_product(grads, parts, net().dtype), parameters);
  for (std::size_t i = 0; i < products.size(); ++i)
    spec.outputs.push_back({products[i], {kOptimizer1, net().bytes_before(net().parameters[i])}});
  return spec;
}

Array Objective::hvp(const TrainingData& data, const ArrayView& vector, std::int64_t random_step) {
  Network::Impl& net = impl_->net();
  const InUse use(net.users, Use::changes);
  const AllTargets& targets = impl_->step_targets;
  const Dim rows = check_data(net, impl_->losses, data, impl_->step_targets);
  check_shape("vector", vector, {net.n_parameters});
  check_castable("vector", vector, net.dtype);
  Plan& plan = impl_->hessian_plan(rows, targets);
  Array result(net.dtype, {net.n_parameters}), dense(net.dtype, {net.n_parameters});
  for (Dim i = 0; i < net.n_parameters; ++i)
    convert(static_cast<std::byte*>(dense.data()) + static_cast<std::size_t>(i) * size_of(net.dtype), net.dtype,
            static_cast<const std::byte*>(vector.data) + i * vector.row_stride, vector.type, 1);
  std::byte* slots[kFirstExternal] = {impl_->workspace.arena(), net.first_values(), nullptr,
                                      static_cast<std::byte*>(dense.data()), static_cast<std::byte*>(result.data())};
  std::vector<RowSource> sources;
  add_sources(sources, data.x, targets);
  PlanRun run{slots, sources};
  run.seed = net.seed;
  run.step = random_step >= 0 ? static_cast<std::uint64_t>(random_step) : net.step++;
  run.threads = resolve_threads(impl_->options.threads);
  run.blocks = net.set_blocks();
  plan.run(run);
  return result;
}

Array hvp(Network& network, const Losses& losses, const ArrayViews& x, const ArrayViews& y, const ArrayView& vector,
          std::int64_t random_step, const ArrayView& sample_weight) {
  return Objective(network, losses).hvp(x, y, vector, sample_weight, random_step);
}

}  // namespace backpass
