// Copies of what training changes.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backpass/watchers.h"
#include "base/error.h"
#include "nn/network_impl.h"
#include "optim/state.h"
#include "train/column.h"

namespace backpass {
namespace {

using Buffers = std::vector<std::span<std::byte>>;

// What a snapshot holds behind the network's values, in its order.
Buffers slots_of(const Network::Impl& net, const Optimizer* optimizer) {
  Buffers buffers;
  if (optimizer == nullptr) return buffers;
  for (const AlignedBuffer& slot : optimizer->state()->slots)
    if (slot.data()) buffers.push_back({slot.data(), net.bytes()});
  return buffers;
}

bool match(const std::vector<Array>& held, const Network::Impl& net, const Buffers& slots) {
  const auto fits = [&](const Array& array, std::size_t bytes) {
    return array.dtype() == net.dtype && array.bytes() == bytes;
  };
  return !held.empty() && fits(held[0], net.value_bytes()) &&
         std::equal(held.begin() + 1, held.end(), slots.begin(), slots.end(),
                    [&](const Array& array, auto slot) { return fits(array, slot.size()); });
}

std::string numbered(const std::string& name, std::size_t i) { return name + "." + std::to_string(i); }

}  // namespace

double WatcherState::number(const std::string& name) const {
  for (const auto& [key, value] : numbers)
    if (key == name) return value;
  fail("load_state", "has no \"", name, '"');
}

std::int64_t WatcherState::whole(const std::string& name, std::int64_t least, std::int64_t most) const {
  const double value = number(name);
  if (!(value >= static_cast<double>(least) && value <= static_cast<double>(most)) || value != std::floor(value))
    fail("load_state", name, " must be a whole number from ", least, " to ", most, ", got ", value);
  return static_cast<std::int64_t>(value);
}

void Snapshot::take(Network& network, const Optimizer* optimizer) {
  const InUse use(network.impl().users, Use::reads);
  const Network::Impl& net = network.impl();
  const Buffers slots = slots_of(net, optimizer);
  if (!match(buffers_, net, slots)) {
    buffers_.clear();
    buffers_.emplace_back(net.dtype, Shape{net.n_values});
    for (const auto& slot : slots)
      buffers_.emplace_back(net.dtype, Shape{static_cast<Dim>(slot.size() / size_of(net.dtype))});
  }
  net.read_values(static_cast<std::byte*>(buffers_[0].data()));
  for (std::size_t i = 0; i < slots.size(); ++i) std::memcpy(buffers_[i + 1].data(), slots[i].data(), slots[i].size());
  steps_ = optimizer ? optimizer->steps() : 0;
}

void Snapshot::restore(Network& network, Optimizer* optimizer) const {
  const InUse use(network.impl().users, Use::changes);
  Network::Impl& net = network.impl();
  const Buffers slots = slots_of(net, optimizer);
  if (!match(buffers_, net, slots)) fail("Snapshot", "is of another network");
  net.write_values(static_cast<const std::byte*>(buffers_[0].data()));
  for (std::size_t i = 0; i < slots.size(); ++i) std::memcpy(slots[i].data(), buffers_[i + 1].data(), slots[i].size());
  if (optimizer) optimizer->state()->steps = steps_;
}

void Snapshot::save(WatcherState& state, const std::string& name) const {
  state.numbers.emplace_back(name + ".steps", static_cast<double>(steps_));
  for (std::size_t i = 0; i < buffers_.size(); ++i) state.arrays.emplace_back(numbered(name, i), copy_of(buffers_[i]));
}

void Snapshot::load(const WatcherState& state, const std::string& name) {
  steps_ = state.whole(name + ".steps", 0, kMostSteps);
  buffers_.clear();
  for (const auto& [key, array] : state.arrays)
    if (key == numbered(name, buffers_.size())) buffers_.push_back(copy_of(array));
}

}  // namespace backpass
