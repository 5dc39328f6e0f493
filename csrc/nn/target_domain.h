// Whether targets are what a loss is defined for.
#pragma once

#include "backpass/losses.h"

namespace backpass {

// Throws std::invalid_argument that names the first row of y that is outside the loss's domain and weighs something.
// y: (n, ...); sample_weight: (n,) or empty. Values that are not finite pass: whether they may be there is another
// question.
void check_domain(const Loss& loss, const ArrayView& y, const ArrayView& sample_weight);

}  // namespace backpass
