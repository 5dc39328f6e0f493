// What a plan asks of a convolution.
#pragma once

#include "backpass/convolution.h"
#include "graph/rules.h"

namespace backpass {

Convolution convolution(const Op& op);  // its settings

}  // namespace backpass
