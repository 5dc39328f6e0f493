// Gradients of several batches in one buffer, for one update.
#pragma once

#include "train/objective_impl.h"

namespace backpass {

// The gradients of a plan become the mean of those in the buffer and its own, by the weights of their rows: the weight
// before is handed to each run in the first external slot, the weight of the batch is the next output of the plan.
// Throws std::invalid_argument where losses of several outputs weigh rows differently.
void average_with_gradients(PlanSpec& spec, const Network::Impl& net, const LossInputs& in,
                            const std::vector<Tensor>& parameters, std::vector<Tensor>& grads);
// The gradients of a network's parameters, apart from its buffer.
class HeldGradients {
 public:
  void take(const Network::Impl& net);       // from the buffer
  void put(const Network::Impl& net) const;  // into it
  void add(const Network::Impl& net) const;  // to what is there

 private:
  AlignedBuffer bytes_;
};

// The gradients of a plan become their sum with those in the buffer.
void add_to_gradients(PlanSpec& spec, const Network::Impl& net, const std::vector<Tensor>& parameters,
                      std::vector<Tensor>& grads);

}  // namespace backpass
