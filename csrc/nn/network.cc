// Network: parameters, and running forward and backward.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <mutex>
#include <random>

#include "base/convert.h"
#include "base/error.h"
#include "base/glob.h"
#include "graph/op_row.h"
#include "nn/initialize.h"
#include "nn/network_impl.h"
#include "plan/boundary.h"

namespace backpass {
namespace {

std::uint64_t fresh_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

void check_batched(const char* what, const std::vector<Tensor>& tensors) {
  if (tensors.empty() || tensors.size() > kMaxArrays)
    fail("Network", "needs 1 to ", kMaxArrays, ' ', what, ", got ", tensors.size());
  for (const Tensor& t : tensors)
    if (t.shape().empty() || t.shape()[0] != kBatch)
      fail("Network", what, " must have the batch as first dimension, got ", to_string(t.shape()));
  for (const Tensor& t : tensors)
    if (std::find(t.shape().begin() + 1, t.shape().end(), kBatch) != t.shape().end())
      fail("Network", what, " must have the batch as first dimension alone, got ", to_string(t.shape()),
           ": what compares rows of a batch belongs into a loss");
}

void check_types(const Graph& graph, DType dtype) {
  if (dtype == DType::int32) fail("Network", "outputs must be float32 or float64");
  for (const Tensor& t : graph.outputs())
    if (t.dtype() != dtype) fail("Network", "outputs must be of one type, got ", name(dtype), " and ", name(t.dtype()));
  for (const Tensor& t : graph.inputs())
    if (t.dtype() != dtype && t.dtype() != DType::int32)
      fail("Network", "input \"", t.name(), "\" is ", name(t.dtype()), ", the output ", name(dtype));
}

void check_names(const Graph& graph) {
  std::set<std::string> names;
  for (const std::vector<Tensor>& kept : {graph.parameters(), graph.states()})
    for (const Tensor& t : kept)
      if (!names.insert(t.name()).second) fail("Network", "two parameters are named \"", t.name(), '"');
}

}  // namespace

Network::Impl::Impl(SettledGraph settled, std::uint64_t network_seed)
    : graph(std::move(settled.graph)), layers(std::move(settled.layers)), seed(network_seed) {
  check_batched("inputs", graph.inputs());
  check_batched("outputs", graph.outputs());
  dtype = graph.outputs()[0].dtype();
  check_types(graph, dtype);
  check_names(graph);
  name_ends();
  track_states();
  lay_out();
}

// A state that is tracked by several calls of a layer moves by each, in the order of the calls.
void Network::Impl::track_states() {
  std::map<Tensor, Tensor> next;
  for (const Tensor& t : graph.ops()) {
    if (t.op().kind != OpKind::track) continue;
    const Tensor& state = t.op().inputs[1];
    Tensor& value = next.try_emplace(state, state).first->second;
    value = value + (t.op().inputs[2] - value) * t.op().alpha;
  }
  for (const auto& [state, value] : next) tracked.push_back({state, value});
}

void Network::Impl::run(Plan& plan, const PlanRun& run) {
  const InUse::Running running;
  plan.run(run);
}

Dim Network::Impl::check_inputs(const ArrayViews& x) const {
  if (x.size() != inputs().size())
    fail("x", "expected one array for each of ", inputs().size(), " inputs, got ", x.size());
  Dim rows = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Tensor& t = inputs()[i];
    const bool alone = x.size() == 1;
    const std::string who = alone ? "x" : "x: " + t.name();
    const Dim own = check_shape(who, x[i], t.shape(), first_layers[i]);
    if (t.dtype() == DType::int32 && !is_integer(x[i].type)) fail(who, "must hold integers");
    if (i > 0 && own != rows) fail("x", "inputs have ", rows, " and ", own, " rows");
    rows = own;
  }
  return rows;
}

void Network::Impl::draw_values(Draw which) {
  std::uint32_t index = 0;
  for (const std::vector<Tensor>& held : {graph.parameters(), graph.states()})
    for (const Tensor& t : held)
      if (const std::uint32_t number = index++; which == Draw::all || t.op().residence->home == made)
        initialize(home_values(t.op()), t.shape(), t.dtype(), t.op().initializer, seed, number);
}

namespace {

// Who gives parameters their first values is alone: another network may be about to share them. An initializer of the
// caller's may make networks.
std::recursive_mutex moving_in;

}  // namespace

Network::Network(std::vector<Tensor> inputs, std::vector<Tensor> outputs, NetworkOptions options) {
  const Graph graph(std::move(inputs), std::move(outputs));
  const std::lock_guard lock(moving_in);
  const std::uint64_t seed = options.seed ? *options.seed : fresh_seed();
  const auto made = std::make_shared<Impl>(settle(graph, {options.precision, options.dtype}), seed);
  made->goes_on = made->all_trained();
  try {
    made->draw_values(Impl::Draw::first);
  } catch (...) {
    made->move_out();
    throw;
  }
  impl_ = made;
}

bool Network::goes_on() const { return impl_->goes_on; }
bool Network::is_trained() const { return impl_->is_trained(); }
bool Network::is_shared() const { return impl_->is_shared(); }

void Network::give_up() {
  const std::lock_guard lock(moving_in);
  impl_->move_out();
}

void Network::reset(std::optional<std::uint64_t> seed) {
  const InUse use(impl_->users, Use::changes);
  for (const std::vector<Tensor>& kept : {impl_->graph.parameters(), impl_->graph.states()})
    for (const Tensor& t : kept)
      if (is_forgotten(t.op().initializer))
        fail("reset", '"', t.name(), "\" began with values of an initializer written by hand, which files do not keep");
  impl_->seed = seed.value_or(impl_->seed);
  impl_->step = impl_->epoch = 0;
  impl_->kept.batch = -1;
  impl_->draw_values(Impl::Draw::all);
  impl_->note_training(false);
  impl_->clear_gradients();
}

RandomCounters Network::random_counters() const { return {impl_->step, impl_->epoch}; }

void Network::set_random_counters(RandomCounters counters) {
  const InUse use(impl_->users, Use::changes);
  impl_->step = counters.step;
  impl_->epoch = counters.epoch;
}

const Graph& Network::graph() const { return impl_->graph; }
DType Network::dtype() const { return impl_->dtype; }
std::uint64_t Network::seed() const { return impl_->seed; }

Precision Network::precision() const {
  for (const Tensor& t : impl_->graph.ops())
    if (is_product(t.op())) return t.op().precision;
  return Precision::highest;
}

Dim Network::n_parameters() const { return impl_->n_parameters; }
const std::vector<ParameterInfo>& Network::parameters() const { return impl_->parameters; }
const std::vector<ParameterInfo>& Network::states() const { return impl_->states; }

bool Network::is_in_one_block() const { return impl_->is_in_one_block(); }

void* Network::flat_parameters() {
  impl_->require_one_block("flat_parameters");
  return impl_->first_values();
}

void* Network::flat_gradients() {
  impl_->require_one_block("flat_gradients");
  impl_->blocks[0].home->show_gradients();
  return impl_->first_gradients();
}

namespace {

const ParameterInfo& find(const Network::Impl& net, const std::string& name) {
  for (const std::vector<ParameterInfo>* infos : {&net.parameters, &net.states})
    for (const ParameterInfo& info : *infos)
      if (info.name == name) return info;
  fail("Network", "has no parameter \"", name, '"');
}

}  // namespace

const ParameterInfo& Network::info_of(const std::string& name, ElementType type) const {
  const ParameterInfo& info = find(*impl_, name);
  if (type != element_type(dtype())) fail("Network", "holds ", backpass::name(dtype()), ", not the type asked for");
  return info;
}

namespace {

// Of another network it would be somebody else's memory.
void check_own(const Network& network, const ParameterInfo& info) {
  const auto is_it = [&](const ParameterInfo& own) {
    return own.name == info.name && own.offset == info.offset && own.size == info.size;
  };
  if (std::ranges::none_of(network.parameters(), is_it) && std::ranges::none_of(network.states(), is_it))
    fail("Network", "has no parameter or state \"", info.name, "\" in this place: it is of another network");
}

}  // namespace

void* Network::values_of(const ParameterInfo& info) {
  check_own(*this, info);
  return impl_->values_of(info);
}
void* Network::gradients_of(const ParameterInfo& info) {
  check_own(*this, info);
  impl_->blocks[impl_->block_of(info)].home->show_gradients();
  return impl_->gradients_of(info);
}

void Network::zero_grad() {
  const InUse use(impl_->users, Use::changes);
  impl_->clear_gradients();
}

std::vector<Tensor> Network::Impl::trained() const {
  std::vector<Tensor> all = graph.parameters();
  std::erase_if(all, [&](const Tensor& t) { return frozen.count(t.name()) > 0; });
  return all;
}

namespace {

// Every parameter and state whose name matches a pattern; throws where one matches none.
std::vector<ParameterInfo> matching(const char* who, const Network::Impl& net,
                                    const std::vector<std::string>& patterns) {
  std::vector<ParameterInfo> kept = net.parameters, found;
  kept.insert(kept.end(), net.states.begin(), net.states.end());
  for (const std::string& pattern : patterns) {
    const std::size_t before = found.size();
    for (const ParameterInfo& info : kept)
      if (matches(pattern, info.name)) found.push_back(info);
    if (found.size() == before) fail(who, "pattern must match a parameter or a state, got \"", pattern, '"');
  }
  return found;
}

}  // namespace

void Network::freeze(const std::vector<std::string>& patterns) {
  const InUse use(impl_->users, Use::changes);
  for (const ParameterInfo& info : matching("freeze", *impl_, patterns)) impl_->freeze(info);
  ++impl_->freezes;
}

void Network::unfreeze(const std::vector<std::string>& patterns) {
  const InUse use(impl_->users, Use::changes);
  for (const ParameterInfo& info : matching("unfreeze", *impl_, patterns)) impl_->frozen.erase(info.name);
  ++impl_->freezes;
}

std::vector<std::string> Network::frozen() const {
  std::vector<std::string> names;
  for (const std::vector<ParameterInfo>* infos : {&impl_->parameters, &impl_->states})
    for (const ParameterInfo& info : *infos)
      if (impl_->frozen.count(info.name) > 0) names.push_back(info.name);
  return names;
}

std::vector<std::pair<std::string, Array>> Network::state_dict() const {
  const InUse use(impl_->users, Use::reads);
  std::vector<std::pair<std::string, Array>> copies;
  for (const std::vector<ParameterInfo>* infos : {&impl_->parameters, &impl_->states})
    for (const ParameterInfo& info : *infos) {
      Array& copy = copies.emplace_back(info.name, Array(dtype(), info.shape)).second;
      if (copy.bytes() > 0) std::memcpy(copy.data(), impl_->values_of(info), copy.bytes());
    }
  return copies;
}

Network Network::clone(std::optional<DType> to) const {
  if (to == DType::int32) fail("Network", "holds float32 or float64, not int32");
  const InUse use(impl_->users, Use::reads);
  Network copy;
  copy.impl_ = std::make_shared<Impl>(settle(impl_->graph, {{}, to, true}), impl_->seed);
  copy.impl_->step = impl_->step;
  copy.impl_->epoch = impl_->epoch;
  copy.impl_->frozen = impl_->frozen;
  copy.impl_->copy_values(*impl_);
  copy.impl_->copy_gradients(*impl_);
  return copy;
}

void assign_states(PlanSpec& spec, const Network::Impl& net, Phase phase) {
  spec.assign_phase = phase;
  for (const Network::Impl::Tracked& tracked : net.tracked) {
    if (net.frozen.count(tracked.state.name()) > 0) continue;
    spec.assigns.push_back({tracked.next, net.places.at(&tracked.state.op())});
    mark_phase(spec, {tracked.next}, Phase::forward);
  }
}

void check_alone(const char* who, const std::vector<Tensor>& tensors, const char* what) {
  if (tensors.size() != 1) fail(who, "the network has ", tensors.size(), ' ', what, ": use ", who, "_all");
}

bool Network::adds_losses() const {
  return std::ranges::any_of(graph().ops(), [](const Tensor& t) { return t.op().kind == OpKind::add_loss; });
}

Array Network::forward(const ArrayViews& x, bool training, std::int64_t random_step) {
  check_alone("forward", impl_->outputs(), "outputs");
  return forward_all(x, training, random_step)[0];
}

Array Network::backward(const ArrayViews& grad_output) {
  check_alone("backward", impl_->inputs(), "inputs");
  return backward_all(grad_output)[0];
}

}  // namespace backpass
