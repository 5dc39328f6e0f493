// What a step as operations reads of its number: rates by schedule and group, and what the rules correct.
#pragma once

#include "backpass/optimizers.h"

namespace backpass {

// Of one entry of the groups' table.
struct StepNumbers {
  Tensor learning_rate, step_size, gradient_step, root, rectified, fresh, eps;
  Tensor shrink;  // 1 - learning_rate weight_decay
  Tensor step;    // the number of the step, from 1
};

// The numbers of the step after `steps` (), int32, by entry, computed in float64 by what steps of a network ask too.
// They hold the state.
std::vector<StepNumbers> step_numbers(const std::shared_ptr<Optimizer::State>& state, const Tensor& steps, DType dtype);

Tensor next_step(const Tensor& steps);  // steps + 1

}  // namespace backpass
