// Gradients of several batches in one buffer, for one update.
#include "train/accumulate.h"

#include <cstring>

#include "base/error.h"
#include "train/trainer_impl.h"

namespace backpass {
namespace {

constexpr double kLeastWeight = 1e-30;

void put(std::byte* to, DType dtype, double value) {
  const float narrow = static_cast<float>(value);
  if (dtype == DType::float64)
    std::memcpy(to, &value, sizeof(value));
  else
    std::memcpy(to, &narrow, sizeof(narrow));
}

// Of several losses one weight must do for all: they share the buffer.
Tensor weight_of(const LossInputs& in) {
  if (in.total_weight.size() > 1 && in.own_weights)
    fail("accumulate", "the losses of several outputs must weigh rows alike: without class_weight and ignore_index");
  return in.total_weight[0];
}

// What the buffer holds of a parameter's gradient before the walk.
Tensor held_gradient(PlanSpec& spec, const Network::Impl& net, const Tensor& parameter, const char* who) {
  if (parameter.op().sparse)
    fail(who, '"', parameter.name(), "\" is sparse: its gradients are not kept from batch to batch");
  const Tensor held = input(parameter.shape(), net.dtype, "grad " + parameter.name());
  spec.leaves[&held.op()] = gradient_beside(net.places.at(&parameter.op()));
  return held;
}

}  // namespace

void average_with_gradients(PlanSpec& spec, const Network::Impl& net, const LossInputs& in,
                            const std::vector<Tensor>& parameters, std::vector<Tensor>& grads) {
  const Tensor before = input({}, net.dtype, "weight before"), own = weight_of(in);
  spec.inputs.push_back({before, false});
  // Rows that weigh nothing change nothing.
  const Tensor part = own / maximum(before + own, constant(kLeastWeight, {}, net.dtype)), keep = 1.0 - part;
  for (std::size_t i = 0; i < grads.size(); ++i)
    grads[i] = held_gradient(spec, net, parameters[i], "accumulate") * keep + grads[i] * part;
}

void add_to_gradients(PlanSpec& spec, const Network::Impl& net, const std::vector<Tensor>& parameters,
                      std::vector<Tensor>& grads) {
  for (std::size_t i = 0; i < grads.size(); ++i) grads[i] = held_gradient(spec, net, parameters[i], "fit") + grads[i];
}

namespace {

// Calls use(gradient in the buffer, where it lies in a dense one, elements) for each parameter.
void each_gradient(const Network::Impl& net, const AlignedBuffer& dense, auto use) {
  std::byte* held = dense.data();
  for (const ParameterInfo& info : net.parameters) {
    use(net.gradients_of(info), held, info.size);
    held += static_cast<std::size_t>(info.size) * size_of(net.dtype);
  }
}

template <class T>
void add_to(std::byte* to, const std::byte* from, Dim count) {
  for (Dim i = 0; i < count; ++i) reinterpret_cast<T*>(to)[i] += reinterpret_cast<const T*>(from)[i];
}

}  // namespace

void HeldGradients::take(const Network::Impl& net) {
  bytes_.reserve(net.bytes());
  each_gradient(net, bytes_, [&](const std::byte* gradient, std::byte* held, Dim count) {
    if (count > 0) std::memcpy(held, gradient, static_cast<std::size_t>(count) * size_of(net.dtype));
  });
}

void HeldGradients::put(const Network::Impl& net) const {
  each_gradient(net, bytes_, [&](std::byte* gradient, const std::byte* held, Dim count) {
    if (count > 0) std::memcpy(gradient, held, static_cast<std::size_t>(count) * size_of(net.dtype));
  });
}

void HeldGradients::add(const Network::Impl& net) const {
  each_gradient(net, bytes_, net.dtype == DType::float64 ? add_to<double> : add_to<float>);
}

// A running mean: the buffer holds the mean of all batches so far after each of them, whatever follows.
double Trainer::Impl::accumulate(const Batch& batch, double& weight) {
  if (weight == 0) net().clear_gradients();  // they may hold nan
  put(objective.scalars.data() + Objective::Impl::kWeightBefore, net().dtype, weight);
  Plan& plan = training_plan(batch.count, *batch.targets, batch.predict, Ending::accumulate);
  // States move with every batch, in what is an update phase without an update.
  const double loss = walk(plan, batch);
  updated = plan.updated();
  weight += objective.heads[0].weight;
  return loss;
}

}  // namespace backpass
