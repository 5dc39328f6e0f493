// What a step as operations reads of its number: rates by schedule and group, and what the rules correct.
#pragma once

#include "backpass/optimizers.h"
#include "graph/update.h"

namespace backpass {

// Of the step after `steps` (), int32, computed in float64 by what steps of a network ask too: StepNumbers for each
// entry of the groups' table, in one tensor. It holds the state.
Tensor step_numbers(const std::shared_ptr<Optimizer::State>& state, const Tensor& steps, DType dtype);

Tensor next_step(const Tensor& steps);  // steps + 1

}  // namespace backpass
