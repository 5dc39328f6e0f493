// Where a fit is, as JSON.
#pragma once

#include "backpass/checkpoint.h"
#include "io/json.h"

namespace backpass {

// Everything of a checkpoint but the network's arrays; arrays of the fit and of the optimizer are kept elsewhere.
struct CheckpointState {
  FitState fit;
  OptimizerState optimizer;
  std::string settings;               // of the optimizer
  std::uint64_t step = 0, epoch = 0;  // the network's counters
};

JsonValue checkpoint_to_json(const CheckpointState& state);
// Throws std::invalid_argument where something is missing, of another type or out of range.
CheckpointState read_checkpoint_state(std::string_view text);

// What must not change: its type and settings but the learning rate.
std::string optimizer_settings(const Optimizer& optimizer);

}  // namespace backpass
