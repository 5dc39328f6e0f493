// Calls of layers while a network is built.
#pragma once

#include "backpass/layers.h"
#include "graph/op.h"

namespace backpass {

// The first of so many numbers of layers and calls that nobody else has.
std::uint64_t reserve_numbers(std::uint64_t count);

// While it lives, layers called on this thread are no part of the layer within which they are called.
class OutermostCalls {
 public:
  OutermostCalls();
  ~OutermostCalls();
  OutermostCalls(const OutermostCalls&) = delete;
  OutermostCalls& operator=(const OutermostCalls&) = delete;

 private:
  LayerContext* const outer_;
};

// Makes a call part of the layer that is being called on this thread, if there is one: its parent, and its name there.
void place_in_caller(LayerUse& use);

}  // namespace backpass
