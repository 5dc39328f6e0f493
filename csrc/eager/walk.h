// Walking a recording: what has to run, and the key under which its plan is found again.
#pragma once

#include <span>

#include "eager/expansion.h"

namespace backpass::eager {

enum class Purpose : unsigned char { values, gradients };

// Holds what it is about: while a plan runs, or what Python wrote is compiled, other threads may let go of it.
struct Node {
  Tensor tensor;
  std::shared_ptr<const Callee> called;
  std::size_t first_input = 0, n_inputs = 0;  // in Recording::inputs; none of a leaf
  bool leaf = false;                          // nothing runs for it: it has a value, or is a constant
  bool wanted = false;                        // its value will be kept
  bool active = false;                        // a gradient comes to it
  std::uint32_t readers = 0;

  const Op& op() const { return tensor.op(); }
  Recorded* recorded() const { return op().recorded.get(); }
  // Whether there are more references to it than those of readers, of the recording, and so many of the caller's.
  bool is_held_by_others(long of_caller) const {
    return tensor.shared().use_count() > static_cast<long>(readers) + 1 + of_caller;
  }
  const ExpandingCallee* callee() const { return static_cast<const ExpandingCallee*>(called.get()); }
};

// What is reachable from some tensors, each op after those that it needs.
struct Recording {
  std::vector<Node> nodes;
  std::vector<std::size_t> inputs;     // of one node after the other: places
  std::uint64_t number = 0;            // of the walk
  std::vector<std::size_t> roots;      // places of the tensors
  std::vector<std::uint64_t> key;      // the structure, but for numbers
  std::vector<std::uint64_t> numbers;  // bits of the numbers that are written beside tensors

  std::span<const std::size_t> inputs_of(const Node& node) const {
    return std::span(inputs).subspan(node.first_input, node.n_inputs);
  }
  // Right after the walk only: the next one has other places.
  bool holds(const Recorded& recorded) const { return recorded.walk == number; }
};

// `holders`: how many references to each root the caller has. A root that nobody else holds is wanted only where
// `roots_wanted`. Throws std::invalid_argument where a gradient would need what has been let go of.
Recording walk(std::span<const Tensor> roots, Purpose purpose, bool roots_wanted, long holders);

// Whether the op holds a number that may be another one in the next recording: `x * 0.5`.
bool takes_number(const Op& op);

}  // namespace backpass::eager
