// Networks within graphs, and parts of networks: the ops again, over the same parameters.
#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "graph/op_row.h"
#include "nn/layer_call.h"
#include "nn/network_impl.h"
#include "nn/sequential.h"

namespace backpass {
namespace {

using Replacements = std::unordered_map<const Op*, Tensor>;

// What outputs are made from, in order, as far as it is not replaced.
std::vector<Tensor> made_from(const std::vector<Tensor>& outputs, const Replacements& replaced) {
  std::vector<Tensor> found, open = outputs;
  std::set<const Op*> seen;
  while (!open.empty()) {
    const Tensor t = open.back();
    open.pop_back();
    if (replaced.count(&t.op()) > 0 || !seen.insert(&t.op()).second) continue;
    found.push_back(t);
    for (const Tensor& from : t.op().inputs) open.push_back(from);
  }
  std::ranges::sort(found, {}, [](const Tensor& t) { return t.op().id; });
  return found;
}

// Builds outputs again, with other tensors in the place of some. Parameters and states stay the same tensors; layers
// are noted as called anew, within the layer that is being called; dropouts have streams of their own.
class Rebuilder {
 public:
  // `rows`: in the place of a batch that is not known, where it is.
  Rebuilder(Replacements replaced, Dim rows) : copies_(std::move(replaced)), rows_(rows) {}

  std::vector<Tensor> run(const std::vector<Tensor>& outputs) {
    const std::vector<Tensor> ops = made_from(outputs, copies_);
    number_calls(ops);
    for (const Tensor& t : ops) copies_.emplace(&t.op(), t.op().residence ? t : copy(t.op()));
    std::vector<Tensor> result;
    for (const Tensor& t : outputs) result.push_back(copies_.at(&t.op()));
    return result;
  }

 private:
  void number_calls(const std::vector<Tensor>& ops) {
    for (const Tensor& t : ops)
      if (t.op().layer) calls_.emplace(t.op().layer->call, 0);
    std::uint64_t next = reserve_numbers(calls_.size());
    for (auto& [call, number] : calls_) number = next++;
  }

  Tensor copy(Op op) {
    for (Tensor& from : op.inputs) from = copies_.at(&from.op());
    std::ranges::replace(op.shape, kBatch, rows_);
    if (op.kind == OpKind::count) std::ranges::replace(op.dims, kBatch, rows_);
    if (role(op) == Role::generator) op.stream = kNextStream;
    if (op.layer) op.layer = copy_use(*op.layer);
    return make_tensor(std::move(op));
  }

  std::shared_ptr<const LayerUse> copy_use(LayerUse use) const {
    use.call = calls_.at(use.call);
    if (const auto parent = calls_.find(use.parent); parent != calls_.end()) {
      use.parent = parent->second;
    } else {
      use.name.clear();
      place_in_caller(use);
    }
    std::erase_if(use.inputs, [&](const Tensor& x) { return copies_.count(&x.op()) == 0; });
    for (Tensor& x : use.inputs) x = copies_.at(&x.op());
    if (use.z) use.z = copies_.count(&use.z.op()) > 0 ? copies_.at(&use.z.op()) : Tensor();
    return std::make_shared<const LayerUse>(std::move(use));
  }

  Replacements copies_;
  Dim rows_;
  std::map<std::uint64_t, std::uint64_t> calls_;  // numbers here, by those that they had
};

// The number of rows of tensors in the place of inputs, kBatch where it is not known; throws where one does not fit.
Dim check_tensors(const std::vector<Tensor>& inputs, const std::vector<Tensor>& xs) {
  if (xs.size() != inputs.size()) fail("Network", "takes ", inputs.size(), " tensors, got ", xs.size());
  for (std::size_t i = 0; i < xs.size(); ++i) {
    if (!xs[i]) fail("Network", "got an empty tensor");
    const Shape &wanted = inputs[i].shape(), &given = xs[i].shape();
    if (given.empty() || with_rows(wanted, given[0]) != given || xs[i].dtype() != inputs[i].dtype())
      fail("Network", "input \"", inputs[i].name(), "\" must be ", to_string(wanted), ' ', name(inputs[i].dtype()),
           ", got ", to_string(given), ' ', name(xs[i].dtype()));
    if (given[0] != xs[0].shape()[0]) fail("Network", "inputs have ", xs[0].shape()[0], " and ", given[0], " rows");
  }
  return xs[0].shape()[0];
}

}  // namespace

std::vector<Tensor> Network::operator()(const std::vector<Tensor>& xs) const {
  const Dim rows = check_tensors(impl_->inputs(), xs);
  Replacements replaced;
  for (std::size_t i = 0; i < xs.size(); ++i) replaced.emplace(&impl_->inputs()[i].op(), xs[i]);
  return Rebuilder(std::move(replaced), rows).run(impl_->outputs());
}

Tensor Network::operator()(const Tensor& x) const {
  if (impl_->outputs().size() != 1) fail("Network", "has ", impl_->outputs().size(), " outputs: call it with a list");
  return (*this)(std::vector<Tensor>{x})[0];
}

Network Network::sub(const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs) const {
  const std::vector<Tensor>& ops = impl_->graph.ops();
  for (const std::vector<Tensor>* tensors : {&inputs, &outputs})
    for (const Tensor& t : *tensors)
      if (std::ranges::find(ops, t) == ops.end()) fail("sub", "takes tensors of this network's graph");
  Replacements replaced;
  std::vector<Tensor> ends;
  for (const Tensor& t : inputs) {
    ends.push_back(t.op().kind == OpKind::input ? t : input(t.shape(), t.dtype(), "x"));
    replaced.emplace(&t.op(), ends.back());
  }
  for (const Tensor& t : impl_->inputs()) replaced.emplace(&t.op(), t);
  return Network(ends, Rebuilder(std::move(replaced), kBatch).run(outputs), {impl_->seed, {}, {}});
}

namespace {

// The names of what a network shares with another.
std::vector<std::string> shared_names(const char* who, const Network::Impl& net, const Network::Impl& part) {
  std::set<const std::byte*> there;
  for (const std::vector<ParameterInfo>* infos : {&part.parameters, &part.states})
    for (const ParameterInfo& info : *infos) there.insert(part.values_of(info));
  std::vector<std::string> names;
  for (const std::vector<ParameterInfo>* infos : {&net.parameters, &net.states})
    for (const ParameterInfo& info : *infos)
      if (there.count(net.values_of(info)) > 0) names.push_back(info.name);
  if (names.empty()) fail(who, "the network uses no parameters of the other");
  return names;
}

}  // namespace

void Network::freeze(const Network& part) { freeze(shared_names("freeze", *impl_, part.impl())); }
void Network::unfreeze(const Network& part) { unfreeze(shared_names("unfreeze", *impl_, part.impl())); }

void Network::lend(const std::vector<Layer>& layers) const {
  const Shape& x = impl_->inputs()[0].shape();
  const SettledGraph twin =
      settle(stack_layers(Shape(x.begin() + 1, x.end()), layers, dtype()), {precision(), dtype()});
  std::map<std::string, Tensor> own;
  for (const std::vector<Tensor>& held : {impl_->graph.parameters(), impl_->graph.states()})
    for (const Tensor& t : held) own.emplace(t.name(), t);
  for (const std::vector<Tensor>& held : {twin.graph.parameters(), twin.graph.states()})
    for (const Tensor& t : held) {
      const auto found = own.find(t.name());
      if (found == own.end() || found->second.shape() != t.shape())
        fail("Network", "is not made of these layers: \"", t.name(), "\" is none of its parameters");
      if (t.op().residence->home) continue;
      t.op().residence->home = found->second.op().residence->home;
      t.op().residence->offset = found->second.op().residence->offset;
    }
}

}  // namespace backpass
