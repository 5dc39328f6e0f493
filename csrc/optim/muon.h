// Muon: matrices move along the orthogonal factor of their momentum (Jordan et al. 2024; Liu et al. 2025).
#pragma once

#include <map>

#include "nn/network_impl.h"
#include "optim/rule.h"

namespace backpass {

// Takes the matrices out of `swept` and adds, to the update phase of a plan, the ops that turn their gradients into
// directions: momentum in kOptimizer0, directions in kOptimizer1. `gradients`, by name, are those that the plan itself
// computes; others are read from kGradients. Returns the matrices.
std::vector<ParameterInfo> add_directions(PlanSpec& spec, DType dtype, const Direction& direction,
                                          const std::map<std::string, Tensor>& gradients,
                                          std::vector<ParameterInfo>& swept);

}  // namespace backpass
