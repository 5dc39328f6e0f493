// The layout of a network's parameters and states, and where it lies.
#include <algorithm>
#include <cstring>
#include <set>

#include "base/convert.h"
#include "base/error.h"
#include "base/sizes.h"
#include "nn/network_impl.h"

namespace backpass {

void Network::Impl::place(const Tensor& t, std::vector<ParameterInfo>& infos) {
  if (const Residence& lives = *t.op().residence; lives.home && lives.home->dtype != dtype)
    fail("Network", '"', t.name(), "\" lives in another network as ", backpass::name(lives.home->dtype),
         ", and this one computes in ", backpass::name(dtype),
         ": give it a clone of that type, or copies of the layers");
  if (t.dtype() != dtype)
    fail("Network", "parameter \"", t.name(), "\" is ", backpass::name(t.dtype()), ", the output ",
         backpass::name(dtype));
  const Dim size = element_count(t.shape());
  infos.push_back({t.name(), t.shape(), n_values, size});
  n_values += size;
  product_of_sizes(static_cast<std::size_t>(n_values), size_of(dtype));
}

void Network::Impl::lay_out() {
  const std::vector<Tensor> trained = graph.parameters(), others = graph.states();
  for (const Tensor& t : trained) place(t, parameters);
  n_parameters = n_values;
  if (!others.empty()) n_values = static_cast<Dim>(round_up(bytes()) / size_of(dtype));
  for (const Tensor& t : others) place(t, states);
  move_in(trained, others);
  for (std::size_t i = 0; i < trained.size(); ++i) find_block(parameters[i], *trained[i].op().residence);
  for (std::size_t i = 0; i < others.size(); ++i) find_block(states[i], *others[i].op().residence);
  if (blocks.empty()) blocks.push_back({std::make_shared<Home>(dtype, 0, 0)});
  for (std::size_t i = 0; i < trained.size(); ++i) places[&trained[i].op()] = place_of(parameters[i]);
  for (std::size_t i = 0; i < others.size(); ++i) places[&others[i].op()] = place_of(states[i]);
  first = blocks[0].values();
  first_at = static_cast<std::size_t>(blocks[0].at) * size_of(dtype);
  for (const Block& block : blocks) {
    if (std::ranges::find(users, &block.home->users) == users.end()) {
      users.push_back(&block.home->users);
      ++block.home->networks;
      tenancies.emplace_back(block.home.get(), [home = block.home](Home*) { --home->networks; });
    }
    if (&block == &blocks[0]) continue;
    more_blocks.insert(more_blocks.end(), {block.values(), block.gradients()});
  }
}

// What lives nowhere yet gets a home together.
void Network::Impl::move_in(const std::vector<Tensor>& trained, const std::vector<Tensor>& others) {
  std::vector<Residence*> moving;
  Dim next = 0;
  const auto lay = [&](const std::vector<Tensor>& tensors) {
    for (const Tensor& t : tensors) {
      if (t.op().residence->home) continue;
      moving.push_back(t.op().residence.get());
      moving.back()->offset = next;
      next += element_count(t.shape());
    }
  };
  lay(trained);
  const Dim count = next;
  const std::size_t before = moving.size();
  next = static_cast<Dim>(round_up(static_cast<std::size_t>(next) * size_of(dtype)) / size_of(dtype));
  lay(others);
  if (moving.empty()) return;
  made = std::make_shared<Home>(dtype, count, moving.size() > before ? next : count);
  for (Residence* residence : moving) residence->home = made;
}

bool Network::Impl::all_trained() const {
  std::set<const Home*> homes;
  Dim there = 0;
  for (const Block& block : blocks)
    if (homes.insert(block.home.get()).second) there += block.home->n_parameters;
  return n_parameters > 0 && there == n_parameters &&
         std::ranges::all_of(homes, [](const Home* home) { return home->trained.load(); });
}

bool Network::Impl::is_shared() const {
  return std::ranges::any_of(tenancies, [](const auto& home) { return home->networks > 1; });
}

bool Network::Impl::is_trained() const {
  return std::ranges::any_of(blocks, [](const Block& block) { return block.home->trained.load(); });
}

void Network::Impl::note_training(bool trained) {
  for (const Block& block : blocks) block.home->trained = trained;
}

void Network::Impl::move_out() {
  for (const std::vector<Tensor>& held : {graph.parameters(), graph.states()})
    for (const Tensor& t : held)
      if (t.op().residence->home == made) t.op().residence->home = nullptr;
}

void Network::Impl::find_block(const ParameterInfo& info, const Residence& lives) {
  const Dim end = info.offset + info.size;
  if (!blocks.empty()) {
    Block& last = blocks.back();
    const Dim last_end = last.at + last.end - last.begin;  // in its home
    // What lies between parameters and states is nobody's, here and there.
    const bool follows = info.offset == last.end || last_end == lives.home->n_parameters;
    if (last.home == lives.home && lives.offset - last.at == info.offset - last.begin && follows) {
      last.end = end;
      return;
    }
  }
  blocks.push_back({lives.home, info.offset, end, lives.offset});
}

// Of an empty parameter, any that is near.
std::size_t Network::Impl::block_of(const ParameterInfo& info) const {
  std::size_t found = 0;
  while (found + 1 < blocks.size() && blocks[found + 1].begin <= info.offset) ++found;
  return found;
}

Place Network::Impl::place_of(const ParameterInfo& info) const {
  const std::size_t block = block_of(info);
  return {parameters_slot(block), static_cast<std::size_t>(info.offset - blocks[block].begin) * size_of(dtype)};
}

std::byte* Network::Impl::values_of(const ParameterInfo& info) const {
  return blocks[block_of(info)].values() + place_of(info).offset;
}

std::byte* Network::Impl::gradients_of(const ParameterInfo& info) const {
  return blocks[block_of(info)].gradients() + place_of(info).offset;
}

std::span<std::byte* const> Network::Impl::set_blocks() const {
  for (std::size_t i = 1; i < blocks.size(); ++i) blocks[i].gradients();
  return more_blocks;
}

std::vector<FlatBlock> Network::Impl::flat_blocks() const {
  std::vector<FlatBlock> flat;
  for (const Block& block : blocks)
    if (block.begin < n_parameters || flat.empty()) flat.push_back({block.begin, std::min(block.end, n_parameters)});
  return flat;
}

// What is frozen here is trained by a network that shares it, whose gradients are left alone.
void Network::Impl::freeze(const ParameterInfo& info) {
  frozen.insert(info.name);
  if (info.offset < n_parameters && blocks[block_of(info)].home->networks == 1) clear_gradient(info);
}

void Network::Impl::clear_gradient(const ParameterInfo& info) {
  std::fill_n(gradients_of(info), static_cast<std::size_t>(info.size) * size_of(dtype), std::byte{0});
}

void Network::Impl::clear_gradients() {
  if (!frozen.empty() && is_shared()) {
    for (const ParameterInfo& info : parameters)
      if (frozen.count(info.name) == 0 || blocks[block_of(info)].home->networks == 1) clear_gradient(info);
    return;
  }
  for (const Block& block : blocks) {
    const Dim count = std::min(block.end, n_parameters) - block.begin;
    if (count == block.home->n_parameters)
      block.home->clear_gradients();
    else if (count > 0 && block.home->has_gradients())
      std::fill_n(block.gradients(), static_cast<std::size_t>(count) * size_of(dtype), std::byte{0});
  }
}

bool Network::Impl::has_gradients() const {
  return std::ranges::any_of(blocks, [](const Block& block) { return block.home->has_gradients(); });
}

void Network::Impl::require_one_block(const char* who) const {
  if (!is_in_one_block())
    fail("Network", "has parameters in several homes, shared with other networks: ", who,
         "() has no view of them; values(name) has one of each");
}

void Network::Impl::copy_values(const Impl& from) {
  const auto copy = [&](const std::vector<ParameterInfo>& to, const std::vector<ParameterInfo>& infos) {
    for (std::size_t i = 0; i < infos.size(); ++i)
      convert(values_of(to[i]), dtype, from.values_of(infos[i]), element_type(from.dtype), infos[i].size);
  };
  copy(parameters, from.parameters);
  copy(states, from.states);
}

void Network::Impl::copy_gradients(const Impl& from) {
  for (std::size_t i = 0; i < parameters.size() && from.has_gradients(); ++i)
    convert(gradients_of(parameters[i]), dtype, from.gradients_of(from.parameters[i]), element_type(from.dtype),
            parameters[i].size);
}

void Network::Impl::read_values(std::byte* dense) const {
  for (const Block& block : blocks) std::memcpy(dense + block.byte_begin(), block.values(), block.bytes());
}

void Network::Impl::write_values(const std::byte* dense) {
  for (const Block& block : blocks) std::memcpy(block.values(), dense + block.byte_begin(), block.bytes());
}

ValuesApart::ValuesApart(const Network::Impl& net) : values(net.value_bytes()), gradients(net.value_bytes()) {
  net.read_values(values.data());
  for (std::size_t i = 1; i < net.blocks.size(); ++i) {
    const std::size_t at = net.blocks[i].byte_begin();
    more_blocks.insert(more_blocks.end(), {values.data() + at, gradients.data() + at});
  }
}

}  // namespace backpass
