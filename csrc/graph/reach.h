// The ops that some tensors are made from.
#pragma once

#include "graph/op.h"

namespace backpass {

// In the order of making, which is topological.
std::vector<Tensor> reachable(const std::vector<Tensor>& outputs);

}  // namespace backpass
