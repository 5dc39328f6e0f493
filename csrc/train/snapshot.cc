// Copies of what training changes.
#include <cstring>

#include "backpass/watchers.h"
#include "base/error.h"
#include "nn/network_impl.h"
#include "optim/state.h"

namespace backpass {
namespace {

// What a snapshot holds, in its order.
std::vector<std::span<std::byte>> buffers_of(Network& network, const Optimizer* optimizer) {
  const Network::Impl& net = network.impl();
  const std::size_t bytes = static_cast<std::size_t>(net.n_values) * size_of(net.dtype);
  std::vector<std::span<std::byte>> buffers{{net.values.data(), bytes}};
  if (optimizer == nullptr) return buffers;
  for (const AlignedBuffer& slot : optimizer->state()->slots)
    if (slot.data()) buffers.push_back({slot.data(), net.bytes()});
  return buffers;
}

std::string numbered(const std::string& name, std::size_t i) { return name + "." + std::to_string(i); }

}  // namespace

double WatcherState::number(const std::string& name) const {
  for (const auto& [key, value] : numbers)
    if (key == name) return value;
  fail("load_state", "has no \"", name, '"');
}

void Snapshot::take(Network& network, const Optimizer* optimizer) {
  const std::vector<std::span<std::byte>> buffers = buffers_of(network, optimizer);
  const Dim width = static_cast<Dim>(size_of(network.dtype()));
  if (buffers_.size() != buffers.size()) {
    buffers_.clear();
    for (const auto& buffer : buffers)
      buffers_.emplace_back(network.dtype(), Shape{static_cast<Dim>(buffer.size()) / width});
  }
  for (std::size_t i = 0; i < buffers.size(); ++i)
    std::memcpy(buffers_[i].data(), buffers[i].data(), buffers[i].size());
  steps_ = optimizer ? optimizer->steps() : 0;
}

void Snapshot::restore(Network& network, Optimizer* optimizer) const {
  const std::vector<std::span<std::byte>> buffers = buffers_of(network, optimizer);
  bool fits = buffers.size() == buffers_.size();
  for (std::size_t i = 0; fits && i < buffers.size(); ++i) fits = buffers[i].size() == buffers_[i].bytes();
  if (!fits) fail("Snapshot", "is of another network");
  for (std::size_t i = 0; i < buffers.size(); ++i)
    std::memcpy(buffers[i].data(), buffers_[i].data(), buffers[i].size());
  if (optimizer) optimizer->state()->steps = steps_;
}

void Snapshot::save(WatcherState& state, const std::string& name) const {
  state.numbers.emplace_back(name + ".steps", static_cast<double>(steps_));
  for (std::size_t i = 0; i < buffers_.size(); ++i) state.arrays.emplace_back(numbered(name, i), buffers_[i]);
}

void Snapshot::load(const WatcherState& state, const std::string& name) {
  buffers_.clear();
  steps_ = static_cast<std::int64_t>(state.number(name + ".steps"));
  for (const auto& [key, array] : state.arrays)
    if (key == numbered(name, buffers_.size())) buffers_.push_back(array);
}

}  // namespace backpass
