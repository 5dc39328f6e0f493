// Which outputs of a graph may be written over its inputs.
#pragma once

#include "graph/op.h"

namespace backpass {

// For each output the number of an input, of which it is the new weight or slot of a step and which nothing reads after
// that step; -1 where there is none. No input is named twice.
std::vector<int> in_place_of(const Graph& graph);

}  // namespace backpass
