// Muon: matrices move along the orthogonal factor of their momentum (Jordan et al. 2024; Liu et al. 2025).
#pragma once

#include "nn/network_impl.h"
#include "optim/rule.h"

namespace backpass {

// Takes the matrices out of `swept` and adds, to the update phase of a plan, the ops that turn their gradients into
// directions: momentum in kOptimizer0, directions in kOptimizer1. Returns the matrices.
std::vector<ParameterInfo> add_directions(PlanSpec& spec, const Network::Impl& network, const Direction& direction,
                                          std::vector<ParameterInfo>& swept);

}  // namespace backpass
