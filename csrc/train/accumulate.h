// Gradients of several batches in one buffer, for one update.
#pragma once

#include "train/trainer_impl.h"

namespace backpass {

// The gradients of a plan become keep * buffer + part * gradient, in the buffer: two scalars that are handed to each
// run in the first two external slots.
void add_to_gradients(PlanSpec& spec, const Network::Impl& net, const std::vector<Tensor>& parameters,
                      std::vector<Tensor>& grads);

}  // namespace backpass
