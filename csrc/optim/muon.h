// Muon: matrices move along the orthogonal factor of their momentum (Jordan et al. 2024; Liu et al. 2025).
#pragma once

#include <map>

#include "nn/network_impl.h"
#include "optim/rule.h"

namespace backpass {

inline bool is_matrix(const Shape& shape) { return shape.size() == 2 && element_count(shape) > 0; }

// The momentum of a matrix after a gradient, and the direction along which it descends.
struct Directed {
  Tensor momentum, step;
};
Directed directed(const Direction& direction, const Tensor& momentum, const Tensor& grad);

// Takes the matrices out of `swept` and adds to a plan the ops that turn their gradients into momentum, kept in
// kOptimizer0, and directions, along which the update phase descends. Both are made in the backward phase: the guard of
// the update looks at them. `gradients`, by name, are those that the plan itself computes; others are read from
// their buffer. Returns the matrices in the order of the plan's descents, whose settings are left to the caller.
std::vector<ParameterInfo> add_directions(PlanSpec& spec, const Network::Impl& network, const Direction& direction,
                                          const std::map<std::string, Tensor>& gradients,
                                          std::vector<ParameterInfo>& swept);

}  // namespace backpass
