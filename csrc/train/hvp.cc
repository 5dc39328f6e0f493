// Hessian-vector products: the gradient of the gradient's product with a vector (Pearlmutter 1994).
#include "base/convert.h"
#include "base/error.h"
#include "graph/op.h"
#include "plan/boundary.h"
#include "plan/workers/sharing.h"
#include "train/trainer_impl.h"

namespace backpass {
namespace {

// The parts of `vector` as inputs, one for each parameter, at the parameter's place in slot kOptimizer0.
std::vector<Tensor> vector_parts(const Network::Impl& net, PlanSpec& spec) {
  std::vector<Tensor> parts;
  for (const Tensor& t : net.graph.parameters()) {
    parts.push_back(input(t.shape(), net.dtype, "vector " + t.name()));
    spec.leaves[&parts.back().op()] = {kOptimizer0, net.places.at(&t.op()).offset};
  }
  return parts;
}

Tensor inner_product(const std::vector<Tensor>& a, const std::vector<Tensor>& b, DType dtype) {
  Tensor total = constant(0.0, {}, dtype);
  for (std::size_t i = 0; i < a.size(); ++i) total = total + sum(a[i] * b[i]);
  return total;
}

}  // namespace

Array hvp(Network& network, const Losses& losses, const ArrayViews& x, const ArrayViews& y, const ArrayView& vector,
          std::int64_t random_step, const ArrayView& sample_weight) {
  Network::Impl& net = network.impl();
  const InUse use(net.users, Use::changes);
  AllTargets targets;
  const Dim rows = check_data(net, losses, {x, y, sample_weight}, targets);
  check_shape("vector", vector, {net.n_parameters});
  check_castable("vector", vector, net.dtype);
  const LossInputs in = build_losses(net, losses, targets);

  PlanSpec spec = loss_spec(net, in, rows, true);
  spec.outputs.clear();
  const std::vector<Tensor> parameters = net.graph.parameters(), parts = vector_parts(net, spec);
  const std::vector<Tensor> grads = gradients(in.loss, parameters);
  const std::vector<Tensor> products = gradients(inner_product(grads, parts, net.dtype), parameters);
  for (std::size_t i = 0; i < products.size(); ++i)
    spec.outputs.push_back({products[i], {kGradients, net.places.at(&parameters[i].op()).offset}});

  Plan plan(spec);
  const AlignedBuffer arena(plan.arena_bytes());
  Array result(net.dtype, {net.n_parameters}), dense(net.dtype, {net.n_parameters});
  for (Dim i = 0; i < net.n_parameters; ++i)
    convert(static_cast<std::byte*>(dense.data()) + static_cast<std::size_t>(i) * size_of(net.dtype), net.dtype,
            static_cast<const std::byte*>(vector.data) + i * vector.row_stride, vector.type, 1);
  std::byte* slots[kFirstExternal] = {arena.data(), net.values.data(), static_cast<std::byte*>(result.data()),
                                      static_cast<std::byte*>(dense.data())};
  std::vector<RowSource> sources;
  add_sources(sources, x, targets);
  PlanRun run{slots, sources};
  run.seed = net.seed;
  run.step = random_step >= 0 ? static_cast<std::uint64_t>(random_step) : net.step++;
  run.threads = resolve_threads(0);
  plan.run(run);
  return result;
}

}  // namespace backpass
