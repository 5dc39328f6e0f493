// An optimizer's rule, settings and slots.
#pragma once

#include <variant>

#include "backpass/optimizers.h"
#include "base/aligned.h"
#include "kernels/table.h"
#include "plan/calls.h"

namespace backpass {

struct Optimizer::State {
  std::variant<SGD, Adam> rule;
  std::int64_t steps = 0;
  std::shared_ptr<Network::Impl> bound;  // the network that this steps; kept, so that no other takes its place
  AlignedBuffer slots[2];
  // What the update kernel reads in this step.
  kernels::SGDSettings sgd{};
  kernels::AdamSettings adam{};

  UpdateRule update_rule() const { return std::holds_alternative<SGD>(rule) ? UpdateRule::sgd : UpdateRule::adam; }
  int slot_count() const;
  // Binds to a network at the first call and allocates the slots; throws std::invalid_argument for another network.
  void bind(Network& network);
  // The settings of the next step; taken when its update is done.
  const void* next_settings();
};

}  // namespace backpass
