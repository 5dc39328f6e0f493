// An optimizer's state by name: out as copies, and back in.
#include <algorithm>
#include <cstring>

#include "base/convert.h"
#include "base/error.h"
#include "nn/network_impl.h"
#include "optim/state.h"

namespace backpass {
namespace {

// Fills one slot from the arrays of its parameters.
void read_slot(const std::string& who, const std::string& slot, const std::map<std::string, Array>& arrays,
               const Network::Impl& network, std::byte* out) {
  for (const ParameterInfo& parameter : network.parameters) {
    const auto found = arrays.find(parameter.name);
    if (found == arrays.end()) fail(who, "state: ", slot, " lacks \"", parameter.name, '"');
    const Array& array = found->second;
    if (array.shape() != parameter.shape)
      fail(who, "state: ", slot, " of \"", parameter.name, "\" must have shape ", to_string(parameter.shape), ", got ",
           to_string(array.shape()));
    if (overflows(array.data(), element_type(array.dtype()), network.dtype, parameter.size))
      fail(who, "state: ", slot, " of \"", parameter.name, "\" has a number that is too large for ",
           name(network.dtype));
    convert(out + static_cast<std::size_t>(parameter.offset) * size_of(network.dtype), network.dtype, array.data(),
            element_type(array.dtype()), parameter.size);
  }
  if (arrays.size() != network.parameters.size())
    fail(who, "state: ", slot, " has ", arrays.size(), " arrays for ", network.parameters.size(), " parameters");
}

void check_count(const std::string& who, const char* what, std::int64_t count) {
  if (count < 0) fail(who, what, " must not be negative, got ", count);
  if (count > kMostSteps) fail(who, what, " must be at most ", kMostSteps, ", got ", count);
}

Array copy_of(const ParameterInfo& parameter, DType dtype, const std::byte* from) {
  Array array(dtype, parameter.shape);
  std::memcpy(array.data(), from + static_cast<std::size_t>(parameter.offset) * size_of(dtype), array.bytes());
  return array;
}

}  // namespace

Optimizer::State::Slots Optimizer::State::make_slots(const Network::Impl& network, const OptimizerState& from) const {
  Slots made(slot_names.size());
  const double initial = rule.initial;
  for (std::size_t i = 0; i < made.size(); ++i) {
    if (slot_names[i].empty()) continue;
    made[i] = AlignedBuffer(network.bytes());
    const auto found = from.slots.find(slot_names[i]);
    if (found != from.slots.end())
      read_slot(description.type, slot_names[i], found->second, network, made[i].data());
    else if (from.steps > 0)
      fail(description.type, "state lacks ", slot_names[i]);
    else if (i == 0 && initial != 0)
      for (Dim at = 0; at < network.n_parameters; ++at)
        convert(made[i].data() + static_cast<std::size_t>(at) * size_of(network.dtype), network.dtype, &initial,
                ElementType::float64, 1);
  }
  for (const auto& [name, arrays] : from.slots)
    if (name.empty() || std::ranges::find(slot_names, name) == slot_names.end())
      fail(description.type, "state has ", name, ", which its settings do not use");
  return made;
}

OptimizerState Optimizer::state_dict() const {
  const State::Hold hold(*state_, Use::reads);
  const State& state = *state_;
  OptimizerState result = state.loaded.value_or(OptimizerState{type()});
  result.steps = state.steps;
  result.learning_rate = state.learning_rate;
  result.epochs = state.epochs;
  if (!state.bound) return result;
  for (std::size_t i = 0; i < state.slots.size(); ++i)
    if (!state.slot_names[i].empty())
      for (const ParameterInfo& parameter : state.bound->parameters)
        result.slots[state.slot_names[i]].emplace(parameter.name,
                                                  copy_of(parameter, state.bound->dtype, state.slots[i].data()));
  return result;
}

void Optimizer::load_state_dict(OptimizerState from) {
  if (from.type != type()) fail(type(), "state must be of ", type(), ", got ", from.type);
  check_count(type(), "steps", from.steps);
  check_count(type(), "epochs", from.epochs);
  check_learning_rate(type(), from.learning_rate);
  const State::Hold hold(*state_, Use::changes);
  if (state_->bound) {  // in place: whoever holds a slot goes on seeing it
    const State::Slots read = state_->make_slots(*state_->bound, from);
    for (std::size_t i = 0; i < read.size(); ++i)
      if (read[i].data()) std::memcpy(state_->slots[i].data(), read[i].data(), read[i].size());
  }
  state_->learning_rate = from.learning_rate;
  state_->steps = from.steps;
  state_->epochs = from.epochs;
  if (!state_->bound) state_->loaded = std::move(from);
}

}  // namespace backpass
