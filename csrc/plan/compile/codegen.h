// From a cluster of fused ops to the program that computes it.
#pragma once

#include "plan/compile/fuse.h"

namespace backpass {

// Which value (place in memory) holds an op's result; ops without one live in registers.
using ValueOf = std::unordered_map<const Op*, int>;

// The program of program cluster `index`, or the epilogue of a matmul cluster whose product lies in value `product`.
// partials: the value with the slots of total sums; their alphas and values follow from the fusion.
Program generate(std::size_t index, const Fusion& fusion, Sources& sources, const ValueOf& value_of, int product,
                 int partials);

}  // namespace backpass
