// An optimizer's rule, its steps so far and its slots.
#pragma once

#include "base/aligned.h"
#include "optim/rule.h"

namespace backpass {

struct Optimizer::State {
  Rule rule;
  std::int64_t steps = 0;
  std::shared_ptr<Network::Impl> bound = {};  // the network that this steps; kept, so that no other takes its place
  AlignedBuffer slots[2] = {};

  kernels::UpdateRule update_rule() const { return rule.kernel; }
  int slot_count() const { return rule.slots; }
  // Binds to a network at the first call and allocates the slots; throws std::invalid_argument for another network.
  void bind(Network& network);
  // The settings of the next step; taken when its update is done.
  const kernels::UpdateSettings* next_settings();
};

}  // namespace backpass
