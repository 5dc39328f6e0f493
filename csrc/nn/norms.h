// Normalization without parameters, for the layers that have it.
#pragma once

#include "backpass/graph.h"

namespace backpass {

// Rows along the last axis, minus their mean, over the root of their variance plus eps.
Tensor normalized(const Tensor& x, double eps);

}  // namespace backpass
