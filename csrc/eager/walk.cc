// Walking a recording.
#include "eager/walk.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "eager/drawn.h"
#include "graph/op_row.h"
#include "nn/network_impl.h"

namespace backpass::eager {
namespace {

constexpr std::uint64_t kLeafTag = 0x9e3779b97f4a7c15, kWantedTag = 0xc2b2ae3d27d4eb4f, kActiveTag = 0x165667b19e3779f9,
                        kHookTag = 0x27d4eb2f165667c5, kRetainTag = 0x85ebca77c2b2ae63, kMadeTag = 0x2545f4914f6cdd1d;

std::uint64_t mixed(std::uint64_t hash, std::uint64_t word) {
  hash ^= word + kLeafTag + (hash << 12) + (hash >> 4);
  hash *= 0xff51afd7ed558ccd;
  return hash ^ (hash >> 32);
}

std::uint64_t mixed(std::uint64_t hash, const std::string& text) {
  for (const char c : text) hash = mixed(hash, static_cast<unsigned char>(c));
  return mixed(hash, text.size());
}

template <class T>
std::uint64_t word(const T& value) {
  if constexpr (std::is_same_v<T, double>)
    return std::bit_cast<std::uint64_t>(value);
  else
    return static_cast<std::uint64_t>(value);
}

std::uint64_t mixed_member(std::uint64_t hash, const Op& op, const OpField& field) {
  return std::visit(
      [&](auto member) {
        const auto& value = op.*member;
        using Value = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Value, std::string>) {
          return mixed(hash, value);
        } else if constexpr (std::is_same_v<Value, Initializer>) {
          return mixed(hash, value.name);
        } else if constexpr (std::is_same_v<Value, std::optional<Dim>>) {
          return mixed(mixed(hash, value.has_value()), word(value.value_or(0)));
        } else if constexpr (requires { value.begin(); }) {
          for (const auto& each : value) hash = mixed(hash, word(each));
          return mixed(hash, value.size());
        } else {
          return mixed(hash, word(value));
        }
      },
      field.member);
}

// Of a value, whatever it was computed by.
std::uint64_t digest_of_leaf(const Op& op) {
  std::uint64_t hash = mixed(static_cast<std::uint64_t>(op.dtype), op.shape.size());
  for (const Dim dim : op.shape) hash = mixed(hash, word(dim));
  return hash;
}

std::uint64_t digest_of(const Op& op) {
  std::uint64_t hash = mixed(digest_of_leaf(op), static_cast<std::uint64_t>(op.kind) + 1);
  for (const OpField& field : row_of(op).fields)
    if (op.kind != OpKind::constant && op.kind != OpKind::input) hash = mixed_member(hash, op, field);
  if (op.kind == OpKind::elementwise && !takes_number(op)) hash = mixed(hash, word(op.alpha));
  hash = mixed(hash, reinterpret_cast<std::uintptr_t>(op.update.get()));
  return mixed(hash, reinterpret_cast<std::uintptr_t>(op.host.get()));
}

std::uint64_t next_walk() {
  static std::uint64_t walks = 0;  // under the host program's lock
  return ++walks;
}

class Walk {
 public:
  explicit Walk(Purpose purpose) : purpose_(purpose), number_(next_walk()) {}

  void add(const Tensor& t) {
    open_.push_back(&t);
    while (!open_.empty()) {
      const Tensor& next = *open_.back();
      open_.pop_back();
      draw(next);
      if (!mark(next)) continue;
      const bool leaf = is_leaf(next.op());
      found_.push_back({&next, leaf});
      if (!leaf)
        for (const Tensor& x : next.op().inputs) open_.push_back(&x);
    }
  }

  void sort_into(Recording& recording) {
    std::ranges::sort(found_, {}, [](const Found& each) { return each.tensor->op().id; });
    for (std::size_t i = 0; i < found_.size(); ++i) place(found_[i].tensor->op()) = i;
    recording.nodes.reserve(found_.size());
    for (const auto& [t, leaf] : found_) {
      Node node{*t, t->op().recorded ? t->op().recorded->callee : nullptr, recording.inputs.size()};
      node.leaf = leaf;
      if (!leaf)
        for (const Tensor& x : t->op().inputs) recording.inputs.push_back(at(x));
      node.n_inputs = recording.inputs.size() - node.first_input;
      recording.nodes.push_back(std::move(node));
    }
    recording.number = number_;
  }

  std::size_t at(const Tensor& t) { return place(t.op()); }

 private:
  bool is_leaf(const Op& op) const {
    const Recorded* recorded = op.recorded.get();
    if (op.inputs.empty()) return true;
    return recorded && recorded->known && !(purpose_ == Purpose::gradients && recorded->requires_grad);
  }

  // Whether this is the first time.
  bool mark(const Tensor& t) {
    Recorded* recorded = t.op().recorded.get();
    if (!recorded) return others_.emplace(&t.op(), 0).second;
    return std::exchange(recorded->walk, number_) != number_;
  }

  std::size_t& place(const Op& op) { return op.recorded ? op.recorded->index : others_[&op]; }

  struct Found {
    const Tensor* tensor;
    bool leaf;
  };

  const Purpose purpose_;
  const std::uint64_t number_;
  std::vector<const Tensor*> open_;
  std::vector<Found> found_;
  std::unordered_map<const Op*, std::size_t> others_;
};

// The number of the last change of a leaf's values.
std::uint64_t changed(const Tensor& leaf) {
  const Recorded* recorded = leaf.op().recorded.get();
  if (!recorded || !recorded->leaf) return 0;
  std::uint64_t last = recorded->changed;
  if (const ExpandingCallee* callee = callee_of(*recorded); callee && callee->parameter())
    for (const Block& block : callee->network()->impl().blocks)
      last = std::max<std::uint64_t>(last, block.home->changes);
  return last;
}

void check_current(const Node& node) {
  const ExpandingCallee* callee = node.callee();
  if (node.active && !node.leaf && callee && callee->is_outdated())
    fail("backward", "the parameters of a model have changed since it was called: call it again");
  if (!node.active || node.leaf) return;
  for (const Tensor& x : node.op().inputs)
    if (changed(x) > node.op().id)
      fail("backward", "a leaf of shape ", to_string(x.shape()),
           " has changed since it was used: compute what follows from it again, or change it after backward");
}

void check_kept(const Node& node, Purpose purpose) {
  if (purpose == Purpose::gradients && node.recorded() && node.recorded()->freed)
    fail("backward",
         "a backward has let go of what this was made from: backward with retain_graph keeps it for another one, and "
         "detach() takes the value alone");
}

void add_flags(const Node& node, std::vector<std::uint64_t>& key) {
  std::uint64_t flags = (node.leaf ? kLeafTag : 0) ^ (node.wanted ? kWantedTag : 0) ^ (node.active ? kActiveTag : 0);
  if (const Recorded* recorded = node.recorded()) {
    if (!recorded->hooks.empty()) flags ^= kHookTag;
    if (recorded->retains_grad) flags ^= kRetainTag;
    if (recorded->leaf) flags ^= kMadeTag;
    const std::optional<Draw>& drawn = node.leaf ? recorded->follows : recorded->draw;
    if (drawn) flags = mixed(flags, drawn->stream + 1);
  }
  key.push_back(flags);
}

std::uint64_t digest(const Node& node) {
  Recorded* recorded = node.recorded();
  if (!recorded) return digest_of(node.op());
  if (node.leaf) return digest_of_leaf(node.op());
  if (recorded->digest == 0) recorded->digest = digest_of(node.op());
  return recorded->digest;
}

void mark_active(Recording& recording) {
  std::vector<Node>& nodes = recording.nodes;
  for (const std::size_t root : recording.roots) nodes[root].active = true;
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node)
    for (const std::size_t input : recording.inputs_of(*node))
      if (const Recorded* recorded = nodes[input].recorded(); node->active && recorded && recorded->requires_grad)
        nodes[input].active = true;
}

void write_key(Recording& recording, Purpose purpose) {
  std::vector<std::uint64_t>& key = recording.key;
  key.reserve(6 * recording.nodes.size() + 8);
  key.push_back(static_cast<std::uint64_t>(purpose));
  std::unordered_map<const void*, std::size_t> groups;
  for (std::size_t i = 0; i < recording.nodes.size(); ++i) {
    const Node& node = recording.nodes[i];
    key.push_back(digest(node));
    add_flags(node, key);
    if (takes_number(node.op()) && !(node.leaf && node.recorded()))
      recording.numbers.push_back(std::bit_cast<std::uint64_t>(node.op().alpha));
    if (const ExpandingCallee* callee = node.callee(); callee && (!node.leaf || callee->parameter())) {
      key.push_back(callee->key());
      if (callee->group() != callee) key.push_back(groups.try_emplace(callee->group(), i).first->second);
    }
    const auto inputs = recording.inputs_of(node);
    key.insert(key.end(), inputs.begin(), inputs.end());
  }
  key.insert(key.end(), recording.roots.begin(), recording.roots.end());
}

}  // namespace

bool takes_number(const Op& op) {
  return op.kind == OpKind::constant ||
         (op.kind == OpKind::elementwise && (op.fn == Elementwise::shift || op.fn == Elementwise::scale));
}

Recording walk(std::span<const Tensor> roots, Purpose purpose, bool roots_wanted, long holders) {
  Walk found(purpose);
  for (const Tensor& t : roots) found.add(t);
  Recording recording;
  found.sort_into(recording);
  std::vector<Node>& nodes = recording.nodes;
  for (const std::size_t input : recording.inputs) ++nodes[input].readers;
  for (Node& node : nodes) {
    check_kept(node, purpose);
    const Recorded* recorded = node.recorded();
    node.wanted = !node.leaf && recorded && !recorded->known && node.is_held_by_others(0);
  }
  for (const Tensor& t : roots) {
    Node& node = nodes[found.at(t)];
    recording.roots.push_back(found.at(t));
    if (!node.leaf && !node.recorded()->known) node.wanted = roots_wanted || node.is_held_by_others(holders);
  }
  if (purpose == Purpose::gradients) mark_active(recording);
  for (const Node& node : nodes) check_current(node);
  write_key(recording, purpose);
  return recording;
}

}  // namespace backpass::eager
