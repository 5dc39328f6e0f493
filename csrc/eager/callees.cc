// Networks, losses and parameters in recordings.
#include "eager/callees.h"

#include <cstring>

#include "graph/op_row.h"
#include "nn/network_impl.h"

namespace backpass::eager {

NetworkCallee::NetworkCallee(Network of) : network(std::move(of)) {
  for (std::size_t i = 0; i < network.parameters().size(); ++i) parameters.push_back(parameter_leaf(network, i));
  for (const Tensor& t : network.graph().ops()) random = random || role(t.op()) == Role::generator;
}

// Ops have numbers that nobody else ever gets: a graph is known by that of its last output.
NetworkCall::NetworkCall(std::shared_ptr<const NetworkCallee> of, bool trains, Dim with_rows)
    : callee(std::move(of)), training(trains), rows(with_rows) {
  const Network::Impl& net = network().impl();
  key = (net.outputs().back().op().id << 24) ^ (static_cast<std::uint64_t>(net.freezes) << 6) ^ (training ? 32u : 0u);
  changes = changes_now();
}

std::uint64_t NetworkCall::changes_now() const {
  std::uint64_t sum = 0;
  for (const Block& block : network().impl().blocks) sum += block.home->changes;
  return sum;
}

const void* NetworkOutput::group() const {
  if (call->network().impl().outputs().size() == 1) return this;
  return call.get();
}

Tensor NetworkOutput::build(Expansion& expansion, const std::vector<Tensor>& inputs, std::uint32_t stream) const {
  const auto [found, fresh] = expansion.calls.try_emplace(group());
  if (fresh) {
    const Network::Impl& net = call->network().impl();
    Substitution with{{}, call->rows, call->training, stream};
    for (std::size_t i = 0; i < inputs.size(); ++i) with.stand_ins.emplace(&net.inputs()[i].op(), inputs[i]);
    for (const Tensor& t : net.graph.parameters())
      with.stand_ins.emplace(&t.op(), expansion.parameter(t, net.frozen.count(t.name()) > 0));
    found->second = substituted(net.graph, std::move(with), expansion);
    if (call->training)
      for (const Network::Impl::Tracked& tracked : net.tracked)
        if (net.frozen.count(tracked.state.name()) == 0)
          expansion.moves.push_back({tracked.state, home_values(tracked.state.op())});
  }
  return found->second[output];
}

Tensor ParameterPlace::op() const {
  const Network::Impl& owner = net.impl();
  for (const Tensor& t : owner.graph.parameters())
    if (t.name() == owner.parameters[index].name) return t;
  return {};
}

std::uint64_t ParameterPlace::key() const { return (net.impl().outputs().back().op().id << 24) + index + 1; }

Tensor ParameterPlace::build(Expansion& expansion, const std::vector<Tensor>&, std::uint32_t) const {
  return expansion.parameter(op(), net.impl().frozen.count(parameter()->name) > 0);
}

std::uint64_t LossCall::key() const { return reinterpret_cast<std::uintptr_t>(loss.identity()) ^ (weighted ? 1u : 0u); }

// Losses are composed for any number of rows.
Tensor LossCall::build(Expansion& expansion, const std::vector<Tensor>& inputs, std::uint32_t stream) const {
  Substitution with{{}, inputs[0].shape()[0], true, stream};
  std::vector<Tensor> given;
  for (const Tensor& x : inputs) {
    Shape shape = x.shape();
    shape[0] = kBatch;
    given.push_back(input(shape, x.dtype()));
    with.stand_ins.emplace(&given.back().op(), x);
  }
  const Tensor y = loss.build(given[0], given[1], weighted ? given[2] : Tensor());
  return substituted(Graph(given, {y}), std::move(with), expansion)[0];
}

namespace {

Array copied(const void* memory, DType dtype, const Shape& shape) {
  Array copy(dtype, shape);
  if (copy.bytes() > 0) std::memcpy(copy.data(), memory, copy.bytes());
  return copy;
}

// States as they are now.
void add_leaves(Substitution& with, const NetworkCall& call) {
  for (const Tensor& t : call.network().graph().parameters())
    for (const Tensor& leaf : call.callee->parameters)
      if (static_cast<const ParameterPlace*>(callee_of(*leaf.op().recorded))->op() == t)
        with.stand_ins.emplace(&t.op(), leaf);
  for (const Tensor& t : call.network().graph().states())
    with.stand_ins.emplace(&t.op(), known_tensor(copied(home_values(t.op()), t.dtype(), t.shape())));
}

}  // namespace

Tensor unfolded(const Tensor& t, Expansion& expansion) {
  const auto* output = dynamic_cast<const NetworkOutput*>(callee_of(*t.op().recorded));
  if (!output) return callee_of(*t.op().recorded)->build(expansion, t.op().inputs, 0);
  const NetworkCall& call = *output->call;
  const auto [found, fresh] = expansion.calls.try_emplace(output->group());
  if (fresh) {
    Substitution with{{}, call.rows, call.training, 0};
    const Network::Impl& net = call.network().impl();
    for (std::size_t i = 0; i < net.inputs().size(); ++i)
      with.stand_ins.emplace(&net.inputs()[i].op(), t.op().inputs[i]);
    add_leaves(with, call);
    found->second = substituted(net.graph, std::move(with), expansion);
  }
  return found->second[output->output];
}

}  // namespace backpass::eager
