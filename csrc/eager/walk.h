// Walking a recording: what has to run, and the key under which its plan is found again.
#pragma once

#include <span>

#include "eager/expansion.h"

namespace backpass::eager {

enum class Purpose : unsigned char { values, gradients };

struct Node {
  const Tensor* tensor = nullptr;
  bool leaf = false;    // nothing runs for it: it has a value, or is a constant
  bool wanted = false;  // its value will be kept
  bool active = false;  // a gradient comes to it
  std::uint32_t readers = 0;

  const Op& op() const { return tensor->op(); }
  Recorded* recorded() const { return op().recorded.get(); }
  const ExpandingCallee* callee() const { return recorded() ? callee_of(*recorded()) : nullptr; }
};

// What is reachable from some tensors, each op after those that it needs.
struct Recording {
  std::vector<Node> nodes;
  std::uint64_t number = 0;            // of the walk
  std::vector<std::size_t> roots;      // places of the tensors
  std::vector<std::uint64_t> key;      // the structure, but for numbers
  std::vector<std::uint64_t> numbers;  // bits of the numbers that are written beside tensors

  bool holds(const Recorded& recorded) const { return recorded.walk == number; }
};

// `holders`: how many references to each root the caller has. A root that nobody else holds is wanted only where
// `roots_wanted`. Throws std::invalid_argument where a gradient would need what has been let go of.
Recording walk(std::span<const Tensor> roots, Purpose purpose, bool roots_wanted, long holders);

// Whether the op holds a number that may be another one in the next recording: `x * 0.5`.
bool takes_number(const Op& op);

}  // namespace backpass::eager
