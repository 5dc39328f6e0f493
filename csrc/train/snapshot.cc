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

// What a snapshot holds, in its order.
Buffers buffers_of(Network& network, const Optimizer* optimizer) {
  const Network::Impl& net = network.impl();
  const std::size_t bytes = static_cast<std::size_t>(net.n_values) * size_of(net.dtype);
  Buffers buffers{{net.values.data(), bytes}};
  if (optimizer == nullptr) return buffers;
  for (const AlignedBuffer& slot : optimizer->state()->slots)
    if (slot.data()) buffers.push_back({slot.data(), net.bytes()});
  return buffers;
}

bool match(const std::vector<Array>& held, const Buffers& buffers, DType dtype) {
  return std::equal(held.begin(), held.end(), buffers.begin(), buffers.end(), [&](const Array& array, auto buffer) {
    return array.dtype() == dtype && array.bytes() == buffer.size();
  });
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
  const Buffers buffers = buffers_of(network, optimizer);
  const Dim width = static_cast<Dim>(size_of(network.dtype()));
  if (!match(buffers_, buffers, network.dtype())) {
    buffers_.clear();
    for (const auto& buffer : buffers)
      buffers_.emplace_back(network.dtype(), Shape{static_cast<Dim>(buffer.size()) / width});
  }
  for (std::size_t i = 0; i < buffers.size(); ++i)
    std::memcpy(buffers_[i].data(), buffers[i].data(), buffers[i].size());
  steps_ = optimizer ? optimizer->steps() : 0;
}

void Snapshot::restore(Network& network, Optimizer* optimizer) const {
  const InUse use(network.impl().users, Use::changes);
  const Buffers buffers = buffers_of(network, optimizer);
  if (!match(buffers_, buffers, network.dtype())) fail("Snapshot", "is of another network");
  for (std::size_t i = 0; i < buffers.size(); ++i)
    std::memcpy(buffers[i].data(), buffers_[i].data(), buffers[i].size());
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
