// Optimizers of one's own, composed of ops: a plan of their own, which runs when the gradients are in their buffer.
#include <algorithm>

#include "base/convert.h"
#include "base/error.h"
#include "nn/network_impl.h"
#include "optim/state.h"

namespace backpass {
namespace {

enum Variant : int { kClip = 1, kComposed = 2 };
// Behind the network's buffers: the numbers, then the slots.
constexpr int kNumbers = kFirstExternal, kFirstSlot = kFirstExternal + 1;

Description described(const ComposedOptimizer& own) {
  Attributes all{{"learning_rate", own.learning_rate}, {"weight_decay", own.weight_decay}};
  all.insert(all.end(), own.settings.begin(), own.settings.end());
  return {own.name, std::move(all)};
}

Rule decay_rule(ComposedOptimizer own) {
  check_fields(own.name, {{"learning_rate", &own.learning_rate, "the step size", kNotNegative},
                          {"weight_decay", &own.weight_decay, "added to the gradient", kNotNegative}});
  return {.settings = {.weight_decay = own.weight_decay}, .learning_rate = own.learning_rate};
}

}  // namespace

void check_results(const ComposedOptimizer& own, const std::string& parameter, const Tensor& weight,
                   const std::vector<Tensor>& results) {
  const Shape& shape = weight.shape();
  const DType dtype = weight.dtype();
  if (results.size() != 1 + own.slots.size())
    fail(own.name, "update must give the weight and ", own.slots.size(), " slots, got ", results.size(), " tensors");
  for (const Tensor& t : results)
    if (!t || t.shape() != shape || t.dtype() != dtype)
      fail(own.name, "update of \"", parameter, "\" must give tensors of shape ", to_string(shape), " and ",
           name(dtype), ", got ", t ? to_string(t.shape()) : "none", t ? " and " : "", t ? name(t.dtype()) : "");
}

Optimizer::State::State(ComposedOptimizer own, const OptimizerOptions& with)
    : State(described(own), with, decay_rule(own)) {
  if (with.decay_schedule.type() != "ConstantRate")
    fail(own.name, "takes no decay_schedule: its weight decay is one number");
  slot_names = own.slots;
  for (std::size_t i = 0; i < slot_names.size(); ++i)
    if (slot_names[i].empty() || std::count(slot_names.begin(), slot_names.end(), slot_names[i]) > 1)
      fail(own.name, "slots must have names of their own, got \"", slot_names[i], '"');
  composed = std::move(own);
}

// Everything new lies in the arena until all of it is there; the guard is nan where the gradient is not finite, or
// something new would not be.
PlanSpec Optimizer::State::composed_spec(const Network::Impl& net) const {
  groups.check(net.parameters);
  PlanSpec spec;
  spec.dtype = net.dtype;
  const std::size_t width = size_of(net.dtype);
  const Tensor step = spec.leaf({}, "step", {kNumbers, 0});
  spec.guard = constant(0.0, {}, net.dtype);
  for (const ParameterInfo& info : net.parameters) {
    if (net.frozen.count(info.name) > 0 || info.size == 0) continue;
    const Place place = net.place_of(info);
    const std::size_t entry = static_cast<std::size_t>(groups.settings_of(info));
    UpdateInputs in{spec.leaf(info.shape, info.name, place),
                    spec.leaf(info.shape, "grad " + info.name, gradient_beside(place)),
                    {},
                    spec.leaf({}, "learning_rate", {kNumbers, (1 + entry) * width}),
                    step};
    for (std::size_t i = 0; i < slot_names.size(); ++i)
      in.slots.push_back(
          spec.leaf(info.shape, slot_names[i], {kFirstSlot + static_cast<int>(i), net.bytes_before(info)}));
    Tensor zero = in.grad * 0.0;
    const double decay = groups.table()[entry].weight_decay;
    if (decay != 0) in.grad = in.grad + in.weight * decay;
    const std::vector<Tensor> results = composed->update(in);
    check_results(*composed, info.name, in.weight, results);
    for (std::size_t i = 0; i < results.size(); ++i) {
      const Place slot{kFirstSlot + static_cast<int>(i) - 1, net.bytes_before(info)};
      spec.assigns.push_back({elementwise(Elementwise::copy, results[i]), i == 0 ? place : slot});
      zero = zero + results[i] * 0.0;
    }
    spec.guard = spec.guard + sum(zero);
  }
  spec.outputs.push_back({spec.guard, {}});
  return spec;
}

Plan& Optimizer::State::composed_plan(const Network::Impl& net) {
  if (!composed->update) fail(description.type, "has no update of its own: it steps by hand");
  return workspace.plan(plan_key(0, kComposed, net.freezes),
                        [&] { return std::make_unique<Plan>(composed_spec(net)); });
}

Plan& Optimizer::State::clip_plan(const Network::Impl& net) {
  return workspace.plan(plan_key(0, kClip, net.freezes), [&] {
    PlanSpec spec;
    spec.dtype = net.dtype;
    add_update(spec, net);
    spec.update.sweeps = false;
    return std::make_unique<Plan>(spec);
  });
}

bool Optimizer::State::step_composed(Network::Impl& net) {
  if (options.clip_norm || options.clip_value) {
    Plan& clip = clip_plan(net);
    if (!walk(net, clip, buffers(net, workspace.arena()))) return false;
  }
  Plan& plan = composed_plan(net);
  const std::size_t width = size_of(net.dtype);
  numbers.reserve((1 + groups.table().size()) * width);
  const auto put = [&](std::size_t i, double value) {
    convert(numbers.data() + i * width, net.dtype, &value, ElementType::float64, 1);
  };
  put(0, static_cast<double>(steps + 1));
  for (std::size_t i = 0; i < groups.table().size(); ++i) put(1 + i, current_learning_rate() * groups.table()[i].rate);
  const auto fixed = buffers(net, workspace.arena());
  places.assign(fixed.begin(), fixed.end());
  places.push_back(numbers.data());
  for (const AlignedBuffer& slot : slots) places.push_back(slot.data());
  return walk(net, plan, places);
}

void Optimizer::State::compile(Network& network) {
  const bool composes = composed && composed->update;
  if (composes && !bound) composed_spec(network.impl());  // what is refused binds nothing
  bind(network);
  if (composes) composed_plan(network.impl());
}

}  // namespace backpass
