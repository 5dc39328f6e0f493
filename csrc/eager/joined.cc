// Parameters of whatever networks, and leaves of one's own, as those of one network.
#include <algorithm>
#include <cstring>
#include <set>

#include "backpass/eager.h"
#include "base/error.h"
#include "eager/callees.h"
#include "nn/network_impl.h"

namespace backpass::eager {

Tensor parameter_leaf(const Network& network, std::size_t i) {
  const auto place = std::make_shared<ParameterPlace>(network, i);
  const Tensor op = place->op();
  Array memory(op.dtype(), op.shape(), std::shared_ptr<void>(op.op().residence->home, home_values(op.op())));
  Tensor leaf = known_tensor(std::move(memory), true);
  leaf.op().recorded->callee = place;
  return leaf;
}

namespace {

const ParameterPlace* place_of(const Tensor& leaf) {
  const ExpandingCallee* callee = is_eager(leaf) ? callee_of(*leaf.op().recorded) : nullptr;
  return callee && callee->parameter() ? static_cast<const ParameterPlace*>(callee) : nullptr;
}

// The op of a parameter or state, wherever it lives; an empty one of a leaf that lives nowhere.
Tensor resident(const Tensor& t) {
  if (const ParameterPlace* place = place_of(t)) return place->op();
  return is_eager(t) ? Tensor() : t;
}

// A network whose graph is there for its parameters alone.
Network network_of_residents(const std::vector<std::pair<std::string, Tensor>>& residents) {
  const Tensor x = input({kBatch, 1}, residents[0].second.dtype());
  Tensor y = x;
  for (const auto& [name, t] : residents) {
    Op op = t.op();
    op.name = name;
    y = y + sum(make_tensor(std::move(op)));
  }
  return Network({x}, {y}, {0, {}, {}});
}

// Leaves as parameters of a network of their own, where they live from now on.
void move_together(const std::vector<std::pair<std::string, Tensor>>& leaves) {
  std::vector<std::pair<std::string, Tensor>> residents;
  for (const auto& [name, leaf] : leaves) residents.emplace_back(name, parameter(leaf.shape(), leaf.dtype(), name));
  const Network network = network_of_residents(residents);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    Recorded& own = *leaves[i].second.op().recorded;
    const Tensor placed = parameter_leaf(network, i);
    Array memory = placed.op().recorded->value;
    if (memory.bytes() > 0) std::memcpy(memory.data(), own.value.data(), memory.bytes());
    own.value = memory;
    own.callee = placed.op().recorded->callee;
    const Tensor before = std::exchange(own.grad, {});
    if (before) assign(grad(leaves[i].second), value(before));
  }
}

void check(const std::vector<std::pair<std::string, Tensor>>& parts) {
  if (parts.empty()) fail("parameters", "needs a parameter");
  for (const auto& [name, t] : parts) {
    if (!is_parameter(t))
      fail("parameters", '"', name, "\" must be a leaf that requires a gradient: a tensor made with requires_grad");
    if (t.dtype() != parts[0].second.dtype())
      fail("parameters", "must be of one type, got ", backpass::name(parts[0].second.dtype()), " of \"", parts[0].first,
           "\" and ", backpass::name(t.dtype()), " of \"", name, '"');
  }
}

}  // namespace

bool is_parameter(const Tensor& t) {
  if (!is_eager(t)) return t.op().kind == OpKind::parameter || t.op().kind == OpKind::state;
  return place_of(t) || (t.op().recorded->leaf && requires_grad(t));
}

const void* identity(const Tensor& t) {
  const Tensor found = resident(t);
  if (!found) return &t.op();
  const void* values = home_values(found.op());
  return values && element_count(t.shape()) > 0 ? values : found.op().residence.get();
}

Network joined(const std::vector<std::pair<std::string, Tensor>>& parts) {
  check(parts);
  std::vector<std::pair<std::string, Tensor>> homeless, residents;
  std::set<const void*> seen;
  for (const auto& part : parts) {
    if (!seen.insert(identity(part.second)).second) fail("parameters", '"', part.first, "\" is given twice");
    if (!resident(part.second)) homeless.push_back(part);
  }
  settle();
  if (!homeless.empty()) move_together(homeless);
  for (const auto& [name, t] : parts) residents.emplace_back(name, resident(t));
  return network_of_residents(residents);
}

const Network* network_of(const std::vector<Tensor>& leaves) {
  const ParameterPlace* first = leaves.empty() ? nullptr : place_of(leaves[0]);
  if (!first) return nullptr;
  const Network::Impl& net = first->network()->impl();
  std::vector<std::string> names;
  for (const Tensor& leaf : leaves) {
    const ParameterPlace* place = place_of(leaf);
    if (!place || &place->network()->impl() != &net) return nullptr;
    names.push_back(place->parameter()->name);
  }
  std::ranges::sort(names);
  if (std::ranges::adjacent_find(names) != names.end()) return nullptr;
  const auto is_there = [&](const Tensor& t) { return std::ranges::binary_search(names, t.name()); };
  return std::ranges::all_of(net.trained(), is_there) ? first->network() : nullptr;
}

}  // namespace backpass::eager
