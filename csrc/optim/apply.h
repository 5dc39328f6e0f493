// The rules of update kernels as operations, each in the order in which its kernel computes: of the same bits.
#pragma once

#include "optim/rule.h"
#include "optim/step_numbers.h"

namespace backpass {

// A weight with its slots, empty tensors where the rule keeps none.
struct RuleTensors {
  Tensor weight;
  std::array<Tensor, 3> slots = {};
};

// What a step of a rule with this weight decay makes of them.
RuleTensors apply_rule(const Rule& rule, double weight_decay, const RuleTensors& from, const Tensor& grad,
                       const StepNumbers& numbers);

}  // namespace backpass
